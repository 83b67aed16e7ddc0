"""Distance: how far the features of a muted input are from those of the data, inside the network.

A network may react to the mute itself rather than to the missing information (Jain et al.,
Missingness Bias in Model Debugging, ICLR 2022; Hase et al., The Out-of-Distribution Problem in
Explainability, NeurIPS 2021). Influence under a mute whose features lie far from the clean ones is
therefore suspect. Features are compared at the places where modalities meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.omega import Subject
from influence.plan.setups import Condition
from influence.results.tables import DISTANCE_COLUMNS
from influence.statistics.rows import FEATURES, MARK, RowKey, full_key

__all__ = ["THRESHOLD", "distance_frame", "distance_of", "explain_absence"]

Array = NDArray[np.float64]

THRESHOLD = 3.0
"""Distances above this get a warning; data themselves have distance 1."""

FEWEST = 8
"""With fewer samples than this no distance is computed."""

FLOOR = 0.05
"""Lower bound of the scale of a channel, relative to the median: some channels are constant."""


def distance_frame(features: Mapping[RowKey, Array], subject: Subject) -> pd.DataFrame:
    """Tabulate the distance of every mute of one site, at every place that depends on the site.

    Parameters
    ----------
    features
        The features (samples, channels) for every condition and place; see
        `influence.statistics.rows`.
    subject
        The network and data to which the features belong.

    Returns
    -------
    DataFrame
        With the columns `DISTANCE_COLUMNS`; distances above `THRESHOLD` have a warning.
    """
    records = []
    for key, clean, muted in _sides(features):
        trained = _trained(features, key.output, subject.missing)
        distance, outside = distance_of(clean, muted, trained=trained)
        records.append(
            subject.identity()
            | {
                "mute": key.condition.mute,
                "source": "+".join(key.condition.setup),
                "place": key.output.removeprefix(MARK),
                "distance": distance,
                "outside": outside,
                "threshold": THRESHOLD,
                "warning": bool(distance > THRESHOLD),
                "samples": len(clean),
            }
        )
    return pd.DataFrame(records, columns=list(DISTANCE_COLUMNS))


def explain_absence(features: Mapping[RowKey, Array], meeting: str) -> str:
    """Say why no distance was measured, although it may have been asked for.

    Parameters
    ----------
    features
        The features of a network.
    meeting
        Where they were to be kept; see `influence.measure`.

    Examples
    --------
    >>> explain_absence({}, "off")
    "not asked for: meeting='off'"
    """
    if meeting == "off":
        return "not asked for: meeting='off'"
    if not features:
        return (
            "where the inputs meet is known only of a .pt2 file and of a network that is traced, "
            "or features there have no fixed width. Name a module: meeting='MODULE.PATH'"
        )
    if max(map(len, features.values())) < FEWEST:
        return f"there are fewer than {FEWEST} samples"
    return "no mute of a single input changes the features"


def _sides(features: Mapping[RowKey, Array]) -> Iterator[tuple[RowKey, Array, Array]]:
    """Yield the keys that mute one site, with the clean and muted features of the same samples."""
    for key, muted in features.items():
        if len(key.condition.setup) != 1 or full_key(key) not in features:
            continue
        clean = features[full_key(key)]
        finite = np.isfinite(clean).all(1) & np.isfinite(muted).all(1)
        # If the features are equal, the place does not depend on the muted site.
        if finite.sum() >= FEWEST and not np.array_equal(clean[finite], muted[finite]):
            yield key, clean[finite], muted[finite]


def _trained(
    features: Mapping[RowKey, Array], place: str, missing: Mapping[str, str]
) -> list[Array]:
    """Return the features under mutes that replaced missing inputs during training."""
    keys = [
        RowKey(Condition(mute, frozenset({site})), place, FEATURES)
        for site, mute in missing.items()
    ]
    found = [features[key] for key in keys if key in features]
    return [values[np.isfinite(values).all(1)] for values in found]


def distance_of(
    clean: Array, muted: Array, *, trained: Sequence[Array] = ()
) -> tuple[float, float]:
    """Compute how far muted features lie from clean ones, relative to the spread of the clean ones.

    The distance is the root mean square of the Mahalanobis distance from the clean mean, divided by
    that of clean features; 1 means as far as the data themselves. The covariance is shrunk towards
    equal, uncorrelated channels (Chen, Wiesel, Eldar and Hero, Shrinkage Algorithms for MMSE
    Covariance Estimation, 2010, eq. 23). Mean and covariance are estimated on every second sample
    and applied to the remaining ones, and vice versa, so that no feature is measured by a fit to
    itself.

    Parameters
    ----------
    clean, muted
        Features (samples, channels) of the same samples.
    trained
        Features of other inputs that occurred in training, such as a missing input. For each
        sample the smallest of its distances from these and from the clean features is used.

    Returns
    -------
    tuple
        The distance, and the share of values of the muted features that lie outside the range of
        their channel in the clean ones.

    Examples
    --------
    >>> clean = np.random.default_rng(0).standard_normal((1000, 3))
    >>> [round(x, 1) for x in distance_of(clean, clean)]
    [1.0, 0.0]
    >>> [round(x, 1) for x in distance_of(clean, np.full_like(clean, 5.0))]  # sqrt(25 / 1)
    [5.1, 1.0]
    """
    squares, outside = 0.0, 0
    for start in (0, 1):
        references = [
            _Reference.fit(values[start::2], values[1 - start :: 2]) for values in (clean, *trained)
        ]
        rest = muted[1 - start :: 2]
        squares += np.min([one.square(rest) for one in references], axis=0).sum()
        outside += np.logical_and.reduce([one.outside(rest) for one in references]).sum()
    return float(np.sqrt(squares / len(muted))), float(outside / muted.size)


@dataclass(frozen=True)
class _Reference:
    """Statistics of features: mean, scale, inverse covariance, range, typical distance."""

    mean: Array
    scale: Array
    inverse: Array
    low: Array
    high: Array
    typical: float = 1.0

    @classmethod
    def fit(cls, fitted: Array, rest: Array) -> _Reference:
        """Fit to `fitted` features, and compute the typical squared distance on the `rest`."""
        mean, deviation = fitted.mean(0), fitted.std(0)
        positive = deviation[deviation > 0]
        scale = np.maximum(deviation, FLOOR * np.median(positive) if len(positive) else FLOOR)
        covariance = shrunk_covariance((fitted - mean) / scale)
        inverse = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        found = cls(mean, scale, inverse, fitted.min(0), fitted.max(0))
        return replace(found, typical=float(found.square(rest).mean()))

    def square(self, values: Array) -> Array:
        """Return the squared distance of each sample, in units of the typical one."""
        apart = (values - self.mean) / self.scale
        found: Array = np.einsum("ij,jk,ik->i", apart, self.inverse, apart)
        if self.typical == 0:  # constant features: whatever differs is infinitely far away
            return np.where(found == 0, 1.0, np.inf)
        return found / self.typical

    def outside(self, values: Array) -> NDArray[np.bool_]:
        """Return whether each value (samples, channels) is outside the range of its channel."""
        return (values < self.low) | (values > self.high)


def shrunk_covariance(centred: Array) -> Array:
    """Estimate a covariance from centred rows (samples, channels), shrunk so that it is invertible.

    Examples
    --------
    >>> shrunk_covariance(np.array([[1.0, 1.0], [-1.0, -1.0]])).tolist()  # fully, of two samples
    [[1.0, 0.0], [0.0, 1.0]]
    """
    n, channels = centred.shape
    sample = centred.T @ centred / n
    level = np.trace(sample) / channels
    square = np.square(sample).sum()
    numerator = (1 - 2 / channels) * square + np.trace(sample) ** 2
    denominator = (n + 1 - 2 / channels) * (square - np.trace(sample) ** 2 / channels)
    weight = 1.0 if denominator <= 0 else min(1.0, numerator / denominator)
    weight = max(weight, 1e-6)  # with constant channels the sample covariance has no inverse
    shrunk: Array = (1 - weight) * sample + weight * level * np.eye(channels)
    return shrunk if level > 0 else np.eye(channels)
