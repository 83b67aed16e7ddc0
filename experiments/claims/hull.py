"""Hull: the least concave curve above points, and how far below it they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from influence.display.plots.performance import upper_envelope

__all__ = ["gap_below", "gap_of_pairings", "vertices"]

Array = NDArray[np.float64]


def vertices(x: Array, y: Array) -> list[int]:
    """Return the places, from left to right, of the points (n,) at the corners of the envelope.

    Any finite set of points has one: that points lie under a concave curve says nothing by itself.

    >>> vertices(np.array([2.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.0, 3.0, 0.0]))
    [1, 2, 0]
    """
    points = np.column_stack([x, y])
    return [
        int(np.flatnonzero((points == corner).all(axis=1))[0]) for corner in upper_envelope(x, y)
    ]


def gap_below(x: Array, y: Array) -> float:
    """Return how far points (n,) lie below the envelope on average, in the unit of y.

    >>> gap_below(np.array([0.0, 1.0, 2.0]), np.array([0.0, -3.0, 0.0]))
    1.0
    """
    corners = upper_envelope(x, y)
    return float((np.interp(x, *corners.T) - y).mean())


def gap_of_pairings(x: Array, y: Array, stream: np.random.Generator, count: int = 500) -> Array:
    """Return the same for random pairings of the two coordinates: (count,).

    Points that hug a concave curve lie closer to it than their pairings do.
    """
    return np.array([gap_below(x, stream.permutation(y)) for _ in range(count)])
