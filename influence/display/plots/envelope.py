"""The upper concave envelope of points."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["upper_envelope"]


def upper_envelope(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return the corners (k, 2), from left to right, of the least concave curve above points.

    It is the upper part of the convex hull (Andrew's monotone chain). scipy's `ConvexHull` refuses
    fewer than three points and points on a line, which are ordinary here.

    Examples
    --------
    >>> upper_envelope([0, 1, 2, 1], [0, 3, 1, 0]).tolist()
    [[0.0, 0.0], [1.0, 3.0], [2.0, 1.0]]
    """
    points = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    points = points[np.isfinite(points).all(axis=1)]
    corners: list[NDArray[np.float64]] = []
    for point in points[np.lexsort((points[:, 1], points[:, 0]))]:
        while corners and corners[-1][0] == point[0]:  # of points above each other the highest
            corners.pop()
        while len(corners) > 1 and _turns_left(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    return np.array(corners).reshape(-1, 2)


def _turns_left(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64]
) -> np.bool_ | bool:
    """Tell whether b lies on or below the line from a to c."""
    return bool((b[0] - a[0]) * (c[1] - a[1]) >= (b[1] - a[1]) * (c[0] - a[0]))
