"""The decorator: a user's own metric is a function of two tensors.

What such a function returns is averaged over the places that have ground truth, pooled over the
data set, so that it adds up over samples and is resampled as exactly as the metrics that come with
the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Metric, Prediction, Statistic, ratio

__all__ = ["metric"]

SampleFunction = Callable[[Tensor, Tensor], Tensor]


def metric(
    *, higher_is_better: bool, unit: str = "", name: str = ""
) -> Callable[[SampleFunction], Metric]:
    """Make a metric of a function of prediction and target.

    The function gets two tensors with samples first: the prediction as the network gives it, in
    the shape of the target where all that differs are axes of length one; and the target, with -1
    (labels) or NaN (values) where there is no ground truth. Real values come in float64. It must
    not write into them. It returns a number or a bool for each place, or for each sample:

    - a place is an element of the target, or one beside its channels: a target (samples, channels,
      height, width) allows a result (samples, height, width);
    - what it returns at a place without ground truth is not looked at, whatever it is; a number a
      sample has to leave such places out itself.

    Parameters
    ----------
    higher_is_better
        The direction.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    name
        As in the tables; by default that of the function.

    Returns
    -------
    Callable
        The decorator, which gives a `Metric`: the mean over the places with ground truth.

    Raises
    ------
    InfluenceError
        If there is no name; and when measuring, if the function fails, or returns something else.

    Examples
    --------
    >>> @metric(higher_is_better=True)
    ... def within(prediction, target):
    ...     return (prediction - target).abs() < 0.5
    >>> from influence.data.dataset import Field
    >>> from influence.network.joint_network import Output
    >>> target = torch.tensor([[1.0, 2.0, 3.0, torch.nan]])
    >>> prediction = Prediction(torch.zeros(1, 4) + 2.2, target, Output("y"), Field((4,), False))
    >>> within.statistic.update(prediction).tolist()  # places with ground truth, their sum
    [[3.0, 1.0]]
    """

    def decorate(function: SampleFunction) -> Metric:
        known = name or getattr(function, "__name__", "")
        if not known or not known.isprintable() or {"/", "@"} & {*known}:
            raise InfluenceError(
                f"expected a metric with a printable name without '/' and '@', got {known!r}. Give "
                "one: influence.metric(name=..., higher_is_better=...)"
            )
        statistic = Statistic(f"mean:{known}", _Mean(known, function), lambda rows: rows[..., 0])
        return Metric(known, statistic, lambda s: ratio(s[..., 1], s[..., 0]), higher_is_better,
                      unit)  # fmt: skip

    return decorate


@dataclass(frozen=True)
class _Mean:
    """Counts the places with ground truth, and adds up what a function returns there."""

    name: str
    function: SampleFunction

    def __call__(self, prediction: Prediction) -> Tensor:
        found = self._score(prediction)
        valid = _places(found, prediction.valid())
        if valid is None:
            expected = "a number for each place or each sample"
            raise self._error(prediction, expected, f"the shape {tuple(found.shape)}")
        counted = torch.where(valid, found.double(), 0.0).reshape(len(valid), -1)
        places = valid.reshape(len(valid), -1)
        return torch.stack([places.sum(1).double(), counted.sum(1)], dim=1)

    def _score(self, prediction: Prediction) -> Tensor:
        values, target = prediction.aligned(), prediction.target
        if target.is_floating_point():
            values, target = values.double(), target.double()
        try:
            found: object = self.function(values, target)
        except InfluenceError:
            raise
        except Exception as error:  # whatever a user's function does
            fault = f"{type(error).__name__}: {error}"
            raise self._error(prediction, "a tensor", fault) from error
        if not isinstance(found, Tensor):
            raise self._error(prediction, "a tensor", type(found).__name__)
        return found

    def _error(self, prediction: Prediction, expected: str, got: str) -> InfluenceError:
        return InfluenceError(
            f"metric {self.name!r} of output {prediction.output.name!r}: of a prediction of shape "
            f"{tuple(prediction.aligned().shape)} and a target of shape "
            f"{tuple(prediction.target.shape)}, samples first, expected {expected}, got {got}"
        )


def _places(found: Tensor, valid: Tensor) -> Tensor | None:
    """Say what counts of a result, if it has a shape that it may have."""
    if found.shape == valid.shape:
        return valid
    if found.shape == valid.shape[:1]:
        return valid.reshape(len(valid), -1).any(dim=1)
    if valid.ndim > 2 and found.shape == valid.shape[:1] + valid.shape[2:]:
        return valid.all(dim=1)
    return None
