"""Losses against torch's and the metrics', and constants during the search."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from influence.data.dataset import Field
from influence.data.memory import MemorySet
from influence.errors import InfluenceError
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS
from influence.mutes.descent import Constant, find_outputs, list_candidates, sum_loss
from influence.network.joint_network import JointNetwork, Modality, Output
from tests.toy import Toy, rows_of


def mean(kind: str, values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    field = Field(tuple(target.shape[1:]), not target.is_floating_point())
    sums = sum_loss(Prediction(values, target, Output("y", kind), field))
    return sums[0] / sums[1]


def test_labels_get_cross_entropy() -> None:
    logits, labels = torch.randn(6, 4, 3, 2), torch.randint(-1, 4, (6, 3, 2))
    expected = F.cross_entropy(logits.double(), labels, ignore_index=-1)
    torch.testing.assert_close(mean("logits", logits, labels), expected)
    probabilities = logits.double().softmax(1)
    torch.testing.assert_close(mean("probabilities", probabilities, labels), expected)


@pytest.mark.parametrize("kind", ["depth", "other"])
def test_values_get_squared_error_where_there_is_truth(kind: str) -> None:
    values, truth = torch.rand(5, 1, 4) + 1, torch.rand(5, 4) + 1
    truth[2, :3], truth[0, 0] = float("nan"), -1.0
    known = truth > 0 if kind == "depth" else truth.isfinite()
    expected = F.mse_loss(values[:, 0][known].double(), truth[known].double())
    torch.testing.assert_close(mean(kind, values, truth), expected)


@pytest.mark.parametrize(
    ("kind", "name", "root"),
    [("logits", "cross_entropy", False), ("depth", "rms", True), ("image", "mse", False)],
)
def test_columns_are_those_of_the_metric(kind: str, name: str, root: bool) -> None:
    values = torch.rand(7, 3, 2) + 0.5
    target = torch.randint(0, 3, (7, 2)) if kind == "logits" else torch.rand(7, 3, 2) + 0.5
    metric = METRICS[name]
    expected = float(metric.formula(rows_of(metric, values, target, kind=kind).sum(0)))
    found = mean(kind, values, target).item()
    assert (np.sqrt(found) if root else found) == pytest.approx(expected, rel=1e-12)


def test_only_outputs_with_ground_truth_are_scored() -> None:
    depth, semantic = torch.ones(2, 1, 4, 4), torch.ones(2, 3, 4, 4)
    data = MemorySet.collect([({"depth": depth, "semantic": semantic}, {"depth": depth[:, 0]})])
    net = JointNetwork(Toy(), ["depth", "semantic"], ["depth", "semantic"])
    assert list(find_outputs(net, data)) == ["depth"]
    other = JointNetwork(Toy(), ["depth", "semantic"], ["flow", "normals"])
    with pytest.raises(InfluenceError, match=r"predicts \['flow', 'normals'\], but .* \['depth'\]"):
        find_outputs(other, data)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("depth", ["zero", "mean"]),
        ("logits", ["zero", "mean", "uniform"]),
        ("probabilities", ["mean", "uniform"]),
    ],
)
def test_candidates_are_what_the_mutes_put(kind: str, names: list[str]) -> None:
    facts = Modality("x", kind, mean=(0.25, 0.75), std=(1.0,))
    found = list_candidates(facts, Field((2, 5, 5), False))
    assert list(found) == names
    assert found["mean"].tolist() == [0.25, 0.75]
    assert all(c.dtype == torch.float64 for c in found.values())


def test_a_prior_with_zeros_is_made_a_distribution() -> None:
    facts = Modality("x", "probabilities", mean=(0.0, 2.0))
    found = list_candidates(facts, Field((2,), False))["mean"]
    assert found.sum().item() == pytest.approx(1.0)
    assert found.min() > 0


def test_one_number_serves_all_channels_and_inputs_without_channels() -> None:
    for shape in ((3, 4, 4), ()):
        found = list_candidates(Modality("x", mean=(7.0,)), Field(shape, False))
        assert found["mean"].tolist() == [7.0] * (shape or (1,))[0]


def walk(kind: str, start: list[float], goal: list[float], steps: int = 300) -> Constant:
    """Follow the gradient of the squared distance to a goal."""
    facts = Modality("x", kind, std=(2.0,))
    constant = Constant(facts, torch.tensor(start, dtype=torch.float64), loss=float("inf"))
    for number in range(steps):
        loss = (constant.value() - torch.tensor(goal)).square().sum()
        assert constant.step(loss, 1 - number / steps)
    constant.consider(constant.value(), loss.item())
    return constant


def test_gradient_leads_to_the_goal() -> None:
    found = walk("other", [0.0, 0.0], [3.0, -1.0])
    torch.testing.assert_close(found.best, torch.tensor([3.0, -1.0]).double(), atol=1e-3, rtol=0)


def test_probabilities_stay_a_distribution() -> None:
    found = walk("probabilities", [0.2, 0.3, 0.5], [2.0, 0.0, 0.0])
    assert found.best.sum().item() == pytest.approx(1.0)
    assert found.best.min() >= 0
    assert found.best[0] > 0.95


def test_depth_stays_above_zero() -> None:
    found = walk("depth", [1.0, 1.0], [-1.0, 4.0])
    torch.testing.assert_close(found.best, torch.tensor([0.0, 4.0]).double(), atol=1e-2, rtol=0)
    assert (found.best >= 0).all()


def test_best_is_kept() -> None:
    constant = Constant(Modality("x", std=(1.0,)), torch.zeros(1).double(), loss=1.0)
    for loss in (2.0, float("nan"), 1.0):
        constant.consider(torch.ones(1).double(), loss)
        assert (constant.best.item(), constant.loss) == (0.0, 1.0)
    constant.consider(torch.ones(1).double(), 0.5)
    assert (constant.best.item(), constant.loss) == (1.0, 0.5)


def test_a_gradient_that_is_not_finite_is_passed_over() -> None:
    constant = Constant(Modality("x", std=(1.0,)), torch.zeros(1).double(), loss=1.0)
    assert constant.step(constant.value().abs().sqrt().sum(), 1.0)  # infinite at zero
    assert constant.value().item() == 0.0
    assert not constant.step(torch.ones(()), 1.0)  # no gradient at all
