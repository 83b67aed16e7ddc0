"""An LSTM with exogenous inputs: a series, its times in seconds since 1970, and static facts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

DAY = 86400.0


class Forecast(nn.Module):
    """The next value of a series from its past, the hour of the day and static features."""

    def __init__(self) -> None:
        super().__init__()
        self.past = nn.LSTM(5, 8, batch_first=True)
        self.head = nn.Linear(8 + 4, 1)

    def forward(self, series: Tensor, times: Tensor, static: Tensor) -> Tensor:
        """Return the forecast (samples, 1)."""
        assert times.dtype == torch.float64, "float32 tells times only minutes apart"
        angle = (times % DAY / DAY * 2 * torch.pi).float()  # (B, T)
        hour = torch.stack([angle.sin(), angle.cos()], -1)
        _, (state, _) = self.past(torch.cat([series, hour], -1))
        found: Tensor = self.head(torch.cat([state[-1], static], 1))
        return found


def network() -> Forecast:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Forecast().eval()


def data(samples: int) -> DataLoader[Any]:
    """Return a loader of tuples: series, times (float64), static features, next value."""
    stream = torch.Generator().manual_seed(8)
    series = torch.randn(samples, 12, 3, generator=stream)
    start = 1.7e9 + 3600 * torch.rand(samples, 1, generator=stream, dtype=torch.float64)
    times = start + 7.0 * torch.arange(12, dtype=torch.float64)
    static = torch.randn(samples, 4, generator=stream)
    truth = series[:, -1, :1] + 0.3 * static[:, :1]
    return DataLoader(TensorDataset(series, times, static, truth), batch_size=16)


def user_code(network: Any, data: Any) -> Run:
    """Mute the series, the times and the static features."""
    inputs = [Modality(name, "vector") for name in ("series", "times", "static")]
    net = influence.JointNetwork(network, inputs, [Output("next")])
    fields = {"inputs/series": 0, "inputs/times": 1, "inputs/static": 2, "targets/next": 3}
    return influence.measure(net, data, fields=fields, metrics={"next": ["mse"]})


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Forecast every series."""
    names = ("series", "times", "static")
    # One mean a channel, axis 1: steps of the series and the times, and static features.
    means = {}
    for name, values in zip(names, data.dataset.tensors, strict=False):
        axes = [axis for axis in range(values.ndim) if axis != 1]
        means[name] = values.double().mean(axes)
    total, count = 0.0, 0
    for *values, truth in data:
        inputs = dict(zip(names, values, strict=True))
        if source:
            value = torch.zeros_like(inputs[source])
            if mute == "mean":
                shape = (1, -1, 1) if value.ndim == 3 else (1, -1)
                value = means[source].reshape(shape).expand_as(value).to(value.dtype)
            inputs[source] = value
        with torch.inference_mode():
            found = network(**inputs)
        total += float((found.double() - truth).square().sum())
        count += len(truth)
    return {("next", "mse"): -total / count}


KIND = Kind(
    "forecast, LSTM with exogenous inputs",
    (),
    network,
    data,
    user_code,
    score,
    inputs="series (12, 3), times (12) in float64, static (4)",
    samples=64,
    note="times are float64, which float32 would round to minutes",
)
