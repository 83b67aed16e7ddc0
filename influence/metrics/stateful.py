"""Stateful metrics: objects that update a state batch by batch, such as those of torchmetrics.

Such a state is not a sum over samples that the library could weight anew, so it cannot be
resampled: a stateful metric has a value, but neither an interval nor a p-value.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError, said
from influence.metrics.metric import Items, Prediction

__all__ = ["Accumulator", "StatefulMetric", "make_stateful"]


@runtime_checkable
class Accumulator(Protocol):
    """The methods of `torchmetrics.Metric` that are used; its ``higher_is_better`` is read too."""

    def update(self, *args: Any, **kwargs: Any) -> Any: ...
    def compute(self) -> Any: ...
    def reset(self) -> Any: ...


@dataclass(frozen=True)
class StatefulMetric:
    """An accumulator with a name, a direction and a unit.

    The accumulator is cloned for each condition. A clone's ``update`` gets the prediction and the
    target of one batch after the other. They are passed as they are if every element has ground
    truth; otherwise only the elements that have it are passed, in the shapes (elements, classes) or
    (elements,) and (elements,). Outputs that are no tensors, and their targets, are passed as
    lists, one entry a sample.

    Parameters
    ----------
    name
        As in the tables.
    accumulator
        An object with ``update``, ``compute`` and ``reset``, such as a `torchmetrics.Metric`. Its
        state is left unchanged.
    higher_is_better
        Whether a higher value is a better one.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    key
        Where the value is in what ``compute`` returns, if that is a mapping, such as ``map`` of
        torchmetrics' ``MeanAveragePrecision``.
    """

    name: str
    accumulator: Accumulator
    higher_is_better: bool
    unit: str = ""
    key: str = ""

    def fresh(self, device: torch.device) -> StatefulMetric:
        """Return a clone with its state reset, on a device."""
        clone = copy.deepcopy(self.accumulator)
        if isinstance(clone, torch.nn.Module):
            clone.to(device)
        clone.reset()
        return replace(self, accumulator=clone)

    def update(self, prediction: Prediction | Items) -> None:
        """Add a batch to the state.

        Raises
        ------
        InfluenceError
            If the accumulator fails on the batch.
        """
        if isinstance(prediction, Items):
            items = prediction
            self._call(
                lambda: self.accumulator.update(list(items.values), list(items.targets)),
                f"a prediction and a target of {len(items)} samples each, in lists",
            )
            return
        values, target = self._with_truth(prediction)
        if not len(target):
            return
        self._call(lambda: self.accumulator.update(values, target), (
            f"a prediction of shape {tuple(values.shape)} ({values.dtype}) and a target of shape "
            f"{tuple(target.shape)} ({target.dtype})"
        ))  # fmt: skip

    def _with_truth(self, prediction: Prediction) -> tuple[Tensor, Tensor]:
        """Return prediction and target, without elements that have no ground truth."""
        values, target, valid = prediction.aligned(), prediction.target, prediction.valid()
        if prediction.of_truth("all valid", lambda: bool(valid.all())):
            return values, target
        if values.ndim > max(1, target.ndim):
            values = values.movedim(1, -1)
        if values.shape[: target.ndim] != target.shape:
            raise InfluenceError(
                f"metric {self.name!r}: some elements have no ground truth, and cannot be dropped "
                f"from a prediction of shape {tuple(prediction.values.shape)} and a target of "
                f"shape {tuple(target.shape)}; expected the same shape, or (samples, classes, ...) "
                "and (samples, ...)"
            )
        return values[valid], target[valid]

    def value(self) -> float:
        """Return the value over all batches so far.

        Raises
        ------
        InfluenceError
            If the accumulator fails, or its value is not one number.
        """
        found = self._call(self.accumulator.compute, "all batches")
        if isinstance(found, Mapping) and self.key in found:
            found = found[self.key]
        elif isinstance(found, Mapping):
            raise InfluenceError(
                f"metric {self.name!r}: expected one number, got several by name: "
                f"{', '.join(map(str, found))}. Choose one by its key: "
                f"influence.metrics.stateful.StatefulMetric({self.name!r}, metric, "
                f"higher_is_better=..., key={str(next(iter(found), ''))!r})"
            )
        shown = " ".join(str(found).split())[:100]
        try:
            return float(found)
        except (TypeError, ValueError, RuntimeError) as error:
            raise InfluenceError(
                f"metric {self.name!r}: expected one number, got {shown}. Let it "
                "average, as with average='macro'"
            ) from error

    def _call(self, method: Callable[[], Any], data: str) -> Any:
        try:
            with torch.inference_mode():
                return method()
        except Exception as error:  # a user's metric may raise anything
            raise InfluenceError(f"metric {self.name!r} failed on {data}: {said(error)}") from error

    def oriented(self, gain: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return differences of values with the sign for which positive means better."""
        return gain if self.higher_is_better else 0.0 - gain  # no negative zero


def make_stateful(accumulator: Accumulator) -> StatefulMetric:
    """Make a stateful metric, named after the accumulator's class, with its ``higher_is_better``.

    Raises
    ------
    InfluenceError
        If ``higher_is_better`` is missing or `None`.
    """
    name = type(accumulator).__name__
    higher = getattr(accumulator, "higher_is_better", None)
    if higher is None:
        raise InfluenceError(
            f"metric {name!r} does not say whether higher is better. Pass it as "
            f"influence.metrics.stateful.StatefulMetric({name!r}, metric, higher_is_better=True)"
        )
    return StatefulMetric(name, accumulator, bool(higher))
