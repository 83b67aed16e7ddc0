"""Distance: how far the features of a muted input lie from the data, where modalities meet.

A network may react to the mute itself and not to the missing information (Jain et al., Missingness
Bias in Model Debugging, ICLR 2022; Hase et al., The Out-of-Distribution Problem in Explainability,
NeurIPS 2021). Influence under a mute whose features lie far from the clean ones is suspect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.omega import Subject
from influence.plan.conditions import Condition
from influence.results.tables import DISTANCE_COLUMNS
from influence.statistics.features import FEATURES, MARK
from influence.statistics.rows import RowKey, full_key

__all__ = ["THRESHOLD", "distance_frame", "distance_of"]

Array = NDArray[np.float64]

THRESHOLD = 3.0
"""A muted input further from the data than this is warned of: three times as far as data are."""

FEWEST = 8
"""Of fewer samples no spread is estimated."""

FLOOR = 0.05
"""The least deviation of a channel, in units of their median: some are dead in the data."""


def distance_frame(
    features: Mapping[RowKey, Array], subject: Subject, threshold: float = THRESHOLD
) -> pd.DataFrame:
    """Tabulate the distance of every mute of every single site, at every place that depends on it.

    Parameters
    ----------
    features
        One row a sample for every condition and place; see `influence.statistics.features`.
    subject
        What they are about.
    threshold
        A greater distance is warned of.
    """
    records = []
    for key, source, clean, muted in _pairs(features):
        distance, outside = distance_of(
            clean, muted, trained=_trained(features, key.output, subject.missing)
        )
        records.append(
            subject.identity()
            | {
                "mute": key.condition.mute,
                "source": source,
                "place": key.output.removeprefix(MARK),
                "distance": distance,
                "outside": outside,
                "threshold": threshold,
                "warning": bool(distance > threshold),
                "samples": len(clean),
            }
        )
    return pd.DataFrame(records, columns=list(DISTANCE_COLUMNS))


def _pairs(features: Mapping[RowKey, Array]) -> Iterator[tuple[RowKey, str, Array, Array]]:
    """List the conditions that mute one site, with clean and muted features of the same samples."""
    for key, muted in features.items():
        if len(key.condition.setup) != 1 or full_key(key) not in features:
            continue
        clean = features[full_key(key)]
        known = np.isfinite(clean).all(1) & np.isfinite(muted).all(1)
        # A place before which the muted site does not flow says nothing about it.
        if known.sum() >= FEWEST and not np.array_equal(clean[known], muted[known]):
            yield key, next(iter(key.condition.setup)), clean[known], muted[known]


def _trained(
    features: Mapping[RowKey, Array], place: str, missing: Mapping[str, str]
) -> list[Array]:
    """Return the features of what the network saw in training where an input was missing."""
    keys = [
        RowKey(Condition(mute, frozenset({site})), place, FEATURES)
        for site, mute in missing.items()
    ]
    found = [features[key] for key in keys if key in features]
    return [values[np.isfinite(values).all(1)] for values in found]


def distance_of(
    clean: Array, muted: Array, *, trained: Sequence[Array] = ()
) -> tuple[float, float]:
    """Measure how far muted features lie from clean ones.

    The distance is the root mean square of the Mahalanobis distance from the clean mean, over that
    of clean features: 1 means as far as the data themselves are. The covariance is shrunk towards
    equal, uncorrelated channels (Chen, Wiesel, Eldar and Hero, Shrinkage Algorithms for MMSE
    Covariance Estimation, 2010, eq. 23). Mean and covariance come from every other sample and are
    applied to the rest, and the other way round, so that clean and muted features are both new to
    them.

    Parameters
    ----------
    clean, muted
        Features (samples, channels) of the same samples.
    trained
        Features of whatever else the network was trained on, such as a missing input: each sample
        counts by its distance from the nearest of these and of the clean features.

    Returns
    -------
    tuple
        The distance, and the share of the channels of muted features that lie outside the range of
        the clean ones.

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
        known = [
            _Known.of(values[start::2], values[1 - start :: 2]) for values in (clean, *trained)
        ]
        rest = muted[1 - start :: 2]
        squares += np.min([of.square(rest) for of in known], axis=0).sum()
        outside += np.logical_and.reduce([of.outside(rest) for of in known]).sum()
    return float(np.sqrt(squares / len(muted))), float(outside / muted.size)


@dataclass(frozen=True)
class _Known:
    """Features that a network knows: their mean, scale, covariance, range, and own distance."""

    mean: Array
    scale: Array
    inverse: Array
    low: Array
    high: Array
    own: float = 1.0

    @classmethod
    def of(cls, fitted: Array, rest: Array) -> _Known:
        """Fit to some features, and find out how far the rest of them are."""
        mean, deviation = fitted.mean(0), fitted.std(0)
        scale = np.maximum(deviation, FLOOR * _typical(deviation))
        covariance = shrunk_covariance((fitted - mean) / scale)
        inverse = np.asarray(np.linalg.inv(covariance), dtype=np.float64)
        found = cls(mean, scale, inverse, fitted.min(0), fitted.max(0))
        return replace(found, own=float(found.square(rest).mean()))

    def square(self, values: Array) -> Array:
        """Return the squared distance of each sample, in units of that of the known features."""
        apart = (values - self.mean) / self.scale
        found: Array = np.einsum("ij,jk,ik->i", apart, self.inverse, apart)
        if self.own == 0:  # they never change: whatever differs is beyond measure
            return np.where(found == 0, 1.0, np.inf)
        return found / self.own

    def outside(self, values: Array) -> NDArray[np.bool_]:
        """Say which channels of which samples are outside the range of the known features."""
        return (values < self.low) | (values > self.high)


def _typical(deviations: Array) -> float:
    alive = deviations[deviations > 0]
    return float(np.median(alive)) if len(alive) else 1.0


def shrunk_covariance(centred: Array) -> Array:
    """Estimate a covariance from centred rows (samples, channels), shrunk to be invertible.

    >>> shrunk_covariance(np.array([[1.0, 1.0], [-1.0, -1.0]])).tolist()  # two samples: all of it
    [[1.0, 0.0], [0.0, 1.0]]
    """
    n, channels = centred.shape
    sample = centred.T @ centred / n
    level = np.trace(sample) / channels
    square = np.square(sample).sum()
    numerator = (1 - 2 / channels) * square + np.trace(sample) ** 2
    denominator = (n + 1 - 2 / channels) * (square - np.trace(sample) ** 2 / channels)
    weight = 1.0 if denominator <= 0 else min(1.0, numerator / denominator)
    weight = max(weight, 1e-6)  # dead channels leave a covariance without an inverse
    shrunk: Array = (1 - weight) * sample + weight * level * np.eye(channels)
    return shrunk if level > 0 else np.eye(channels)
