"""Change metrics: how far an output moves when an input is muted; they need no ground truth.

A prediction is compared with the full one, in which nothing is muted, of the same samples. So the
full value is zero, lower is better, and omega = muted - full is never negative: it measures how
much the output depends on the source, not whether that helps. All pixels count, with or without
ground truth.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Statistic, ratio

__all__ = ["CHANGE_METRICS"]


def _divergence(prediction: Prediction) -> Tensor:
    """Sum over pixels the divergence of the muted from the full distribution, KL(full || muted)."""
    full, muted = (_log_probabilities(p) for p in (_full(prediction), prediction))
    found = torch.nn.functional.kl_div(muted, full, reduction="none", log_target=True)
    return _count_and_sum(prediction, found.sum(1))


def _log_probabilities(prediction: Prediction) -> Tensor:
    values = _class_scores(prediction).double()
    if prediction.output.kind == "probabilities":
        values = values.clamp(min=1e-12).log()
    return values.log_softmax(dim=1)


def _changed_labels(prediction: Prediction) -> Tensor:
    """Count the pixels where the predicted class changes."""
    _class_scores(prediction)
    return _count_and_sum(prediction, (prediction.labels() != _full(prediction).labels()).double())


def _class_scores(prediction: Prediction) -> Tensor:
    values, name = prediction.values, prediction.output.name
    if values.ndim < 2 or values.shape[1] < 2:
        raise InfluenceError(
            f"output {name!r}: the network gives shape {tuple(values.shape[1:])} a sample, "
            "expected (classes, ...) with two classes or more. Take relative_change or "
            "absolute_change for values"
        )
    return values


def _relative_change(prediction: Prediction) -> Tensor:
    """Sum |muted - full| / full where the full value is positive."""
    full, muted = _full(prediction).values.double(), prediction.values.double()
    positive = full > 0
    gap = (muted - full).abs() / torch.where(positive, full, 1.0)
    return _count_and_sum(prediction, torch.where(positive, gap, 0.0), positive)


def _absolute_change(prediction: Prediction) -> Tensor:
    """Sum |muted - full|."""
    gap = prediction.values.double() - _full(prediction).values.double()
    return _count_and_sum(prediction, gap.abs())


def _full(prediction: Prediction) -> Prediction:
    """Return the full prediction; of the full prediction, itself."""
    return prediction.reference or prediction


def _count_and_sum(prediction: Prediction, change: Tensor, counted: Tensor | None = None) -> Tensor:
    """Count the elements of each sample and sum the change over them: float64, (samples, 2)."""
    counted = torch.ones_like(change, dtype=torch.bool) if counted is None else counted
    if (pixels := prediction.pixels) is not None:
        counted = counted & _broadcast(pixels, change, prediction.output.name)
    columns = (counted.double(), torch.where(counted, change, 0.0))
    return torch.stack([column.reshape(len(change), -1).sum(1) for column in columns], dim=1)


def _broadcast(pixels: Tensor, change: Tensor, name: str) -> Tensor:
    """Insert axes into a mask (samples, height, width) so that it fits the axes of a change."""
    if pixels.shape[1:] != change.shape[change.ndim - pixels.ndim + 1 :]:
        raise InfluenceError(
            f"output {name!r} has the shape {tuple(change.shape[1:])}, and the ground truth that "
            f"divides it into levels {tuple(pixels.shape[1:])}. Resize one to the other"
        )
    return pixels.reshape(len(pixels), *(1,) * (change.ndim - pixels.ndim), *pixels.shape[1:])


def _change_metric(name: str, update: Callable[[Prediction], Tensor], unit: str = "") -> Metric:
    statistic = Statistic(name, update, valid=lambda rows: rows[..., 0], against="full")
    return Metric(name, statistic, lambda s: ratio(s[..., 1], s[..., 0]), False, unit)


CHANGE_METRICS = (
    _change_metric("kl_divergence", _divergence, "nat"),
    _change_metric("changed_labels", _changed_labels),
    _change_metric("relative_change", _relative_change),
    _change_metric("absolute_change", _absolute_change, "{unit}"),
)
