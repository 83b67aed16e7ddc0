"""Power: the smallest omega that n samples can detect, and the n needed to detect an omega.

The estimate of omega from m samples is nearly normal with the standard error sigma / sqrt(m). If
samples are not independent (groups, samples exchanged by a shuffle), sigma assumes units of the
same size. A two-sided test at level alpha then detects an omega with the probability `power` if

    |omega| = (z(1 - alpha / 2) + z(power)) sigma / sqrt(m)

with z the quantiles of the normal distribution; the probability of a significant result with the
wrong sign is neglected (Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, ch.
2). If few samples change, and each by a whole number, as for `accuracy`, the p-values of the
sign-flip test are discrete, and its power is slightly lower.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from influence.analysis.estimates import CELL, Estimates
from influence.errors import InfluenceError

__all__ = ["POWER_COLUMNS", "detectable_omega", "needed_samples", "plan_samples"]

POWER_COLUMNS = (
    *CELL, "omega", "standard_error", "units", "alpha", "power", "planned", "detectable", "wished",
    "needed", "basis", "n",
)  # fmt: skip
"""`units` is the number of independent units that the `n` samples form: single samples, groups, or
samples exchanged by a shuffle. `detectable` is the smallest omega that `planned` samples detect;
`needed` is the number of samples that detects the omega `wished`. Both assume units of equal
size."""


LEAST_ALPHA = 1e-12
"""The smallest level of a test; a smaller p-value says nothing."""

LARGEST_OMEGA = 1e100
"""An omega from which on squares are infinite soon."""

MOST_PLANNED = 10**15
"""The largest number of samples that is planned."""


def detectable_omega(
    standard_error: ArrayLike,
    count: ArrayLike,
    *,
    planned: ArrayLike | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> NDArray[np.float64]:
    """Compute the smallest omega that a given number of samples detects.

    Parameters
    ----------
    standard_error
        The standard error of a measured omega.
    count
        The number of samples on which it was measured.
    planned
        The number of samples of the next measurement; by default `count`.
    alpha, power
        The level of the two-sided test, and the probability of detecting the omega.

    Returns
    -------
    array
        The omega, in the unit of the standard error.

    Raises
    ------
    InfluenceError
        If alpha or power is not a probability, or power is not above alpha / 2.

    Examples
    --------
    >>> detectable_omega(0.01, 100, planned=[100, 400]).round(5).tolist()
    [0.02802, 0.01401]
    """
    sigma = np.asarray(standard_error, dtype=np.float64) * np.sqrt(count)
    return np.asarray(_reach(alpha, power) * sigma / np.sqrt(count if planned is None else planned))


def needed_samples(
    standard_error: ArrayLike,
    count: ArrayLike,
    omega: ArrayLike,
    *,
    alpha: float = 0.05,
    power: float = 0.8,
) -> NDArray[np.float64]:
    """Compute the number of samples needed to detect an omega.

    Parameters
    ----------
    standard_error, count, alpha, power
        As for `detectable_omega`.
    omega
        The omega to detect.

    Returns
    -------
    array
        Whole numbers, as floats; infinity for an omega of zero.

    Examples
    --------
    >>> needed_samples(0.01, 100, [0.02802, 0.01401]).tolist()
    [100.0, 400.0]
    """
    sigma = np.asarray(standard_error, dtype=np.float64) * np.sqrt(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        needed = np.ceil((_reach(alpha, power) * sigma / np.abs(omega)) ** 2)
        return np.asarray(np.maximum(needed, 1.0))


def plan_samples(
    estimates: Estimates,
    *,
    planned: int | None = None,
    omega: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Compute for every measured omega what can be detected, and how many samples are needed.

    Parameters
    ----------
    estimates
        The measured omegas; see `influence.analysis.estimates`.
    planned
        The number of samples of the next measurement; by default that of the estimates.
    omega
        The omega to detect, in the unit of the table (0.01 is one point of mean IoU); by default
        the one that was measured.
    alpha, power
        The level of the two-sided test, and the probability of detecting the omega.

    Returns
    -------
    DataFrame
        With the columns `POWER_COLUMNS`, one row for each source, target, mute, metric and level.

    Raises
    ------
    InfluenceError
        If alpha or power is not a probability, `planned` is less than two or has more than fifteen
        digits, or `omega` is zero or infinite.

    Examples
    --------
    >>> row = dict.fromkeys(CELL, "a") | {"omega": 0.02, "standard_error": 0.01, "n": 100}
    >>> cells = pd.DataFrame([row | {"units": 100, "basis": "rows"}])
    >>> found = plan_samples(Estimates(cells), planned=400).iloc[0]
    >>> float(found.detectable.round(5)), int(found.needed)
    (0.01401, 197)
    """
    if planned is not None and not 2 <= planned <= MOST_PLANNED:
        raise InfluenceError(f"expected planned from 2 to {MOST_PLANNED}, got {planned}")
    if omega is not None and not 0 < abs(omega) < LARGEST_OMEGA:
        raise InfluenceError(f"expected omega, a finite number other than 0, got {omega}")
    cells = estimates.cells
    error, count = cells["standard_error"], cells["n"]
    wished = cells["omega"] if omega is None else omega
    chosen = {"alpha": alpha, "power": power}
    return cells.assign(
        **chosen,
        planned=count if planned is None else planned,
        detectable=detectable_omega(error, count, planned=planned, **chosen),
        wished=wished,
        needed=needed_samples(error, count, wished, **chosen),
    )[list(POWER_COLUMNS)]


def _reach(alpha: float, power: float) -> float:
    if not LEAST_ALPHA <= alpha < 1 or not alpha / 2 < power < 1:
        raise InfluenceError(
            f"expected alpha from {LEAST_ALPHA} to below 1 and power in (alpha / 2, 1), got "
            f"{alpha} and {power}"
        )
    return float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
