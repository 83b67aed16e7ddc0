"""Moments of edges: those of what the module returns, on samples from the whole set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from influence.data.source import BatchStream, open_data
from influence.engine.preparation import make_runners
from influence.engine.runner import Runner
from influence.errors import InfluenceError
from influence.metrics.registry import find_metrics
from influence.mutes.registry import parse_mutes
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution

EXECUTION = Execution(device="cpu", batch_size=7)


class Scaled(nn.Module):
    """An edge that carries twice its input, over maps or plain numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.twice = nn.Conv1d(2, 2, 1, bias=False)
        self.twice.weight.data = 2 * torch.eye(2).unsqueeze(-1)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.twice(x).sum(dim=(1, 2))
        return total


def batch(count: int) -> Any:
    x = torch.randn(count, 2, 5, generator=torch.Generator().manual_seed(count))
    return {"x": x}, {"t": torch.zeros(count)}


def runner_of(data: Any, mutes: list[str], *, count: int | None) -> Runner:
    network = JointNetwork(Scaled().eval(), inputs=("x",), outputs=("t",))
    metrics = {"t": tuple(find_metrics(["mse"]))}
    plan = Plan(("edge:twice",), tuple(parse_mutes(mutes)), metrics)
    (runner,) = make_runners([network], data, [plan], EXECUTION, count=count)
    return runner


@pytest.mark.parametrize(("count", "used"), [(1, 1), (10, 10), (64, 64), (128, 64)])
def test_moments_are_those_of_samples_evenly_spread(count: int, used: int) -> None:
    inputs, targets = batch(count)
    runner = runner_of(open_data([(inputs, targets)]), ["mean", "noise"], count=count)
    found = runner.modalities["edge:twice"]
    spread = [int(i) for i in np.linspace(0, count - 1, used)]
    values = 2 * inputs["x"][spread].double().numpy()
    assert found.mean is not None
    assert found.std is not None
    np.testing.assert_allclose(found.mean, values.mean((0, 2)), rtol=1e-5)
    np.testing.assert_allclose(found.std, values.std((0, 2)), rtol=1e-5)
    assert f"mean and std of edge:twice come from {used} samples of " in runner.notes[-1]


def test_nothing_is_run_where_no_mute_needs_them() -> None:
    runner = runner_of(open_data([batch(10)]), ["zero", "shuffle"], count=10)
    assert "edge:twice" not in runner.modalities
    assert runner.notes == []


def test_a_stream_is_refused_only_where_a_mute_needs_them() -> None:
    assert runner_of(BatchStream([batch(10)]), ["zero"], count=None).notes == []
    with pytest.raises(InfluenceError, match="needs the mean of an internal edge, and a stream"):
        runner_of(BatchStream([batch(10)]), ["mean"], count=None)
