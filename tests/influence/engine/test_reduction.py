"""Reduction: what is computed of one batch, how often, under which keys, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from influence.data.dataset import Batch
from influence.data.memory import MemorySet
from influence.engine.reduction import Reduction
from influence.errors import InfluenceError
from influence.metrics.decorator import metric
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


def test_an_error_that_says_what_is_wrong_is_left_as_it_is() -> None:
    def fail(number: int) -> Any:
        raise InfluenceError("as it is")

    with pytest.raises(InfluenceError, match=r"^as it is$"):
        reduction(find_metrics(["rms"])).rows(batch({"d": DEPTH}), map(fail, [0]))


def scored(
    output: Output, metrics: list[str], values: Tensor, target: Any, **muted: Tensor
) -> tuple[Reduction, dict[RowKey, Any]]:
    """Reduce one batch of an output `y`; further predictions are those with an input muted."""
    truth = target if isinstance(target, Tensor) else torch.zeros(len(target))
    data = MemorySet.collect([({"x": torch.zeros(len(target), 1)}, {"y": truth})])
    network = JointNetwork(torch.nn.Identity(), ["x"], [output])
    whole = Reduction(network, data, Plan(("x",), (), {"y": tuple(find_metrics(metrics))}),
                      torch.device("cpu"))  # fmt: skip
    ids = [str(i) for i in range(len(target))]
    samples = Batch(np.arange(len(target)), {"x": torch.zeros(len(target), 1)}, {"y": target}, ids)
    passes = [(FULL_CONDITION, {"y": values})]
    passes += [(Condition(mute, frozenset({"x"})), {"y": v}) for mute, v in muted.items()]
    return whole, whole.rows(samples, iter(passes))


def value_of(name: str, *arguments: Any, **options: Any) -> float:
    _, rows = scored(arguments[0], [name], *arguments[1:], **options)
    metric = METRICS[name]
    found = rows[RowKey(FULL_CONDITION, "y", metric.statistic.name)]
    return float(metric.formula(found.sum(0)))


STREAM = torch.Generator().manual_seed(0)
SCORES = 3 * torch.randn(6, 4, 5, generator=STREAM)
LABELS = torch.randint(0, 4, (6, 5), generator=STREAM)


def test_a_softmax_that_no_kind_declares_is_scored_as_one_and_noted() -> None:
    whole, _ = scored(Output("y"), ["cross_entropy"], SCORES.softmax(1), LABELS)
    (note,) = whole.observed
    assert "first values lie between 0 and 1 and sum to 1 over the classes" in note
    expected = torch.nn.functional.cross_entropy(SCORES, LABELS).item()
    found = value_of("cross_entropy", Output("y"), SCORES.softmax(1), LABELS)
    assert found == pytest.approx(expected, rel=1e-5)
    assert value_of("cross_entropy", Output("y"), SCORES, LABELS) == pytest.approx(expected)


def test_kinds_are_compared_whatever_is_scored() -> None:
    with pytest.raises(InfluenceError, match=r"^the data given: output 'y' is declared as logits"):
        scored(Output("y", "logits"), ["mse"], SCORES.softmax(1), SCORES)
    scored(Output("y", "other"), ["mse"], SCORES.softmax(1), SCORES)


def test_what_was_assumed_has_to_hold_for_later_batches() -> None:
    whole, _ = scored(Output("y"), ["accuracy"], SCORES.softmax(1), LABELS)
    samples = Batch(np.arange(6), {}, {"y": LABELS}, [str(i) for i in range(6)])
    whole.rows(samples, iter([(FULL_CONDITION, {"y": SCORES.softmax(1)})]))
    assert len(whole.observed) == 1
    with pytest.raises(InfluenceError, match=r"later ones do not.* Output\('y', 'logits'\)"):
        whole.rows(samples, iter([(FULL_CONDITION, {"y": SCORES})]))


def test_a_class_may_be_ruled_out_of_logits_but_not_all() -> None:
    masked = SCORES.clone()
    masked[:, 3] = -torch.inf
    expected = (SCORES[:, :3].argmax(1) == LABELS).double().mean().item()
    assert value_of("accuracy", Output("y"), masked, LABELS) == pytest.approx(expected)
    with pytest.raises(InfluenceError, match=r"'likelihood' of output 'y' is infinite.*rules out"):
        value_of("cross_entropy", Output("y", "logits"), masked, LABELS)
    with pytest.raises(InfluenceError, match="minus infinity in output 'y' for sample '0'"):
        scored(Output("y"), ["mse"], masked, SCORES)
    masked[2, :, 1] = -torch.inf
    with pytest.raises(InfluenceError, match=r"minus infinity .* for sample '2' .* under full"):
        value_of("accuracy", Output("y"), masked, LABELS)


def test_integers_are_values_to_metrics_of_errors_and_labels_to_others() -> None:
    guess = torch.randn(6, 5, generator=STREAM)
    values = torch.randint(-3, 4, (6, 5), generator=STREAM)
    expected = (guess - values).double().square().mean().item()
    assert value_of("mse", Output("y"), guess, values) == pytest.approx(expected)
    known = values != -2
    expected = (guess - values).double().square()[known].mean().item()
    assert value_of("mse", Output("y", ignore=-2), guess, values) == pytest.approx(expected)
    with pytest.raises(InfluenceError, match=r"integers below 0.*both were asked for.*ignore=-1"):
        scored(Output("y"), ["accuracy", "mae"], SCORES, values[:, :5])


def test_integers_that_are_no_truth_in_a_file_are_no_values() -> None:
    whole, _ = scored(Output("y"), ["mae"], torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.long))
    whole.data.targets["y"] = replace(whole.data.targets["y"], ignore=255.0)  # type: ignore[index]
    target = torch.tensor([[-1, 3], [4, 5]])
    samples = Batch(np.arange(2), {}, {"y": target}, ["0", "1"])
    rows = whole.rows(samples, iter([(FULL_CONDITION, {"y": torch.zeros(2, 2)})]))
    assert rows[RowKey(FULL_CONDITION, "y", "errors")].tolist() == [[1, 9, 3], [2, 41, 9]]


def test_predictions_are_resized_to_the_truth_and_labels_ignored() -> None:
    maps = SCORES[..., None].expand(6, 4, 5, 3)
    labels = LABELS[..., None].expand(6, 5, 3).repeat_interleave(2, 1).repeat_interleave(2, 2)
    labels = labels.clone()
    labels[:, :, :2] = 255
    known = Output("y", "logits", resize="nearest", ignore=255)
    expected = (SCORES.argmax(1) == LABELS).double().mean().item()
    assert value_of("pixel_accuracy", known, maps, labels) == pytest.approx(expected)


def test_slices_hold_the_values_of_integers() -> None:
    values = torch.tensor([[[-3, 2], [5, 1]], [[1, 1], [4, -6]]])
    data = MemorySet.collect([({"x": torch.zeros(2, 1)}, {"y": values, "d": values.abs().float()})])
    own = {"y": (Slicing("d", DepthBins((2.5,))),)}
    network = JointNetwork(torch.nn.Identity(), ["x"], [Output("y")])
    plan = Plan(("x",), (), {"y": tuple(find_metrics(["mae"]))}, slices=own)
    whole = Reduction(network, data, plan, torch.device("cpu"))
    samples = batch({"y": values, "d": values.abs().float()})
    rows = whole.rows(samples, iter([(FULL_CONDITION, {"y": torch.zeros(2, 2, 2)})]))
    far = rows[RowKey(FULL_CONDITION, "y", "errors", "depth:2.5-inf")]
    assert far.tolist() == [[2, 34, 8], [2, 52, 10]]


@metric(higher_is_better=True)
def same(prediction: Any, target: Any) -> float:
    return float(prediction == target)


def test_text_is_scored_one_sample_at_a_time() -> None:
    whole, _ = scored(Output("y"), ["mse"], torch.zeros(2), torch.zeros(2))
    plan = replace(whole.plan, metrics={"y": (same,)})
    whole = replace(whole, plan=plan)
    samples = Batch(np.arange(2), {}, {"y": ["a", "b"]}, ["0", "1"])
    passes = [
        (FULL_CONDITION, {"y": ["a", "c"], "not scored": {"any": "thing"}}),
        (MUTED[0], {"y": ["", "b"]}),
    ]
    rows = whole.rows(samples, iter(passes))  # type: ignore[arg-type]
    name = same.statistic.name
    assert rows[RowKey(FULL_CONDITION, "y", name)].tolist() == [[1, 1], [1, 0]]
    assert rows[RowKey(MUTED[0], "y", name)].tolist() == [[1, 0], [1, 1]]
    wrong = iter([(FULL_CONDITION, {"y": ["a"]})])
    with pytest.raises(InfluenceError, match="returned 1 entries for 2 samples"):
        whole.rows(samples, wrong)  # type: ignore[arg-type]


def test_a_metric_of_tensors_refuses_text() -> None:
    with pytest.raises(InfluenceError, match=r"no tensor \(an entry is a str\), and the statistic"):
        scored(Output("y"), ["mse"], ["a", "b"], ["a", "b"])  # type: ignore[arg-type]
