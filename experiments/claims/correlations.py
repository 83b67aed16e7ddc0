"""Rank correlations of many rows at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from scipy import stats

__all__ = ["METHODS", "kendall", "spearman"]

Array = NDArray[np.float64]


def spearman(x: Array, y: Array) -> Array:
    """Return Spearman's rank correlation of points (rows, n), with mean ranks for ties: (rows,).

    NaN where all of one side are equal.

    >>> spearman(np.array([[1.0, 2.0, 3.0, 9.0]]), np.array([[0.0, 2.0, 1.0, 5.0]])).tolist()
    [0.8]
    """
    return _correlation(*(stats.rankdata(side, axis=-1) for side in (x, y)))


def kendall(x: Array, y: Array) -> Array:
    """Return Kendall's tau-b of points (rows, n): (rows,).

    >>> kendall(np.array([[1.0, 2.0, 3.0]]), np.array([[0.0, 2.0, 5.0]])).tolist()
    [1.0]
    """
    signs = [np.sign(side[..., None] - side[..., None, :]) for side in (x, y)]
    return _correlation(*(side.reshape(*side.shape[:-2], -1) for side in signs), centred=True)


def _correlation(x: Array, y: Array, *, centred: bool = False) -> Array:
    if not centred:
        x, y = (side - side.mean(-1, keepdims=True) for side in (x, y))
    size = np.sqrt(np.square(x).sum(-1) * np.square(y).sum(-1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(size > 0, (x * y).sum(-1) / size, np.nan))


METHODS: Mapping[str, Callable[[Array, Array], Array]] = {"spearman": spearman, "kendall": kendall}
