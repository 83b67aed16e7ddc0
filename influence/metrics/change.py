"""Change metrics: how far an output moves when an input is muted; they need no ground truth.

A prediction is compared with the full one, in which nothing is muted, of the same samples. So the
full value is zero, lower is better, and omega = muted - full is never negative: it measures how
much the output depends on the source, not whether that helps. All pixels count, with or without
ground truth.

`changed_foreground` is the share of changed labels among the pixels that either prediction labels
as another class than the background: where little is foreground, changed labels are few of all
pixels and may still be all objects.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Reads, Statistic, ratio

__all__ = ["CHANGE_METRICS"]

BACKGROUND = "background"
"""The name of the class of everything that is no object; without such a name it is class 0."""


def _divergence(prediction: Prediction) -> Tensor:
    """Sum over pixels the divergence of the muted from the full distribution, KL(full || muted)."""
    full, muted = (_log_probabilities(p) for p in (_full(prediction), prediction))
    found = torch.nn.functional.kl_div(muted, full, reduction="none", log_target=True)
    # A class that the full prediction rules out, by a logit of minus infinity, adds nothing.
    return _count_and_sum(prediction, torch.where(full == -torch.inf, 0.0, found).sum(1))


def _log_probabilities(prediction: Prediction) -> Tensor:
    _check_scores(prediction)
    logs = prediction.log_probabilities()
    return logs.log_softmax(dim=1) if prediction.holds_probabilities else logs


def _changed_labels(prediction: Prediction) -> Tensor:
    """Count the pixels where the predicted class changes."""
    _check_scores(prediction)
    return _count_and_sum(prediction, (prediction.labels() != _full(prediction).labels()).double())


def _changed_foreground(prediction: Prediction) -> Tensor:
    """Count the pixels of the foreground where the predicted class changes.

    The foreground is where one of both predictions is another class than the background.
    """
    _check_scores(prediction)
    full, muted = _full(prediction).labels(), prediction.labels()
    names = prediction.output.classes or prediction.field.classes
    background = [name.casefold() for name in names].index(BACKGROUND) if _has(names) else 0
    foreground = (full != background) | (muted != background)
    return _count_and_sum(prediction, (full != muted).double(), foreground)


def _has(names: Sequence[str]) -> bool:
    return BACKGROUND in [name.casefold() for name in names]


def _check_scores(prediction: Prediction) -> None:
    output, unlabelled = prediction.output, prediction.target.is_floating_point()
    # One channel is a score of two classes only if something says that there are classes.
    if prediction.is_binary and unlabelled and output.kind not in ("probabilities", "logits"):
        raise InfluenceError(
            f"output {output.name!r}: the network gives shape "
            f"{tuple(prediction.values.shape[1:])} a sample, expected (classes, ...) with two "
            "classes or more, or an output of kind 'probabilities' or 'logits'. Take "
            "relative_change or absolute_change for values"
        )


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


def _change_metric(
    name: str, update: Callable[[Prediction], Tensor], unit: str = "", *, reads: Reads = "any"
) -> Metric:
    statistic = Statistic(name, update, lambda rows: rows[..., 0], against="full", reads=reads)
    return Metric(name, statistic, lambda s: ratio(s[..., 1], s[..., 0]), False, unit)


CHANGE_METRICS = (
    _change_metric("kl_divergence", _divergence, "nat", reads="labels"),
    _change_metric("changed_labels", _changed_labels, reads="labels"),
    _change_metric("changed_foreground", _changed_foreground, reads="labels"),
    _change_metric("relative_change", _relative_change),
    _change_metric("absolute_change", _absolute_change, "{unit}"),
)
