"""Reduction: what is computed of one batch, how often, under which keys, and what is refused."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from influence.data.dataset import Batch, MemorySet
from influence.engine.reduction import Reduction, RowChecks, explain_failure
from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Statistic
from influence.metrics.registry import METRICS, find_metrics
from influence.metrics.slices import DepthBins, Slicing
from influence.network.joint_network import JointNetwork, Output
from influence.plan.plan import Plan
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.rows import RowKey

FULL_CONDITION = Condition(NO_MUTE, FULL)
MUTED = [Condition("zero", frozenset({name})) for name in ("x", "y")]
DEPTH = torch.tensor([[[0.5, 1.5, 1.5, torch.nan]], [[0.25, 0.75, 2.0, 4.0]]])


def batch(targets: dict[str, Tensor]) -> Batch:
    return Batch(np.arange(2), {"x": torch.zeros(2, 1)}, targets, ids=["0", "1"])


def reduction(metrics: list[Metric], *, truth: bool = True, slices: bool = False) -> Reduction:
    targets = {"d": DEPTH} if truth else {}
    data = MemorySet.collect([({"x": torch.zeros(2, 1)}, targets)])
    own = {"d": (Slicing("d", DepthBins((1.0,))),)} if slices else {}
    network = JointNetwork(torch.nn.Identity(), ["x"], [Output("d", "depth")])
    plan = Plan(("x",), (), {"d": tuple(metrics)}, slices=own)
    return Reduction(network, data, plan, torch.device("cpu"))


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
    whole = reduction(find_metrics(["mse", "abs_rel", "mae"]), slices=slices)
    found = [
        key
        for condition in (FULL_CONDITION, *MUTED)
        for key, _ in whole.of_batch(batch({"d": DEPTH})).reduce(condition, "d", DEPTH.nan_to_num())
    ]
    assert found == whole.row_keys([FULL_CONDITION, *MUTED])
    assert len(found) == 3 * 2 * (3 if slices else 1)  # conditions, statistics, levels


def test_what_depends_on_the_truth_is_computed_once_a_slice() -> None:
    seen: list[Prediction] = []
    truths: list[Prediction] = []
    reduced = reduction([keeping(seen, truths)], slices=True).of_batch(batch({"d": DEPTH}))
    for condition in (FULL_CONDITION, *MUTED):
        list(reduced.reduce(condition, "d", torch.ones(2, 1, 1, 4)))
    assert len(seen) == 9
    assert [p.target.nansum().item() for p in truths] == [10.5, 1.5, 9.0]
    assert len({id(p.value_cache) for p in seen}) == 3  # that of the values is shared by the slices


def test_reference_is_the_full_prediction_where_a_metric_asks_for_it() -> None:
    values = [torch.full((2, 1, 1, 4), float(i)) for i in range(3)]
    for against, expected in (("full", [None, 0.0, 0.0]), ("truth", [None, None, None])):
        seen: list[Prediction] = []
        reduced = reduction([keeping(seen, against=against)]).of_batch(batch({"d": DEPTH}))
        for condition, value in zip((FULL_CONDITION, *MUTED), values, strict=True):
            list(reduced.reduce(condition, "d", value))
        assert [p.reference and p.reference.values.max().item() for p in seen] == expected


def test_output_without_truth_is_noted_and_has_no_places() -> None:
    seen: list[Prediction] = []
    whole = reduction([keeping(seen, against="full")], truth=False)
    (note,) = whole.notes()
    assert note.startswith("output 'd' has no ground truth in the data given, which holds []")
    list(whole.of_batch(batch({})).reduce(FULL_CONDITION, "d", torch.ones(2, 1, 1, 4)))
    assert seen[0].target.shape == (2, 0)


def test_half_precision_is_scored_in_single() -> None:
    seen: list[Prediction] = []
    reduced = reduction([keeping(seen)]).of_batch(batch({"d": DEPTH}))
    for dtype in (torch.bfloat16, torch.float32, torch.float64):
        list(reduced.reduce(FULL_CONDITION, "d", torch.ones(2, 1, 1, 4, dtype=dtype)))
    assert [p.values.dtype for p in seen] == [torch.float32, torch.float32, torch.float64]


INPUTS = {"x": torch.ones(3, 2)}


@pytest.mark.parametrize(
    ("error", "absent", "remedy"),
    [
        (torch.OutOfMemoryError("full"), True, "Take a smaller batch_size"),
        (TypeError("None"), True, "shows None in place of an input: does the network accept it?"),
        (ValueError("shape"), False, "takes batches of any size"),
    ],
)
def test_the_remedy_fits_the_error(error: Exception, absent: bool, remedy: str) -> None:
    found = str(explain_failure(error, "net", "file.h5", INPUTS, absent=absent))
    assert found.startswith("network 'net' failed on inputs of shape {'x': (3, 2)} from file.h5")
    assert remedy in found


def test_an_error_that_says_what_is_wrong_is_left_as_it_is() -> None:
    def fail(number: int) -> Any:
        raise InfluenceError("as it is")

    with pytest.raises(InfluenceError, match=r"^as it is$"):
        reduction(find_metrics(["rms"])).rows(batch({"d": DEPTH}), map(fail, [0]))


CHECKS = RowChecks("net", "file.h5", ["a", "b", "c"])
STATISTIC = METRICS["mse"].statistic
KEY = RowKey(FULL_CONDITION, "y", STATISTIC.name)


def test_the_first_sample_that_is_not_finite_is_named() -> None:
    CHECKS.check_outputs({KEY: np.ones((3, 1))})
    with pytest.raises(
        InfluenceError, match=r"in output 'y' for sample 'b' of file\.h5 under full"
    ):
        CHECKS.check_outputs({KEY: np.array([[1.0], [0.0], [0.0]])})


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_statistic_that_is_not_finite_is_named(bad: float) -> None:
    rows = np.ones((3, 2))
    CHECKS.check_rows({KEY: rows})
    rows[2, 1] = bad
    message = f"{STATISTIC.name!r} of output 'y' is NaN or infinite for sample 'c' under full"
    with pytest.raises(InfluenceError, match=re.escape(message)):
        CHECKS.check_rows({KEY: rows})


def test_a_sample_without_truth_is_named_unless_none_is_needed() -> None:
    rows = np.ones((3, 3))
    CHECKS.check_truth(KEY, STATISTIC, rows)
    rows[0] = 0
    with pytest.raises(InfluenceError, match="sample 'a' has no valid ground truth in targets/y"):
        CHECKS.check_truth(KEY, STATISTIC, rows)
    change = METRICS["absolute_change"].statistic
    CHECKS.check_truth(KEY, change, np.zeros((3, 3)))
