"""Evaluation: one read of each sample; batch size and workers change nothing."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from influence.checkpoints import export_checkpoint, load_checkpoint
from influence.errors import InfluenceError
from influence.evaluation import evaluate
from influence.evaluation_file import EvaluationFile
from influence.metrics import find_metrics
from influence.muting import parse_mutes
from influence.network import JointNetwork
from influence.plan import Execution, Plan, choose_device
from influence.rows import Rows
from influence.shards import ShardStore

ALL_MUTES = ("zero", "mean", "uniform", "shuffle", "noise", "constant:0.5")


def plan(*mutes: str) -> Plan:
    metrics = {
        "depth": tuple(find_metrics(["rms", "mse"])),
        "semantic": tuple(find_metrics(["mean_iou", "cross_entropy"])),
    }
    return Plan(("depth", "semantic"), tuple(parse_mutes(mutes)), metrics, seed=4)


def run(net: JointNetwork, path: Path, mutes: tuple[str, ...] = ALL_MUTES, **options: Any) -> Rows:
    return evaluate([net], EvaluationFile(path), [plan(*mutes)], **options)[0].kept


@pytest.mark.parametrize(("batch_size", "workers"), [(1, 0), (3, 2), (16, 0)])
def test_rows_do_not_depend_on_batch_size_or_workers(
    net: JointNetwork, toy_file: Path, batch_size: int, workers: int
) -> None:
    reference = run(net, toy_file, execution=Execution(batch_size=5))
    found = run(net, toy_file, execution=Execution(batch_size=batch_size, workers=workers))
    assert found.values.keys() == reference.values.keys()
    for key, rows in reference.values.items():
        np.testing.assert_allclose(found.values[key], rows, rtol=1e-6, err_msg=str(key))


@pytest.mark.parametrize("mutes", [("zero",), ("zero", "shuffle", "constant:0.5")])
def test_each_sample_is_read_once(
    net: JointNetwork, toy_file: Path, mutes: tuple[str, ...], reads: list[int]
) -> None:
    run(net, toy_file, mutes, execution=Execution(batch_size=4))
    assert sorted(reads) == list(range(13))


def test_conditions_are_full_and_each_site_under_each_mute(net: JointNetwork) -> None:
    named = [str(c) for c in plan("zero", "uniform").conditions(net)]
    # Nothing is uniform about a depth map.
    assert named == ["full", "zero(depth)", "zero(semantic)", "uniform(semantic)"]


def test_mute_that_is_defined_for_no_site_is_refused(net: JointNetwork) -> None:
    metrics = {"depth": tuple(find_metrics(["rms"]))}
    only_depth = Plan(("depth",), tuple(parse_mutes(["uniform"])), metrics)
    with pytest.raises(InfluenceError, match=r"'uniform' is defined for .*logits or prob"):
        only_depth.conditions(net)


def test_limit_takes_the_first_samples(net: JointNetwork, toy_file: Path) -> None:
    whole, part = run(net, toy_file, ("zero",)), run(net, toy_file, ("zero",), limit=5)
    assert part.ids == whole.ids[:5]
    for key, rows in part.values.items():
        np.testing.assert_allclose(rows, whole.values[key][:5], rtol=1e-6)


@pytest.mark.parametrize("mutes", [("zero",), ("shuffle", "noise")])
def test_resumed_evaluation_equals_an_uninterrupted_one(
    net: JointNetwork, toy_file: Path, tmp_path: Path, mutes: tuple[str, ...]
) -> None:
    execution = Execution(batch_size=4)
    whole = run(net, toy_file, mutes, execution=execution)

    def stop_after_two(samples: int) -> None:
        done.append(samples)
        if len(done) == 2:
            raise KeyboardInterrupt

    done: list[int] = []
    store = ShardStore(tmp_path / "shards", {})
    with pytest.raises(KeyboardInterrupt):
        run(net, toy_file, mutes, execution=execution, shards=store, advance=stop_after_two)
    assert store.finished() == [0, 1]
    resumed = run(net, toy_file, mutes, execution=execution, shards=store, advance=done.append)
    assert sum(done[2:]) == 13
    for key, rows in whole.values.items():
        np.testing.assert_array_equal(resumed.values[key], rows)


def test_groups_come_from_the_data(net: JointNetwork, toy_file: Path) -> None:
    assert run(net, toy_file, ("zero",)).groups.tolist() == list(range(13))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "a batch size of 1 or more and 0 or more workers, got 0 and 0"),
        ({"workers": -1}, "0 or more workers"),
        ({"amp": "bf61"}, "unknown precision 'bf61': did you mean 'bf16'"),
    ],
)
def test_senseless_execution_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        Execution(**options)


def test_mixed_precision_is_near(net: JointNetwork, toy_file: Path) -> None:
    exact, mixed = (
        run(net, toy_file, ("zero",), execution=Execution(amp=amp)) for amp in ("off", "bf16")
    )
    key = next(iter(exact.values))
    gap = np.abs(exact.values[key] - mixed.values[key]).max()
    assert 0 < gap < 0.05 * np.abs(exact.values[key]).max()


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_absent_device_is_told() -> None:
    with pytest.raises(InfluenceError, match="device 'cuda' cannot be used here"):
        choose_device("cuda")
    assert choose_device("auto").type == "cpu"


def test_unknown_device_is_told() -> None:
    with pytest.raises(InfluenceError, match="device 'gpu' cannot be used here"):
        choose_device("gpu")


@pytest.fixture
def exported(net: JointNetwork, tmp_path: Path) -> Path:
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(net, tmp_path / "toy.pt2", example)
    return tmp_path / "toy.pt2"


@pytest.mark.parametrize(
    "options", [{"compile": True}, {"channels_last": False}, {"batch_size": 3}], ids=str
)
@pytest.mark.parametrize("share", [True, False])
def test_way_of_computing_changes_nothing(
    exported: Path,
    toy_file: Path,
    options: dict[str, Any],
    share: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a backend makes of the graphs is not ours to test.
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend="eager"))
    reference = run(load_checkpoint(exported), toy_file, execution=Execution(share=False))
    data, plans = EvaluationFile(toy_file), [plan(*ALL_MUTES)]
    found = evaluate(
        [load_checkpoint(exported)], data, plans, execution=Execution(share=share, **options)
    )
    assert found[0].trial.shared == share
    assert found[0].trial.channels_last == options.get("channels_last", True)
    for key, rows in reference.values.items():
        np.testing.assert_allclose(found[0].kept.values[key], rows, rtol=1e-6, err_msg=str(key))


def test_several_networks_share_one_read(exported: Path, toy_file: Path, reads: list[int]) -> None:
    plans = [plan("zero", "shuffle"), replace(plan("zero", "shuffle"), setups="all")]
    networks = [load_checkpoint(exported), load_checkpoint(exported)]
    found = evaluate(networks, EvaluationFile(toy_file), plans, execution=Execution(batch_size=4))
    assert sorted(reads) == list(range(13))
    one, other = (own.kept for own in found)
    assert len(one.conditions()) == 1 + 2 * 2
    assert len(other.conditions()) == 1 + 2 * 3
    for key, rows in one.values.items():
        np.testing.assert_array_equal(other.values[key], rows)
