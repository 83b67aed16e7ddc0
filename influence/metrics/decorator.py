"""The decorator `influence.metric`: a user's metric, written as a function of two tensors.

What the function returns is averaged over the elements with ground truth, pooled over the data set.
Sums and counts are additive over samples, so the metric is resampled as exactly as the library's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from influence.errors import InfluenceError, said
from influence.metrics.metric import Items, Metric, Prediction, Statistic, ratio

__all__ = ["ItemFunction", "metric"]

SampleFunction = Callable[[Any, Any], Any]


def metric(
    *, higher_is_better: bool, unit: str = "", name: str = ""
) -> Callable[[SampleFunction], Metric]:
    """Make a metric from a function of prediction and target.

    The function gets two tensors, samples first: the prediction, in the shape of the target if only
    axes of length one differ; and the target, with -1 (labels) or NaN (values) where there is no
    ground truth. Real values are float64. The function must not change them. It returns numbers or
    bools in one of these shapes:

    - that of the target, one for each element;
    - that of the target without the channel axis: (samples, height, width) for a target (samples,
      channels, height, width); a pixel counts if all its channels have ground truth;
    - (samples,), one for each sample; then the function itself has to leave out what has no ground
      truth. In the other shapes, values without ground truth are ignored, NaN too.

    For an output that is no tensor, such as boxes or text, the function gets one sample at a time:
    what the network returned for it, and its ground truth. It returns one number, and the metric is
    the mean over samples.

    Parameters
    ----------
    higher_is_better
        Whether a higher value is a better one.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    name
        As in the tables; by default the name of the function.

    Returns
    -------
    Callable
        The decorator. It returns a `Metric`: the mean over everything that has ground truth.

    Raises
    ------
    InfluenceError
        If there is no valid name; and when measuring, if the function fails or returns anything
        else.

    Examples
    --------
    >>> @metric(higher_is_better=True)
    ... def within(prediction, target):
    ...     return (prediction - target).abs() < 0.5
    >>> from influence.data.dataset import Field
    >>> from influence.network.joint_network import Output
    >>> target = torch.tensor([[1.0, 2.0, 3.0, torch.nan]])
    >>> prediction = Prediction(torch.zeros(1, 4) + 2.2, target, Output("y"), Field((4,), False))
    >>> within.statistic.update(prediction).tolist()  # number of elements with truth, their sum
    [[3.0, 1.0]]
    """

    def decorate(function: SampleFunction) -> Metric:
        title = name or getattr(function, "__name__", "")
        if not title or not title.isprintable() or {"/", "@"} & {*title}:
            raise InfluenceError(
                f"expected a metric with a printable name without '/' and '@', got {title!r}. Give "
                "one: influence.metric(name=..., higher_is_better=...)"
            )
        statistic = Statistic(f"mean:{title}", _Mean(title, function), lambda rows: rows[..., 0])
        return Metric(title, statistic, lambda s: ratio(s[..., 1], s[..., 0]), higher_is_better,
                      unit)  # fmt: skip

    return decorate


@runtime_checkable
class ItemFunction(Protocol):
    """The update of a statistic that also scores outputs which are no tensors."""

    def of_items(self, items: Items) -> Tensor: ...


@dataclass(frozen=True)
class _Mean:
    """Counts the elements with ground truth and sums what a function returns there."""

    name: str
    function: SampleFunction

    def __call__(self, prediction: Prediction) -> Tensor:
        found = self._score(prediction)
        valid = _counted(found, prediction.valid())
        if valid is None:
            expected = "a number for each element or each sample"
            raise self._error(prediction, expected, f"the shape {tuple(found.shape)}")
        scores = torch.where(valid, found.double(), 0.0).reshape(len(valid), -1)
        counts = valid.reshape(len(valid), -1).sum(1).double()
        return torch.stack([counts, scores.sum(1)], dim=1)

    def of_items(self, items: Items) -> Tensor:
        """Score samples one by one; the rows are 1 and the score, (samples, 2)."""
        rows = []
        for value, target in zip(items.values, items.targets, strict=True):
            try:
                found = float(self.function(value, target))
            except InfluenceError:
                raise
            except Exception as error:  # a user's function may raise anything
                raise InfluenceError(
                    f"metric {self.name!r} of output {items.output.name!r}: for a prediction of "
                    f"type {type(value).__name__} and a target of type {type(target).__name__}, "
                    f"of one sample, expected one number, got {said(error)}"
                ) from error
            rows.append([1.0, found])
        return torch.tensor(rows, dtype=torch.float64).reshape(len(items), 2)

    def _score(self, prediction: Prediction) -> Tensor:
        values, target = prediction.aligned(), prediction.target
        if target.is_floating_point():
            values, target = values.double(), target.double()
        try:
            # Copies, which the function may change in place.
            found: object = self.function(values.clone(), target.clone())
        except InfluenceError:
            raise
        except Exception as error:  # a user's function may raise anything
            raise self._error(prediction, "a tensor of real numbers", said(error)) from error
        if not isinstance(found, Tensor) or found.is_complex():
            got = str(found.dtype) if isinstance(found, Tensor) else type(found).__name__
            raise self._error(prediction, "a tensor of real numbers", got)
        return found

    def _error(self, prediction: Prediction, expected: str, got: str) -> InfluenceError:
        return InfluenceError(
            f"metric {self.name!r} of output {prediction.output.name!r}: for a prediction of shape "
            f"{tuple(prediction.aligned().shape)} and a target of shape "
            f"{tuple(prediction.target.shape)}, samples first, expected {expected}, got {got}"
        )


def _counted(found: Tensor, valid: Tensor) -> Tensor | None:
    """Return which elements of a result count; `None` if its shape is not one of those allowed."""
    if found.shape == valid.shape:
        return valid
    if found.shape == valid.shape[:1]:
        return valid.reshape(len(valid), -1).any(dim=1)
    if valid.ndim > 2 and found.shape == valid.shape[:1] + valid.shape[2:]:
        return valid.all(dim=1)
    return None
