"""Which batches are run, in which order, and how the networks are tried on the first one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.data.evaluation_file import EvaluationFile
from influence.data.source import sample_count
from influence.engine.evaluation import try_out
from influence.engine.preparation import make_runners
from influence.engine.schedule import cut, make_schedule, order_samples
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.network.joint_network import JointNetwork, Output
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, Session
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
    schedule = make_schedule([net], data, plans, EXECUTION)
    runners = make_runners([net], data, plans, EXECUTION, count=13)
    with pytest.raises(InfluenceError, match=r"shards: .* perhaps of another version .* afresh"):
        try_out(runners, schedule, EXECUTION, Session(shards=store))


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
    schedule = make_schedule([toy(), toy()], data, plans, EXECUTION)
    runners = make_runners([toy(), toy()], data, plans, EXECUTION, count=schedule.count)
    trials, loaded = try_out(runners, schedule, EXECUTION, Session())
    assert len(trials) == 2
    for number, batch, follower in loaded:
        one, other = (runner.run(batch, follower) for runner in runners)
        assert batch.indices[0] == 4 * number
        assert one.keys() < other.keys()
        assert {len(rows) for rows in other.values()} == {len(batch)}


class Retrieval(nn.Module):
    """Scores every pair of a batch."""

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        return image @ text.T


def test_a_limit_may_not_cut_a_batch_that_is_run_as_given() -> None:
    network = JointNetwork(Retrieval(), ["image", "text"], [Output("match", "logits")])
    rows = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    batch = ({"image": rows, "text": rows}, {"match": torch.arange(8)})
    run = measure(network, [batch] * 3, mutes=["zero"], limit=16, draws=10)
    assert set(run.influence["n"]) == {16}
    with pytest.raises(InfluenceError, match=r"limit=12 ends inside a batch.* limit=8 or 16"):
        measure(network, [batch] * 3, mutes=["zero"], limit=12, draws=10)
