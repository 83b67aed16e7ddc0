"""The losses that constants are learned by, against torch's own and against the metrics."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from influence.data.dataset import Field, MemorySet
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from influence.mutes.losses import Losses, choose_loss
from influence.network.joint_network import JointNetwork, Output
from tests.toy import Toy, rows_of


def losses(kind: str, target: torch.Tensor) -> Losses:
    field = Field(tuple(target.shape[1:]), not target.is_floating_point())
    output = Output("y", kind)
    return Losses({"y": output}, {"y": field}, {"y": choose_loss(output, field)})


def mean(kind: str, values: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    sums = losses(kind, target)({"y": values}, {"y": target})["y"]
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
    assert list(Losses.of(net, data).names) == ["depth"]
    other = JointNetwork(Toy(), ["depth", "semantic"], ["flow", "normals"])
    with pytest.raises(InfluenceError, match=r"predicts \['flow', 'normals'\], but .* \['depth'\]"):
        Losses.of(other, data)
