"""The loop: what is agreed on before the first batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence.data.evaluation_file import EvaluationFile
from influence.data.source import sample_count
from influence.engine.loop import cut, order_samples, read_batches, run_batches
from influence.engine.preparation import make_runners
from influence.errors import InfluenceError
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution
from influence.runtime.shards import ShardStore
from tests.toy import toy

EXECUTION = Execution(device="cpu", batch_size=4)


def plan(*mutes: str) -> Plan:
    metrics = {"depth": tuple(find_metrics(["mse"]))}
    return Plan(("depth", "semantic"), tuple(parse_mutes(mutes)), metrics, seed=4)


@pytest.mark.parametrize("limit", [0, -1])
def test_limit_below_one_is_refused(toy_file: Path, limit: int) -> None:
    with pytest.raises(InfluenceError, match=f"a limit of one sample or more, got {limit}"):
        sample_count(EvaluationFile(toy_file), limit)


def test_a_limit_is_no_more_than_there_is(toy_file: Path) -> None:
    data = EvaluationFile(toy_file)
    assert [sample_count(data, limit) for limit in (None, 5, 13, 14)] == [13, 5, 13, 13]


@pytest.mark.parametrize("found", [[], {}, 5, [{"share": True}], [{"shared": False}] * 2])
def test_trials_of_another_form_are_told(
    net: JointNetwork, toy_file: Path, tmp_path: Path, found: Any
) -> None:
    store = ShardStore(tmp_path / "shards", {})
    store.save_json("trials", found)
    data, plans = EvaluationFile(toy_file), [plan("zero")]
    runners = make_runners([net], data, plans, EXECUTION, count=13)
    pairs = read_batches(data, cut(13, 4), None, EXECUTION)
    with pytest.raises(InfluenceError, match=r"shards: .* perhaps of another version .* afresh"):
        run_batches(runners, pairs, EXECUTION, samples=13, shards=store)


def test_neighbours_do_not_depend_on_the_order_of_inputs(toy_file: Path) -> None:
    data, plans = EvaluationFile(toy_file), [plan("shuffle:neighbours")]
    turned = toy()
    turned.inputs = turned.inputs[::-1]
    one, other = (order_samples([net], data, plans, 13) for net in (toy(), turned))
    assert one is not None
    assert other is not None
    np.testing.assert_array_equal(one.follows, other.follows)


def test_without_a_shuffle_samples_keep_their_order(net: JointNetwork, toy_file: Path) -> None:
    order = order_samples([net], EvaluationFile(toy_file), [plan("zero")], 13)
    assert np.concatenate(cut(13, 4, order)).tolist() == list(range(13))


def test_every_network_runs_on_every_batch(toy_file: Path) -> None:
    data, plans = EvaluationFile(toy_file), [plan("zero"), plan("zero", "mean")]
    runners = make_runners([toy(), toy()], data, plans, EXECUTION, count=13)
    pairs = read_batches(data, cut(13, 4), None, EXECUTION)
    trials, results = run_batches(runners, pairs, EXECUTION, samples=13)
    assert len(trials) == 2
    for batch, (one, other) in results:
        assert one.keys() < other.keys()
        assert {len(rows) for rows in other.values()} == {len(batch)}
