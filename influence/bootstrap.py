"""Paired bootstrap and sign-flip test on rows: an interval is ``weights @ rows``.

Samples (or whole groups, where samples of a group are not independent) are drawn with replacement;
both sides of an omega use the same draw. The interval takes the percentiles that give a mean of
normal data its t interval (Hesterberg, The American Statistician 2015, the expanded percentile
interval); plain percentiles are too narrow for few samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from influence.errors import InfluenceError

__all__ = ["Resampling", "holm"]

Array = NDArray[np.float64]


class Resampling:
    """One set of draws for a data set, shared by every network, mute and metric.

    Parameters
    ----------
    groups
        For each sample the number of its group, 0, 1, ...
    draws
        Bootstrap draws, and sign flips.
    confidence
        Of the intervals, such as 0.95.
    seed
        Of the draws.

    Examples
    --------
    >>> resampling = Resampling(np.arange(50), draws=200, seed=1)
    >>> resampling.weights.sum(axis=1).tolist() == [50.0] * 200
    True
    """

    def __init__(
        self, groups: NDArray[np.int64], *, draws: int = 2000, confidence: float = 0.95,
        seed: int = 0,
    ) -> None:  # fmt: skip
        if draws < 1 or not 0 < confidence < 1:
            raise InfluenceError(
                f"expected draws of 1 or more and a confidence in (0, 1), got {draws} and "
                f"{confidence}"
            )
        self.draws, self.confidence = draws, confidence
        count = int(groups.max()) + 1
        stream = np.random.Generator(np.random.Philox([seed, crc32(b"bootstrap")]))
        per_group = stream.multinomial(count, np.full(count, 1 / count), size=draws)
        self.weights: Array = per_group[:, groups].astype(np.float64)
        stream = np.random.Generator(np.random.Philox([seed, crc32(b"flips")]))
        # 1 swaps a group's full and muted rows, 0 leaves them.
        self.flips: Array = stream.integers(0, 2, size=(draws, count))[:, groups].astype(np.float64)
        self.groups, self.quantiles = count, _expanded(confidence, count)

    def sums(self, rows: Array) -> Array:
        """Resample the sum of rows (samples, k): shape (draws, k)."""
        return self.weights @ rows

    def interval(self, draws: Array) -> tuple[float, float]:
        """Return the ends of the interval from draws of a value; NaN draws are left out.

        One sample or group says nothing of the spread between them: both ends are NaN.
        """
        known = draws[~np.isnan(draws)]
        if not len(known) or self.groups < 2:
            return float("nan"), float("nan")
        low, high = np.quantile(known, self.quantiles)
        return float(low), float(high)

    def swapped(self, full: Array, muted: Array) -> tuple[Array, Array]:
        """Return the sums of both sides after swapping them in random samples, (draws, k) each.

        Under the hypothesis that muting makes no difference, the two rows of a sample are
        exchangeable, and the swapped sums are as likely as the observed ones.
        """
        change = self.flips @ (muted - full)
        return full.sum(0) + change, muted.sum(0) - change

    def p_value(self, observed: float, flipped: Array) -> float:
        """Two-sided p-value of an observed omega among its sign flips, itself counted in."""
        if np.isnan(observed) or self.groups < 2:
            return float("nan")
        known = flipped[~np.isnan(flipped)]
        # Equal values can differ in the last bits, depending on the order of summation.
        slack = 1e-9 * abs(observed)
        return float((1 + (np.abs(known) >= abs(observed) - slack).sum()) / (1 + len(known)))


def _expanded(confidence: float, count: int) -> tuple[float, float]:
    if count < 2:
        return (1 - confidence) / 2, (1 + confidence) / 2
    reach = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(count / (count - 1))
    tail = float(stats.norm.sf(reach))
    return tail, 1 - tail


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust p-values of one family by Holm's step-down method; NaN stays NaN and does not count.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    values = np.asarray(p_values, dtype=np.float64)
    adjusted = np.full(len(values), np.nan)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return [float(p) for p in adjusted]
