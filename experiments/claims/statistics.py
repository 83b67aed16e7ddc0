"""Statistics of networks: rank correlations, the balance of influences, the envelope of points."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from influence.display.plots.performance import upper_envelope

__all__ = [
    "METHODS",
    "asymmetry",
    "balance",
    "gap_below",
    "gap_of_pairings",
    "kendall",
    "relative",
    "spearman",
    "vertices",
]

Array = NDArray[np.float64]


def spearman(x: Array, y: Array) -> Array:
    """Return Spearman's rank correlation of points (rows, n), with mean ranks for ties: (rows,).

    NaN where all of one side are equal.
    """
    return _correlation(*(stats.rankdata(side, axis=-1) for side in (x, y)))


def kendall(x: Array, y: Array) -> Array:
    """Return Kendall's tau-b of points (rows, n): (rows,)."""
    signs = [np.sign(side[..., None] - side[..., None, :]) for side in (x, y)]
    return _correlation(*(side.reshape(*side.shape[:-2], -1) for side in signs), centred=True)


def _correlation(x: Array, y: Array, *, centred: bool = False) -> Array:
    if not centred:
        x, y = (side - side.mean(-1, keepdims=True) for side in (x, y))
    size = np.sqrt(np.square(x).sum(-1) * np.square(y).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 0, (x * y).sum(-1) / size, np.nan))


METHODS: Mapping[str, Callable[[Array, Array], Array]] = {"spearman": spearman, "kendall": kendall}

BEST: Mapping[str, float] = {"semantic": 100.0, "depth": 0.0}
"""Target -> its performance if nothing were wrong: 100 x mean IoU, -100 x rel(sqr)."""


def relative(omega: Array, performance: Array, target: str) -> Array:
    """Return omega over the error that is left, both in the unit of the performance."""
    return np.asarray(omega / (BEST[target] - performance))


def balance(one: Array, other: Array) -> Array:
    """Return the smaller over the larger of two relative influences, -1 to 1.

    One: both sources matter equally. Zero: one of them does not matter. Below zero: one of them
    hurts. The larger is taken by its size.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.minimum(one, other) / np.maximum(np.abs(one), np.abs(other)))


def asymmetry(one: Array, other: Array) -> Array:
    """Return the difference of two relative influences over the sum of their sizes, -1 to 1.

    A third: one is twice the other.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one - other) / (np.abs(one) + np.abs(other)))


def vertices(x: Array, y: Array) -> list[int]:
    """Return the places, from left to right, of the points (n,) at the corners of the envelope.

    Any finite set of points has one: that points lie under a concave curve says nothing by itself.
    """
    points = np.column_stack([x, y])
    return [
        int(np.flatnonzero((points == corner).all(axis=1))[0]) for corner in upper_envelope(x, y)
    ]


def gap_below(x: Array, y: Array) -> float:
    """Return how far points (n,) lie below the envelope on average, in the unit of y."""
    corners = upper_envelope(x, y)
    return float((np.interp(x, *corners.T) - y).mean())


def gap_of_pairings(x: Array, y: Array, stream: np.random.Generator, count: int = 500) -> Array:
    """Return the same for random pairings of the two coordinates: (count,).

    Points that hug a concave curve lie closer to it than their pairings do.
    """
    return np.array([gap_below(x, stream.permutation(y)) for _ in range(count)])
