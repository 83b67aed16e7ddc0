"""Metrics: a statistic that is added up over samples, and a formula applied to the sum.

A sum over samples can be resampled exactly. Mean IoU, for example, is not a mean over images, but
a formula of class counts, which are summed over images. So its bootstrap interval needs weighted
sums of the counts of each sample, and no further run of the network.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Literal, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Field
from influence.network.joint_network import Output

__all__ = ["Items", "Metric", "Prediction", "Reads", "Scores", "Statistic"]

Array = NDArray[np.float64]
T = TypeVar("T")

Scores = Literal["probabilities", "logits"]
"""What class scores are."""

Reads = Literal["labels", "multilabel", "values", "any"]
"""What a statistic takes an output for."""

SMALLEST_PROBABILITY = 1e-12
"""Probabilities are clamped to at least this before their logarithm is taken."""


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
    scores
        What class scores are, as found by `influence.metrics.kinds.find_scores`; `None` for what
        the kind of the output says.
    """

    values: Tensor
    target: Tensor
    output: Output
    field: Field
    truth_cache: dict[str, Any] = dataclass_field(default_factory=dict)
    value_cache: dict[str, Any] = dataclass_field(default_factory=dict)
    reference: Prediction | None = None
    pixels: Tensor | None = None
    scores: Scores | None = None

    @property
    def range(self) -> tuple[float, float] | None:
        """Least and greatest valid value: as the output declares it, else its ground truth."""
        return self.output.range or self.field.range

    @property
    def holds_probabilities(self) -> bool:
        """Whether class scores are probabilities; otherwise they are logits."""
        return (self.scores or self.output.kind) == "probabilities"

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

    @property
    def is_binary(self) -> bool:
        """Whether one channel of class scores stands for two classes: 0, and 1 where it is high.

        It is a channel axis of length one, or none where maps have the shape of the labels.
        """
        values, target = self.values, self.target
        map_of_labels = values.shape == target.shape and not target.is_floating_point()
        return values.ndim < 2 or values.shape[1] == 1 or (map_of_labels and values.ndim == 3)

    def class_scores(self) -> Tensor:
        """Return the score of each class, (samples, classes, ...).

        One channel p of probabilities stands for the classes (1 - p, p), and one logit z for the
        logits (0, z), whose softmax is the sigmoid of z.
        """
        if not self.is_binary:
            return self.values
        return self.of_values("class scores", self._two_classes)

    def _two_classes(self) -> Tensor:
        values = self.values.double()
        if values.ndim > 1 and values.shape[1] == 1 and values.shape != self.target.shape:
            values = values.squeeze(1)
        other = 1 - values if self.holds_probabilities else torch.zeros_like(values)
        return torch.stack([other, values], dim=1)

    def log_probabilities(self) -> Tensor:
        """Return the natural logarithm of the probability of each class, float64."""
        scores = self.class_scores().double()
        if self.holds_probabilities:
            return scores.clamp(min=SMALLEST_PROBABILITY).log()
        return scores.log_softmax(dim=1)

    def labels(self) -> Tensor:
        """Return the predicted class of each element: the first of those with the greatest score.

        The shape is (samples, ...). With one channel it is 1 where a probability is above 0.5, or a
        logit above 0.
        """
        # On the CPU several times as fast as argmax, with the same index.
        return self.of_values("labels", lambda: self.class_scores().max(dim=1).indices)

    def valid(self) -> Tensor:
        """Return whether each element has ground truth: bool, in the shape of the target."""
        return self.of_truth("valid", lambda: _valid(self.target, self.range))

    def aligned(self) -> Tensor:
        """Return the values in the shape of the target, where only axes of length one differ.

        Otherwise the shape stays. Real values are clamped to the range of the ground truth, where
        one is declared.
        """
        values, target = self.values, self.target
        if target.is_floating_point() and self.range is not None:
            values = values.clamp(*self.range)
        same = [n for n in values.shape[1:] if n > 1] == [n for n in target.shape[1:] if n > 1]
        return values.reshape(target.shape) if same else values


def _valid(target: Tensor, limits: tuple[float, float] | None) -> Tensor:
    if not target.is_floating_point():
        return target >= 0
    valid = target.isfinite()
    if limits is not None:
        low, high = limits
        valid &= (target.double() >= low) & (target.double() <= high)
    return valid


@dataclass(frozen=True)
class Items:
    """An output that is no tensor, such as boxes or text, for a batch, with its ground truth.

    Parameters
    ----------
    values, targets
        One entry a sample.
    output
        The declaration of the output.
    """

    values: Sequence[Any]
    targets: Sequence[Any]
    output: Output

    def __len__(self) -> int:
        return len(self.values)


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
    reads
        What it takes the output and the ground truth for: ``"labels"``, class scores and integers
        from 0, where those below 0 mean 'no ground truth'; ``"multilabel"``, scores of labels that
        exclude none other; ``"values"``, numbers, where integers below 0 are values too, and
        ground truth comes as floating-point numbers, NaN where there is none; ``"any"``, both as
        they are.
    """

    name: str
    update: Callable[[Prediction], Tensor]
    valid: Callable[[Array], Array]
    against: Literal["truth", "full"] = "truth"
    reads: Reads = "any"


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
    needs_range
        Whether the output or its ground truth has to declare a range.

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
    needs_range: bool = False

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


def nanmean(values: Array) -> Array:
    """Return the mean over the last axis of the values that are defined; NaN if none is.

    >>> nanmean(np.array([[1.0, 3.0, np.nan]])).tolist()
    [2.0]
    """
    defined = ~np.isnan(values)
    return ratio(np.where(defined, values, 0.0).sum(-1), defined.sum(-1).astype(np.float64))
