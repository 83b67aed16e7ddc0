"""Metrics of torchmetrics: a clone a condition, without the elements that have no ground truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torchmetrics import MeanAbsoluteError, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix, MulticlassJaccardIndex

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.metrics.metric import Items, Prediction
from influence.metrics.registry import find_metrics, find_stateful
from influence.metrics.stateful import StatefulMetric, make_stateful
from influence.network.joint_network import Output

CPU = torch.device("cpu")


def prediction(values: Any, target: Any, **field: Any) -> Prediction:
    values, target = torch.as_tensor(values), torch.as_tensor(target)
    about = Field(tuple(target.shape[1:]), not target.is_floating_point(), **field)
    return Prediction(values, target, Output("y"), about)


class Seen:
    """Keeps what it was shown."""

    higher_is_better = True

    def __init__(self) -> None:
        self.shown: list[tuple[Tensor, Tensor]] = []

    def update(self, values: Tensor, target: Tensor) -> None:
        self.shown.append((values, target))

    def compute(self) -> float:
        return len(self.shown)

    def reset(self) -> None:
        self.shown = []


def shown(values: Any, target: Any, **field: Any) -> list[tuple[Tensor, Tensor]]:
    seen = Seen()
    make_stateful(seen).update(prediction(values, target, **field))
    return seen.shown


def test_all_is_passed_as_it_is_where_everything_has_truth() -> None:
    values, labels = torch.rand(2, 3, 4, 5), torch.zeros(2, 4, 5, dtype=torch.long)
    ((found, target),) = shown(values, labels)
    assert found is values
    assert target is labels


def test_elements_without_truth_are_dropped() -> None:
    stream = np.random.default_rng(0)
    values, labels = stream.normal(size=(2, 3, 4, 5)), stream.integers(-1, 3, (2, 4, 5))
    ((found, target),) = shown(values, labels)
    expected = [(values[i, :, y, x], labels[i, y, x]) for i, y, x in np.ndindex(labels.shape)
                if labels[i, y, x] >= 0]  # fmt: skip
    np.testing.assert_array_equal(found, [scores for scores, _ in expected])
    assert target.tolist() == [label for _, label in expected]


def test_values_lose_nan_range_and_the_channel_axis() -> None:
    target = np.array([[[1.0, np.nan], [9.0, 4.0]]])
    ((found, truth),) = shown(np.array([[[[0.5, 2.0], [3.0, 7.0]]]]), target, range=(1.0, 5.0))
    assert found.tolist() == [1.0, 5.0]  # clamped to the range, as all predictions are
    assert truth.tolist() == [1.0, 4.0]


def test_batch_without_any_truth_is_passed_over() -> None:
    assert shown([[1.0]], [[float("nan")]]) == []


def test_shape_from_which_elements_cannot_be_dropped() -> None:
    with pytest.raises(InfluenceError, match=r"'Seen': some elements .* of shape \(1, 3, 2\)"):
        shown(torch.rand(1, 3, 2), torch.tensor([[0, -1, 2, 1]]))


def test_clones_are_fresh_and_leave_the_original_alone() -> None:
    original = MeanAbsoluteError()
    original.update(torch.ones(1), torch.zeros(1))
    metric = make_stateful(original)
    clones = [metric.fresh(CPU) for _ in range(2)]
    for clone, truth in zip(clones, (3.0, 5.0), strict=True):
        clone.update(prediction([[0.0, 0.0]], [[truth, float("nan")]]))
    assert [clone.value() for clone in clones] == [3.0, 5.0]
    assert original.compute().item() == 1.0


def test_direction_and_name_come_from_the_metric() -> None:
    (metric,) = find_stateful([MulticlassJaccardIndex(3), "rms"])
    assert (metric.name, metric.higher_is_better) == ("MulticlassJaccardIndex", True)
    assert metric.oriented(np.array(0.25)) == 0.25
    (lower,) = find_stateful([MeanAbsoluteError()])
    assert lower.oriented(np.array(0.25)) == -0.25


def test_metric_without_a_direction_is_refused_and_can_be_given_one() -> None:
    matrix = MulticlassConfusionMatrix(3)
    message = r"'MulticlassConfusionMatrix' does not say .*StatefulMetric"
    with pytest.raises(InfluenceError, match=message):
        find_stateful([matrix])
    with pytest.raises(InfluenceError, match="does not say"):
        find_stateful([MetricCollection([MeanAbsoluteError()])])
    named = StatefulMetric("counts", matrix, higher_is_better=True)
    assert find_stateful([named]) == [named]


def test_value_has_to_be_one_number() -> None:
    metric = StatefulMetric("counts", MulticlassConfusionMatrix(2), True).fresh(CPU)
    metric.update(prediction([[0.0, 1.0]], [1]))
    with pytest.raises(InfluenceError, match=r"'counts': expected one number, got tensor.*average"):
        metric.value()


def test_failing_metric_is_named_with_its_batch() -> None:
    metric = make_stateful(MulticlassJaccardIndex(3)).fresh(CPU)
    with pytest.raises(
        InfluenceError,
        match=r"'MulticlassJaccardIndex' failed on a prediction of shape \(1, 4\) .*float32.*Error",
    ):
        metric.update(prediction(torch.rand(1, 4), torch.tensor([3])))


def test_class_itself_is_no_metric() -> None:
    with pytest.raises(InfluenceError, match=r"expected a metric: .*, got ABCMeta"):
        find_metrics([MeanAbsoluteError])  # type: ignore[list-item]


def test_by_module_and_name() -> None:
    names = ["tests.own_metrics:jaccard", "tests.own_metrics:Distance", "mae"]
    assert [s.name for s in find_stateful(names)] == ["MulticlassJaccardIndex", "MeanAbsoluteError"]
    assert [m.name for m in find_metrics(names)] == ["mae"]


def test_two_of_one_class_need_names() -> None:
    with pytest.raises(InfluenceError, match="expected metrics that differ"):
        find_stateful([MeanAbsoluteError(), MeanAbsoluteError()])


def test_what_is_no_tensor_is_passed_in_lists() -> None:
    seen = Seen()
    boxes: list[Any] = [{"boxes": torch.zeros(2, 4)}, {}]
    truth: list[Any] = [{"boxes": torch.ones(1, 4)}, {}]
    make_stateful(seen).update(Items(boxes, truth, Output("found", "boxes")))
    assert list(seen.shown[0]) == [boxes, truth]


class Several(Seen):
    """Computes several values by name."""

    def compute(self) -> Any:
        return {"map": torch.tensor(0.25), "map_50": torch.tensor(0.5)}


def test_one_of_several_values_is_chosen_by_its_key() -> None:
    assert StatefulMetric("map_50", Several(), True, key="map_50").value() == 0.5
    with pytest.raises(InfluenceError, match=r"by name: map, map_50\. Choose one .* key='map'\)"):
        make_stateful(Several()).value()
