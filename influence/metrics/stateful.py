"""Metrics that keep their own state from batch to batch, such as those of torchmetrics.

Nothing is known of what its state adds up to, so it cannot be resampled: it gives a value, and
neither an interval nor a p-value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.metrics.metric import Prediction

__all__ = ["Accumulator", "StatefulMetric", "is_accumulator", "make_stateful"]


class Accumulator(Protocol):
    """What `torchmetrics.Metric` offers; ``higher_is_better`` is looked for, too."""

    def update(self, *args: Any, **kwargs: Any) -> Any: ...
    def compute(self) -> Any: ...
    def reset(self) -> Any: ...


@dataclass(frozen=True)
class StatefulMetric:
    """An accumulator with a name, a direction and a unit.

    Each condition has a clone of its own, which gets the prediction and the target of one batch
    after the other: as they are, or, where places of a batch have no ground truth, those that have
    one, (places, classes) beside (places,).

    Parameters
    ----------
    name
        As in the tables.
    accumulator
        Such as a `torchmetrics.Metric`; its own state is left as it is.
    higher_is_better
        The direction.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    """

    name: str
    accumulator: Accumulator
    higher_is_better: bool
    unit: str = ""

    def fresh(self, device: torch.device) -> StatefulMetric:
        """Return a clone that has seen nothing, on a device."""
        clone = copy.deepcopy(self.accumulator)
        if isinstance(clone, torch.nn.Module):
            clone.to(device)
        clone.reset()
        return replace(self, accumulator=clone)

    def update(self, prediction: Prediction) -> None:
        """Take in a batch.

        Raises
        ------
        InfluenceError
            If the accumulator fails on it.
        """
        values, target = self._shown(prediction)
        if not len(target):
            return
        self._call(lambda: self.accumulator.update(values, target), (
            f"a prediction of shape {tuple(values.shape)} ({values.dtype}) and a target of shape "
            f"{tuple(target.shape)} ({target.dtype})"
        ))  # fmt: skip

    def _shown(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Return prediction and target, without places that have no ground truth."""
        values, target, valid = prediction.aligned(), prediction.target, prediction.valid()
        if prediction.of_truth("all valid", lambda: bool(valid.all())):
            return values, target
        if values.ndim > max(1, target.ndim):
            values = values.movedim(1, -1)
        if values.shape[: target.ndim] != target.shape:
            raise InfluenceError(
                f"metric {self.name!r}: some places have no ground truth, and cannot be dropped "
                f"from a prediction of shape {tuple(prediction.values.shape)} beside a target of "
                f"shape {tuple(target.shape)}; expected the same shape, or (samples, classes, ...) "
                "beside (samples, ...)"
            )
        return values[valid], target[valid]

    def value(self) -> float:
        """Return the value of all batches so far.

        Raises
        ------
        InfluenceError
            If it is not one number.
        """
        found = self._call(self.accumulator.compute, "what it has seen")
        try:
            return float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InfluenceError(
                f"metric {self.name!r}: expected one number, got {_shortened(found)}. Let it "
                "average, as with average='macro'"
            ) from error

    def _call(self, act: Callable[[], Any], seen: str) -> Any:
        try:
            with torch.inference_mode():
                return act()
        except Exception as error:  # whatever a user's metric does
            raise InfluenceError(
                f"metric {self.name!r} failed on {seen}: {type(error).__name__}: {error}"
            ) from error

    def oriented(self, gain: NDArray[np.float64]) -> NDArray[np.float64]:
        """Turn a difference of values so that positive means better."""
        return gain if self.higher_is_better else 0.0 - gain  # no negative zero


def is_accumulator(value: object) -> bool:
    """Say whether something keeps a state batch by batch, as a `torchmetrics.Metric` does.

    >>> is_accumulator("rms")
    False
    """
    methods = ("update", "compute", "reset")
    return not isinstance(value, type) and all(callable(getattr(value, m, None)) for m in methods)


def make_stateful(accumulator: Accumulator) -> StatefulMetric:
    """Give an accumulator the name of its class and the direction that it tells.

    Raises
    ------
    InfluenceError
        If it tells none.
    """
    name = type(accumulator).__name__
    higher = getattr(accumulator, "higher_is_better", None)
    if higher is None:
        raise InfluenceError(
            f"metric {name!r} does not say whether higher is better. Say so: "
            f"influence.metrics.stateful.StatefulMetric({name!r}, metric, higher_is_better=True)"
        )
    return StatefulMetric(name, accumulator, bool(higher))


def _shortened(value: object) -> str:
    return " ".join(str(value).split())[:100]
