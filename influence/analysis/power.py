"""Power: the smallest omega that n samples can detect, and the n that an omega needs.

An estimate of omega from m samples is nearly normal, with the standard error sigma / sqrt(m); where
samples are not independent (groups, the pairs of a shuffle), sigma is what it is for units of the
same size. A two-sided test at level alpha then
finds an omega with the probability `power` if

    |omega| = (z(1 - alpha / 2) + z(power)) sigma / sqrt(m)

with z the quantiles of the normal distribution; the chance to find it on the wrong side is left
out (Cohen, Statistical Power Analysis for the Behavioral Sciences, 1988, ch. 2). Where few samples
change and each by a whole number, as under `accuracy`, the sign-flip test moves in steps and finds
an omega a little less often than stated.
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
"""`units` is how many independent units the `n` samples formed: each its own, groups, or the pairs
of a shuffle. `planned` samples detect the omega `detectable`; the omega `wished` needs the samples
`needed`. Both are taken to form units of the same size."""


def detectable_omega(
    standard_error: ArrayLike,
    count: ArrayLike,
    *,
    planned: ArrayLike | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> NDArray[np.float64]:
    """Return the smallest omega that samples detect.

    Parameters
    ----------
    standard_error
        Of an omega that was measured.
    count
        Samples that it was measured on.
    planned
        As many as the next measurement shall have; by default the same.
    alpha, power
        Level of the two-sided test, and probability to detect.

    Raises
    ------
    InfluenceError
        If alpha or power is not a probability, or power not above alpha / 2.

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
    """Return how many samples an omega needs: whole numbers, as floats.

    Parameters are those of `detectable_omega`; an omega of zero needs infinitely many.

    Examples
    --------
    >>> needed_samples(0.01, 100, [0.02802, 0.01401]).tolist()
    [100.0, 400.0]
    """
    sigma = np.asarray(standard_error, dtype=np.float64) * np.sqrt(count)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.ceil((_reach(alpha, power) * sigma / np.abs(omega)) ** 2))


def plan_samples(
    estimates: Estimates,
    *,
    planned: int | None = None,
    omega: float | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
) -> pd.DataFrame:
    """Say for every measured direction what can be detected, and what an omega needs.

    Parameters
    ----------
    estimates
        From `influence.analysis.estimates`.
    planned
        Samples of the next measurement; by default as many as measured.
    omega
        An omega that is wished to be detected, in the unit of the file (0.01 is one point of mean
        IoU); by default the one that was measured.
    alpha, power
        Level of the two-sided test, and probability to detect.

    Returns
    -------
    DataFrame
        With the columns `POWER_COLUMNS`, one row a direction, mute, metric and level.

    Raises
    ------
    InfluenceError
        If alpha or power is not a probability, or `planned` less than two.

    Examples
    --------
    >>> row = dict.fromkeys(CELL, "a") | {"omega": 0.02, "standard_error": 0.01, "n": 100}
    >>> cells = pd.DataFrame([row | {"units": 100, "basis": "rows"}])
    >>> found = plan_samples(Estimates(cells), planned=400).iloc[0]
    >>> float(found.detectable.round(5)), int(found.needed)
    (0.01401, 197)
    """
    if planned is not None and planned < 2:
        raise InfluenceError(f"expected a plan of two samples or more, got {planned}")
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
    if not 0 < alpha < 1 or not alpha / 2 < power < 1:
        raise InfluenceError(
            f"expected alpha in (0, 1) and power in (alpha / 2, 1), got {alpha} and {power}"
        )
    return float(stats.norm.isf(alpha / 2) + stats.norm.ppf(power))
