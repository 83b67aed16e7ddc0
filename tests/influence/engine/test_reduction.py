"""Reduction: what is computed of one batch, how often, and under which keys."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from influence.data.dataset import Batch, MemorySet
from influence.engine.reduction import Reduction
from influence.metrics.metric import Metric, Prediction, Statistic
from influence.metrics.registry import find_metrics
from influence.metrics.slices import DepthBins, Slicing
from influence.network.joint_network import Output
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL

FULL_CONDITION = Condition(NO_MUTE, FULL)
MUTED = [Condition("zero", frozenset({name})) for name in ("x", "y")]
DEPTH = torch.tensor([[[0.5, 1.5, 1.5, torch.nan]], [[0.25, 0.75, 2.0, 4.0]]])


def batch(targets: dict[str, Tensor]) -> Batch:
    return Batch(np.arange(2), {"x": torch.zeros(2, 1)}, targets, ids=["0", "1"])


def scoring(metrics: list[Metric], *, truth: bool = True, slices: bool = False) -> Reduction:
    targets = {"d": DEPTH} if truth else {}
    data = MemorySet.collect([({"x": torch.zeros(2, 1)}, targets)])
    own = {"d": (Slicing("d", DepthBins((1.0,))),)} if slices else {}
    return Reduction(
        {"d": Output("d", "depth")}, data, {"d": metrics}, {}, own, torch.device("cpu")
    )


def keeping(
    seen: list[Prediction], truths: list[Prediction] | None = None, **options: Any
) -> Metric:
    """Make a metric that keeps what it is shown, and the first prediction of each truth."""

    def update(prediction: Prediction) -> Tensor:
        seen.append(prediction)
        prediction.of_truth("truth", lambda: kept.append(prediction))
        return torch.zeros(2, 1, dtype=torch.float64)

    kept = [] if truths is None else truths
    statistic = Statistic("seen", update, valid=lambda rows: rows[..., 0], **options)
    return Metric("seen", statistic, lambda sums: sums[..., 0], True)


@pytest.mark.parametrize("slices", [False, True])
def test_keys_are_those_of_the_rows_in_their_order(slices: bool) -> None:
    judge = scoring(find_metrics(["rms", "abs_rel", "mae"]), slices=slices)
    found = [
        key
        for condition in (FULL_CONDITION, *MUTED)
        for key, _ in judge.of_batch(batch({"d": DEPTH})).reduce(condition, "d", DEPTH.nan_to_num())
    ]
    assert found == judge.row_keys([FULL_CONDITION, *MUTED])
    assert len(found) == 3 * 2 * (3 if slices else 1)  # conditions, statistics, levels


def test_what_depends_on_the_truth_is_computed_once_a_slice() -> None:
    seen: list[Prediction] = []
    truths: list[Prediction] = []
    judged = scoring([keeping(seen, truths)], slices=True).of_batch(batch({"d": DEPTH}))
    for condition in (FULL_CONDITION, *MUTED):
        list(judged.reduce(condition, "d", torch.ones(2, 1, 1, 4)))
    assert len(seen) == 9
    assert [p.target.nansum().item() for p in truths] == [10.5, 1.5, 9.0]
    assert len({id(p.value_cache) for p in seen}) == 3  # that of the values is shared by the slices


def test_reference_is_the_full_prediction_where_a_metric_asks_for_it() -> None:
    values = [torch.full((2, 1, 1, 4), float(i)) for i in range(3)]
    for against, expected in (("full", [None, 0.0, 0.0]), ("truth", [None, None, None])):
        seen: list[Prediction] = []
        judged = scoring([keeping(seen, against=against)]).of_batch(batch({"d": DEPTH}))
        for condition, value in zip((FULL_CONDITION, *MUTED), values, strict=True):
            list(judged.reduce(condition, "d", value))
        assert [p.reference and p.reference.values.max().item() for p in seen] == expected


def test_output_without_truth_is_noted_and_has_no_places() -> None:
    seen: list[Prediction] = []
    judge = scoring([keeping(seen, against="full")], truth=False)
    (note,) = judge.notes()
    assert note.startswith("output 'd' has no ground truth in the data given, which holds []")
    list(judge.of_batch(batch({})).reduce(FULL_CONDITION, "d", torch.ones(2, 1, 1, 4)))
    assert seen[0].target.shape == (2, 0)


def test_half_precision_is_scored_in_single() -> None:
    seen: list[Prediction] = []
    judged = scoring([keeping(seen)]).of_batch(batch({"d": DEPTH}))
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        list(judged.reduce(FULL_CONDITION, "d", torch.ones(2, 1, 1, 4, dtype=dtype)))
    assert [p.values.dtype for p in seen] == [torch.float32, torch.float32, torch.float64]
