"""Change metrics: how far an output moves when an input is muted; they need no ground truth.

A prediction is compared with the full one of the same samples, so the full value is zero, lower is
better, and omega = muted - full is never negative: it says how much the output depends on the
source, and not whether that helps. All places count, whatever the ground truth is.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Array, Metric, Prediction, Statistic, ratio

__all__ = ["CHANGE_METRICS"]


def _divergence(prediction: Prediction) -> Tensor:
    """Sum over places the divergence of the muted from the full distribution, KL(full || muted)."""
    full, muted = (_log_probabilities(p) for p in (_full(prediction), prediction))
    found = torch.nn.functional.kl_div(muted, full, reduction="none", log_target=True)
    return _rows(prediction, found.sum(1))


def _log_probabilities(prediction: Prediction) -> Tensor:
    values = _class_scores(prediction).double()
    if prediction.output.kind == "probabilities":
        values = values.clamp(min=1e-12).log()
    return values.log_softmax(dim=1)


def _changed_labels(prediction: Prediction) -> Tensor:
    """Count the places where the greatest class is another."""
    _class_scores(prediction)
    return _rows(prediction, (prediction.labels() != _full(prediction).labels()).double())


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
    return _rows(prediction, torch.where(positive, gap, 0.0), positive)


def _absolute_change(prediction: Prediction) -> Tensor:
    """Sum |muted - full|."""
    gap = prediction.values.double() - _full(prediction).values.double()
    return _rows(prediction, gap.abs())


def _full(prediction: Prediction) -> Prediction:
    """Return the full prediction, which is compared with itself."""
    return prediction.reference or prediction


def _rows(prediction: Prediction, change: Tensor, counted: Tensor | None = None) -> Tensor:
    """Count the places, and add up what changed there: (samples, 2)."""
    counted = torch.ones_like(change, dtype=torch.bool) if counted is None else counted
    if (places := prediction.places) is not None:
        counted = counted & _spread(places, change, prediction.output.name)
    change = torch.where(counted, change, 0.0)
    columns = (counted.double(), change)
    return torch.stack([column.reshape(len(change), -1).sum(1) for column in columns], dim=1)


def _spread(places: Tensor, change: Tensor, name: str) -> Tensor:
    """Bring a mask of places (samples, height, width) to the axes of a change."""
    if places.shape[1:] != change.shape[change.ndim - places.ndim + 1 :]:
        raise InfluenceError(
            f"output {name!r} has places {tuple(change.shape[1:])}, and the ground truth that "
            f"divides them into levels {tuple(places.shape[1:])}. Resize one to the other"
        )
    return places.reshape(len(places), *(1,) * (change.ndim - places.ndim), *places.shape[1:])


def _mean(sums: Array) -> Array:
    return ratio(sums[..., 1], sums[..., 0])


def _change_metric(name: str, update: Callable[[Prediction], Tensor], unit: str = "") -> Metric:
    statistic = Statistic(name, update, valid=lambda rows: rows[..., 0], against="full")
    return Metric(name, statistic, _mean, higher_is_better=False, unit=unit)


CHANGE_METRICS = (
    _change_metric("kl_divergence", _divergence, "nat"),
    _change_metric("changed_labels", _changed_labels),
    _change_metric("relative_change", _relative_change),
    _change_metric("absolute_change", _absolute_change, "{unit}"),
)
