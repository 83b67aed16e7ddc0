"""Bands: differences that are all above zero at once, or that may all be.

Counting how many variants or metrics are better needs intervals that hold together: the greatest
deviation over all of them, in standard errors, is bootstrapped (max-T; Westfall and Young,
Resampling-Based Multiple Testing, 1993).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Band", "band_of_draws", "band_of_rounding"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Band:
    """Differences, in any shape, and which are above zero.

    Parameters
    ----------
    value
        The differences.
    certain, possible
        Which of them lie above zero for certain, and which may.
    z
        In standard errors; NaN where nothing was drawn.
    reach
        The greatest deviation of all of them in each draw, in standard errors.
    """

    value: Array
    certain: NDArray[np.bool_]
    possible: NDArray[np.bool_]
    z: Array
    reach: Array

    def p_value(self, z: float) -> float:
        """Return the share of draws with a deviation of so many standard errors."""
        if not len(self.reach):
            return float("nan")
        return float((1 + (self.reach >= abs(z)).sum()) / (1 + len(self.reach)))


def band_of_draws(values: Array, confidence: float) -> Band:
    """Make a band of differences (1 + draws, ...), the observed ones first.

    Examples
    --------
    >>> draws = np.random.default_rng(0).normal([0.0, 1.0, 0.1], 0.1, (2000, 3))
    >>> band = band_of_draws(np.vstack([[[0.0, 1.0, 0.1]], draws]), 0.95)
    >>> band.certain.tolist(), band.possible.tolist()
    ([False, True, False], [True, True, True])
    """
    value, drawn = values[0], values[1:]
    error = drawn.std(axis=0, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, value / error, np.sign(value) * np.inf)
        off = np.where(error > 0, np.abs(drawn - value) / error, 0.0)
    reach = off.reshape(len(drawn), -1).max(axis=1)
    critical = np.quantile(reach, confidence)
    return Band(value, z > critical, z > -critical, z, reach)


def band_of_rounding(value: Array, half: Array) -> Band:
    """Make a band of differences of printed numbers, each at most `half` off.

    >>> band = band_of_rounding(np.array([0.001, 0.0]), np.array([0.001, 0.001]))
    >>> band.certain.tolist(), band.possible.tolist()
    ([True, False], [True, True])
    """
    slack = 1e-9
    return Band(
        value,
        value > half - slack,
        value > slack - half,
        np.full(value.shape, np.nan),
        np.empty(0),
    )
