"""Balance: are the two influences of a network equally strong?

The two omegas have units of their own. Each is therefore divided by the error that its task is left
with: the relative influence is the share by which the error would grow without the source. It has
no unit, does not depend on which other networks there are, and the paper's tables print what it
takes. Balance is the smaller of the two over the larger. This was fixed before any network of the
sweep was looked at.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEST", "asymmetry", "balance", "relative"]

Array = NDArray[np.float64]

BEST: Mapping[str, float] = {"semantic": 100.0, "depth": 0.0}
"""Target -> its performance if nothing were wrong: 100 x mean IoU, -100 x rel(sqr)."""


def relative(omega: Array, performance: Array, target: str) -> Array:
    """Return omega over the error that is left, both in the unit of the performance.

    >>> relative(np.array([5.0]), np.array([-12.5]), "depth").tolist()
    [0.4]
    """
    return np.asarray(omega / (BEST[target] - performance))


def balance(one: Array, other: Array) -> Array:
    """Return the smaller over the larger of two relative influences, -1 to 1.

    One: both sources matter equally. Zero: one of them does not matter. Below zero: one of them
    hurts. The larger is taken by its size.

    >>> balance(np.array([0.1, 0.1, -0.1]), np.array([0.2, 0.0, 0.2])).tolist()
    [0.5, 0.0, -0.5]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.minimum(one, other) / np.maximum(np.abs(one), np.abs(other)))


def asymmetry(one: Array, other: Array) -> Array:
    """Return the difference of two relative influences over the sum of their sizes, -1 to 1.

    A third: one is twice the other.

    >>> asymmetry(np.array([0.2, 0.1]), np.array([0.1, -0.1])).round(3).tolist()
    [0.333, 1.0]
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((one - other) / (np.abs(one) + np.abs(other)))
