"""A metric: a statistic that adds up over samples, and a formula on the sum.

Whatever adds up can be resampled exactly: a bootstrap draw of a metric of the whole data set (mean
IoU is not a mean over images) is its formula on weighted sums of rows, without another network run.
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
    """One output for a batch, beside its ground truth.

    Parameters
    ----------
    values
        What the network returned, samples first, on its device.
    target
        Ground truth, samples first: labels with -1, or values with NaN, where there is none.
    output, field
        The facts of the output and of its ground truth.
    known
        What was computed from the ground truth alone, for all predictions that share it.
    computed
        What was computed from the values alone, for all truths that they are compared with.
    reference
        The full prediction of the same samples, where a statistic compares with it; `None` for
        that one itself.
    places
        The places of the slice that is scored, bool, (samples, height, width); `None` for all.
        The target has no ground truth elsewhere.
    """

    values: Tensor
    target: Tensor
    output: Output
    field: Field
    known: dict[str, Any] = dataclass_field(default_factory=dict)
    computed: dict[str, Any] = dataclass_field(default_factory=dict)
    reference: Prediction | None = None
    places: Tensor | None = None

    def of_truth(self, name: str, compute: Callable[[], T]) -> T:
        """Compute something from the ground truth, once for a batch."""
        if name not in self.known:
            self.known[name] = compute()
        found: T = self.known[name]
        return found

    def of_values(self, name: str, compute: Callable[[], T]) -> T:
        """Compute something from the values, once for all slices."""
        if name not in self.computed:
            self.computed[name] = compute()
        found: T = self.computed[name]
        return found

    def labels(self) -> Tensor:
        """Return the class of the greatest value at each place, the first of equal ones."""
        # On the CPU several times as fast as argmax, with the same index.
        return self.of_values("labels", lambda: self.values.max(dim=1).indices)

    def valid(self) -> Tensor:
        """Say which places have ground truth: bool, in the shape of the target."""
        return self.of_truth("valid", lambda: _valid(self.target, self.field))

    def aligned(self) -> Tensor:
        """Return the values in the shape of the target, if all that differs are axes of length one.

        Real values are clamped to the range of the truth, where its field has one.
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
    """What several metrics share: one row of numbers a sample, which add up over samples.

    Parameters
    ----------
    name
        Its name in ``rows.h5``.
    update
        `Prediction` of a batch -> float64 tensor (samples, k) on the same device.
    valid
        Rows (samples, k) -> how many places of each sample were scored.
    against
        What a prediction is compared with: the ``truth``, or the ``full`` prediction, which is at
        hand as `Prediction.reference`.
    """

    name: str
    update: Callable[[Prediction], Tensor]
    valid: Callable[[Array], Array]
    against: Literal["truth", "full"] = "truth"


@dataclass(frozen=True)
class Metric:
    """A statistic, a formula on its sum, a direction and a unit.

    Parameters
    ----------
    name
        As in the tables.
    statistic
        What is added up over samples.
    formula
        Sums (..., k) -> values (...); a value that is not defined is NaN.
    higher_is_better
        The direction.
    unit
        Unit of the value; ``{unit}`` stands for the unit of the ground truth.
    per_class
        Sums (..., k) -> values (..., classes), where the metric splits by class.
    """

    name: str
    statistic: Statistic
    formula: Callable[[Array], Array]
    higher_is_better: bool
    unit: str = ""
    per_class: Callable[[Array], Array] | None = None

    @property
    def needs_truth(self) -> bool:
        """Whether it compares with the ground truth, and not with the full prediction."""
        return self.statistic.against == "truth"

    def oriented(self, gain: Array) -> Array:
        """Turn a difference of values so that positive means better."""
        return gain if self.higher_is_better else 0.0 - gain  # no negative zero


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide where the denominator is not zero; NaN elsewhere.

    >>> ratio(np.array([1.0, 1.0]), np.array([2.0, 0.0])).tolist()
    [0.5, nan]
    """
    safe = np.where(denominator == 0, 1.0, denominator)
    return np.where(denominator == 0, np.nan, numerator / safe)
