"""Paired bootstrap and sign-flip test on rows: a draw of a metric is its formula on weighted sums.

Samples are drawn with replacement. Where they are not independent, whole units are: groups, and the
pairs that exchange their inputs under a shuffle. Both sides of an omega use the same draw. The
interval takes the percentiles that give a mean of normal data its t interval (Hesterberg, The
American Statistician 2015, the expanded percentile interval); plain percentiles are too narrow for
few samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from influence.errors import InfluenceError
from influence.statistics.rows import Rows, Sides, Sums, full_key

__all__ = ["Resampling", "holm", "rows_of_group"]

Array = NDArray[np.float64]

K = TypeVar("K")

BLOCK = 2**21
"""The number of weights that are held in memory at a time."""

FEWEST = 100
"""With fewer sign flips their variance is not estimated."""


@dataclass(frozen=True)
class Resampling:
    """The bootstrap and the sign flips that intervals and p-values are computed by.

    All networks, mutes and metrics use the same draws, so that their differences are paired.

    Parameters
    ----------
    draws
        The number of bootstrap draws, and of sign flips.
    confidence
        The coverage of the intervals, such as 0.95.
    seed
        The seed of the draws.

    Raises
    ------
    InfluenceError
        If there is no draw, or the confidence is not between 0 and 1.

    Examples
    --------
    >>> from influence.plan.setups import Condition
    >>> from influence.statistics.rows import RowKey
    >>> key = RowKey(Condition("none", frozenset()), "total", "errors")
    >>> values = np.arange(50.0)[:, None]
    >>> resampling = Resampling(draws=200, seed=1)
    >>> sums = resampling.sums(Rows([f"{i}" for i in range(50)], np.arange(50), {key: values}))
    >>> low, high = resampling.interval(sums.drawn[key] / sums.n, sums.groups)
    >>> bool(low < values.mean() < high)
    True
    """

    draws: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.draws < 1 or not 0 < self.confidence < 1:
            raise InfluenceError(
                f"expected draws of 1 or more and a confidence in (0, 1), got {self.draws} and "
                f"{self.confidence}"
            )

    def sums(self, rows: Rows) -> Sums:
        """Add up the rows over all samples, over every draw and over every sign flip.

        The weights of the draws are made in blocks. Beside the rows and their sums this needs
        memory for one block, and for the rows of one statistic.
        """
        units = rows.drawn_together
        count = int(units.max()) + 1
        by_group = {key: _add_up(values, units) for key, values in rows.values.items()}
        drawn = {key: np.empty((self.draws, v.shape[1])) for key, v in by_group.items()}
        evenly = np.full(count, 1 / count)
        for block, stream in self._blocks(b"bootstrap", count):
            # How many times each unit is in each draw.
            size = block.stop - block.start
            weights = stream.multinomial(count, evenly, size=size).astype(np.float64)
            for key, values in by_group.items():
                drawn[key][block] = weights @ values
        muted = {
            key: (by_group[full_key(key)], values)
            for key, values in by_group.items()
            if len(key.condition.setup) == 1  # only omegas are tested
        }
        return Sums(
            totals={key: values.sum(0) for key, values in rows.values.items()},
            drawn=drawn,
            exchanged=self.exchange(muted, np.arange(count)),
            n=len(rows.ids),
            groups=count,
        )

    def exchange(self, pairs: Mapping[K, Sides], groups: NDArray[np.int64]) -> dict[K, Array]:
        """Add up the second minus the first side over the samples that each sign flip swaps.

        Parameters
        ----------
        pairs
            Rows (samples, k) of two sides that are exchangeable under the null hypothesis.
        groups
            For each sample the number of its group; groups are swapped as a whole. The flips are
            the same on every call with the same number of groups.

        Returns
        -------
        dict
            The sums, (draws, k) for each key.
        """
        count = int(groups.max()) + 1
        sides = {key: [_add_up(rows, groups) for rows in pair] for key, pair in pairs.items()}
        found = {key: np.empty((self.draws, rows.shape[1])) for key, (rows, _) in sides.items()}
        for block, stream in self._blocks(b"flips", count):
            # 1 where the two sides of a group are swapped.
            size = (block.stop - block.start, count)
            flips = stream.integers(0, 2, size=size).astype(np.float64)
            for key, (first, second) in sides.items():
                found[key][block] = flips @ (second - first)
        return found

    def stream(self, purpose: bytes) -> np.random.Generator:
        """Return the generator of random numbers for one purpose, the same on every call."""
        return np.random.Generator(np.random.Philox([self.seed, crc32(purpose)]))

    def _blocks(self, purpose: bytes, count: int) -> Iterator[tuple[slice, np.random.Generator]]:
        """Yield blocks of draws of `count` numbers, and the generator that makes all of them."""
        stream, step = self.stream(purpose), max(1, BLOCK // count)
        for start in range(0, self.draws, step):
            yield slice(start, min(start + step, self.draws)), stream

    def interval(self, drawn: Array, groups: int) -> tuple[Array, Array]:
        """Return the ends of the intervals (...) of values from their draws (draws, ...).

        Draws that are NaN are left out. With fewer than two independent `groups` the spread between
        them is unknown, and both ends are NaN.
        """
        if groups < 2:
            return np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
        ordered = np.sort(drawn, axis=0)  # NaN comes last
        last = np.maximum((~np.isnan(drawn)).sum(0) - 1, 0)
        low, high = (_quantile(ordered, last, q) for q in _expanded(self.confidence, groups))
        return low, high

    def p_value(self, observed: Array, flipped: Array, groups: int) -> Array:
        """Return two-sided p-values (...) of omegas (...) from their sign flips (draws, ...).

        A p-value is the share of the flips, and of the observation itself, that are at least as
        large as the observation; flips that are NaN are left out. If no flip is, the share is
        1 / (1 + draws) however small the p-value, and Holm's adjustment over many tests would
        reject none; then the p-value is bounded by `_tail`.
        """
        # Equal values can differ in the last bits, depending on the order of summation.
        reached = (np.abs(flipped) >= np.abs(observed) * (1 - 1e-9)).sum(0)
        p = (1 + reached) / (1 + (~np.isnan(flipped)).sum(0))
        p = np.where(reached == 0, np.minimum(p, _tail(observed, flipped, groups)), p)
        return np.where(np.isnan(observed) | (groups < 2), np.nan, p)


def _tail(observed: Array, flipped: Array, groups: int) -> Array:
    """Bound the share of all possible sign flips that reach an omega, from the variance of some.

    A sum with random signs exceeds z standard deviations, on either side, at most
    2 exp(-z^2 / 2) times (Hoeffding, Probability Inequalities for Sums of Bounded Random Variables,
    1963, theorem 2), and z^2 is at most the number of its terms. For metrics that are not sums this
    holds to first order. With too few flips to estimate the variance the bound is one.
    """
    known = np.isfinite(flipped)
    count = known.sum(0)
    variance = np.square(np.where(known, flipped, 0.0)).sum(0) / np.maximum(count, 1)
    usable = (count >= FEWEST) & (variance > 0) & np.isfinite(observed)
    z_square = np.where(usable, observed, 0.0) ** 2 / np.where(usable, variance, 1.0)
    bound = 2 * np.exp(-np.minimum(z_square, groups) / 2)
    return np.where(usable & known.all(0), bound, 1.0)


def _add_up(values: Array, groups: NDArray[np.int64]) -> Array:
    """Add up the rows (samples, k) of each group: (groups, k)."""
    count = len(groups)
    if np.array_equal(groups, np.arange(count)):
        return values  # without a copy
    members = sparse.csr_array((np.ones(count), (groups, np.arange(count))))
    return np.asarray(members @ values)


def _quantile(ordered: Array, last: NDArray[np.int64], share: float) -> Array:
    """Interpolate linearly between ordered values (draws, ...); those after `last` are NaN."""
    position = share * last
    below = np.floor(position).astype(np.int64)
    ends = (below, np.minimum(below + 1, last))
    a, b = (np.take_along_axis(ordered, end[None], axis=0)[0] for end in ends)
    with np.errstate(invalid="ignore"):  # infinity less infinity, where both ends are infinite
        between: Array = a + (b - a) * (position - below)
    return np.where(a == b, a, between)


def _expanded(confidence: float, count: int) -> tuple[float, float]:
    reach = stats.t.ppf((1 + confidence) / 2, count - 1) * np.sqrt(count / (count - 1))
    tail = float(stats.norm.sf(reach))
    return tail, 1 - tail


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjust the p-values of one family of tests by Holm's step-down method.

    A p-value that is NaN stays NaN and does not count as a test.

    Examples
    --------
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


def rows_of_group(rows: Rows, number: int) -> Rows:
    """Return the rows of the samples of one group, as independent samples.

    They are resampled as such, so an interval is about other samples of this group. A group of one
    sample has none.

    Examples
    --------
    >>> from influence.plan.setups import Condition
    >>> from influence.statistics.rows import RowKey
    >>> key = RowKey(Condition("none", frozenset()), "total", "errors")
    >>> rows = Rows(["a", "b", "c"], np.array([0, 1, 0]), {key: np.arange(3.0)[:, None]})
    >>> rows_of_group(rows, 0).values[key].tolist()
    [[0.0], [2.0]]
    """
    members = np.flatnonzero(rows.groups == number)
    values = {key: found[members] for key, found in rows.values.items() if key.level == "all"}
    return Rows([rows.ids[int(i)] for i in members], np.arange(len(members)), values)
