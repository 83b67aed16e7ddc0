"""Metrics: a statistic that is added up over samples, and a formula applied to the sum.

A sum over samples can be resampled exactly. Mean IoU, for example, is not a mean over images, but
a formula of class counts, which are summed over images. So its bootstrap interval needs weighted
sums of the counts of each sample, and no further run of the network.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Field
from influence.network.joint_network import Output

__all__ = ["Metric", "Prediction", "Statistic"]

Array = NDArray[np.float64]
T = TypeVar("T")


@dataclass(frozen=True)
class Prediction:
    """One output of the network for a batch, with its ground truth: what a metric is computed from.

    Parameters
    ----------
    values
        What the network returned, samples first, on the network's device.
    target
        Ground truth, samples first, on the same device. Elements without ground truth are -1 in
        integer labels and NaN in real values.
    output, field
        The declarations of the output and of its ground truth: kind, classes, unit, range.
    truth_cache
        Results of `of_truth`, shared by all predictions that are compared with this target.
    value_cache
        Results of `of_values`, shared by all targets that these values are compared with.
    reference
        The prediction with nothing muted for the same samples, for statistics that compare with
        it; `None` if this is that prediction.
    pixels
        The pixels of the slice to score, bool, (samples, height, width); `None` for all. The
        target has no ground truth at other pixels.
    """

    values: Tensor
    target: Tensor
    output: Output
    field: Field
    truth_cache: dict[str, Any] = dataclass_field(default_factory=dict)
    value_cache: dict[str, Any] = dataclass_field(default_factory=dict)
    reference: Prediction | None = None
    pixels: Tensor | None = None

    def of_truth(self, name: str, compute: Callable[[], T]) -> T:
        """Return what `compute` makes of the ground truth, computed once for a batch.

        The same ground truth is compared with the predictions under every condition.
        """
        if name not in self.truth_cache:
            self.truth_cache[name] = compute()
        found: T = self.truth_cache[name]
        return found

    def of_values(self, name: str, compute: Callable[[], T]) -> T:
        """Return what `compute` makes of the values, computed once for all slices."""
        if name not in self.value_cache:
            self.value_cache[name] = compute()
        found: T = self.value_cache[name]
        return found

    def labels(self) -> Tensor:
        """Return the predicted class of each element: the first of those with the greatest value.

        Classes are axis 1 of the values, so the shape is (samples, ...).
        """
        # On the CPU several times as fast as argmax, with the same index.
        return self.of_values("labels", lambda: self.values.max(dim=1).indices)

    def valid(self) -> Tensor:
        """Return whether each element has ground truth: bool, in the shape of the target."""
        return self.of_truth("valid", lambda: _valid(self.target, self.field))

    def aligned(self) -> Tensor:
        """Return the values in the shape of the target, where only axes of length one differ.

        Otherwise the shape stays. Real values are clamped to the range of the ground truth, where
        one is declared.
        """
        values, target = self.values, self.target
        if target.is_floating_point() and self.field.range is not None:
            values = values.clamp(*self.field.range)
        same = [n for n in values.shape[1:] if n > 1] == [n for n in target.shape[1:] if n > 1]
        return values.reshape(target.shape) if same else values


def _valid(target: Tensor, field: Field) -> Tensor:
    if not target.is_floating_point():
        return target >= 0
    valid = target.isfinite()
    if field.range is not None:
        low, high = field.range
        valid &= (target.double() >= low) & (target.double() <= high)
    return valid


@dataclass(frozen=True)
class Statistic:
    """The numbers of one sample from which metrics are computed after summing over samples.

    Metrics with the same statistic, such as mean IoU and pixel accuracy with their class counts,
    share its computation.

    Parameters
    ----------
    name
        Under which the numbers are stored in ``rows.h5``.
    update
        `Prediction` of a batch -> float64 tensor (samples, k) on the same device. What a metric
        needs must be a sum over samples of these k columns.
    valid
        Rows (..., k) -> the number of elements of each sample that were scored (...). A sample for
        which it is zero is refused as one without ground truth.
    against
        What the prediction is compared with: ``"truth"``, or ``"full"`` for the prediction with
        nothing muted, available as `Prediction.reference`.
    """

    name: str
    update: Callable[[Prediction], Tensor]
    valid: Callable[[Array], Array]
    against: Literal["truth", "full"] = "truth"


@dataclass(frozen=True)
class Metric:
    """A score of one output over a data set.

    For a metric that is a mean over pixels, write a function under `influence.metric`; for one that
    keeps a state and cannot be resampled, see `influence.metrics.stateful.StatefulMetric`.

    Parameters
    ----------
    name
        As in the tables.
    statistic
        What is summed over samples.
    formula
        Sums of the statistic (..., k) -> values (...). NaN stands for a value that is not defined.
        The leading axes are bootstrap draws, so the formula must work along the last axis.
    higher_is_better
        Whether a higher value is a better one.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    per_class
        Sums (..., k) -> values (..., classes), for metrics that have a value for each class.

    Examples
    --------
    The root of the mean squared error, written anew: count and sum of squares of each sample, and
    the root of their ratio.

    >>> import torch
    >>> def count_and_squares(prediction: Prediction) -> Tensor:
    ...     error = torch.where(prediction.valid(), prediction.aligned() - prediction.target, 0.0)
    ...     columns = [prediction.valid().double(), error.double().square()]
    ...     return torch.stack([x.flatten(1).sum(1) for x in columns], dim=1)
    >>> squares = Statistic("squares", count_and_squares, valid=lambda rows: rows[..., 0])
    >>> root = Metric("rmse", squares, lambda s: np.sqrt(ratio(s[..., 1], s[..., 0])),
    ...               higher_is_better=False, unit="{unit}")
    >>> target = torch.tensor([[0.0, torch.nan], [0.0, 0.0]])
    >>> prediction = Prediction(torch.full((2, 2), 3.0), target, Output("y"), Field((2,), False))
    >>> rows = root.statistic.update(prediction).numpy()
    >>> rows.tolist()
    [[1.0, 9.0], [2.0, 18.0]]
    >>> root.formula(rows.sum(0)).item()
    3.0
    """

    name: str
    statistic: Statistic
    formula: Callable[[Array], Array]
    higher_is_better: bool
    unit: str = ""
    per_class: Callable[[Array], Array] | None = None

    @property
    def needs_truth(self) -> bool:
        """Whether predictions are compared with ground truth, not with the full prediction."""
        return self.statistic.against == "truth"

    def oriented(self, gain: Array) -> Array:
        """Return a difference of values with the sign for which positive means better."""
        return gain if self.higher_is_better else 0.0 - gain  # no negative zero


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator is not zero; NaN elsewhere.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, np.nan, numerator / safe)
