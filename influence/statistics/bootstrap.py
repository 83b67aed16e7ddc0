"""Paired bootstrap and sign-flip test: intervals and p-values of metrics, computed from their rows.

In each draw samples are drawn with replacement, and a metric is its formula on the weighted sums of
rows. Samples that are not independent are drawn as whole units: groups, and samples that exchange
their inputs under a shuffle. Both sides of an omega use the same draw. The percentiles are chosen
such that the mean of normal data gets its t interval (Hesterberg, The American Statistician 2015,
the expanded percentile interval); plain percentiles are too narrow for few samples.

The cost of a draw grows with the number of units. More than `BLOCKS` units are therefore put into
that many random blocks of equal size, and blocks are drawn in their place. Blocks of independent
units are independent, and the sum of squares between blocks is, on average over the ways to form
them, that between units. Its relative error, sqrt(2 / 4096) = 2.2%, is below that of 2,000 draws,
sqrt(2 / 2000) = 3.2%. The sign-flip test stays exact: the flips of whole blocks are a subgroup of
those of units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TypeVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from scipy import sparse, stats

from influence.errors import InfluenceError
from influence.runtime.memory import available_memory, in_gigabytes
from influence.statistics.rows import RowKey, Rows, Sides, Sums, full_key

__all__ = [
    "BLOCKS",
    "LEAST",
    "Resampling",
    "count_columns",
    "fewest_draws",
    "holm",
    "rows_of_group",
]

Array = NDArray[np.float64]

ByKey = dict[RowKey, Array]

K = TypeVar("K")

BLOCKS = 4096
"""The most units that are drawn one by one; more of them are drawn in this number of blocks."""

HELD = 2**21
"""The number of weights of units that are held in memory at a time."""

CACHED = 2**17
"""The number of weights of blocks that are held at a time: as many as a processor's cache holds."""

MANY = 10**6
"""The memory for more draws than this is checked before anything is computed."""

FEWEST_COLUMNS = 6
"""Of a metric of one output, full and with one input muted: two sums of each, and two flips."""

BYTES = 8 * 3
"""The memory of a number in a draw: its sum, the metric and its order."""

FEWEST = 100
"""With fewer sign flips than this, their variance is not estimated."""


@dataclass(frozen=True)
class Resampling:
    """The bootstrap draws and sign flips from which intervals and p-values are computed.

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
        If the confidence is not between 0 and 1, the draws are too few to give it or too many for
        the memory, or the seed is negative.

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
        if not hasattr(self.draws, "__index__"):
            raise InfluenceError(f"expected a whole number of draws, got {self.draws!r}")
        if self.draws < 1 or not 0 < self.confidence < 1:
            raise InfluenceError(
                f"expected draws of 1 or more and a confidence in (0, 1), got {self.draws} and "
                f"{self.confidence}"
            )
        if self.draws < (fewest := fewest_draws(self.confidence)):
            raise InfluenceError(
                f"a confidence of {self.confidence:g} needs {fewest} draws or more, as fewer "
                f"cannot tell it from 1, got {self.draws}. Give draws={fewest} or a lower "
                "confidence"
            )
        if self.seed < 0:
            raise InfluenceError(f"expected seed=0 or more, got {self.seed}")
        if self.draws > MANY:
            self.check_memory(FEWEST_COLUMNS)

    def check_memory(self, columns: int) -> None:
        """Raise an error if the draws of this many numbers do not fit into memory.

        Parameters
        ----------
        columns
            How many numbers are summed in each draw and flip; see `count_columns`.

        Raises
        ------
        InfluenceError
            If there is too little memory; the message says how many draws there is enough for.
        """
        free, each = available_memory(), BYTES * columns
        if self.draws * each > free:
            raise InfluenceError(
                f"draws={self.draws} need {in_gigabytes(self.draws * each)} of memory, of which "
                f"{in_gigabytes(free)} are free. Give at most draws={free // each}, or fewer "
                "metrics"
            )

    def sums(self, rows: Rows) -> Sums:
        """Sum the rows over all samples, over every bootstrap draw and over every sign flip.

        More than `BLOCKS` units are drawn in blocks. The weights of some draws are made at a time,
        so that memory does not grow with the number of draws times that of units.
        """
        units, count = self._drawn_as(rows.drawn_together)
        by_unit = {key: _add_up(values, units) for key, values in rows.values.items()}
        drawn, exchanged = self.resample(by_unit, blocks=count > BLOCKS)
        totals = {key: values.sum(0) for key, values in rows.values.items()}
        return Sums(totals, drawn, exchanged, n=len(rows.ids), groups=count)

    def resample(self, by_unit: Mapping[RowKey, Array], *, blocks: bool) -> tuple[ByKey, ByKey]:
        """Sum the rows of units over every bootstrap draw and over every sign flip.

        Parameters
        ----------
        by_unit
            The sum of the rows of each unit, (units, k) for each key.
        blocks
            Whether they are blocks of units, whose draws are made in a faster way.

        Returns
        -------
        tuple
            `Sums.drawn` and `Sums.exchanged`.
        """
        self.check_memory(count_columns(by_unit))
        drawn = {key: np.empty((self.draws, v.shape[1])) for key, v in by_unit.items()}
        count = len(next(iter(by_unit.values()), ()))
        draw = _draw_blocks if blocks else _draw_units
        for part, stream in self._parts(b"bootstrap", count, blocks=blocks):
            weights = draw(stream, part.stop - part.start, count)
            for key, values in by_unit.items():
                drawn[key][part] = weights @ values
        changes = {
            key: values - by_unit[full_key(key)]
            for key, values in by_unit.items()
            if _is_tested(key)
        }
        return drawn, self._flip(changes, blocks=blocks)

    def exchange(self, pairs: Mapping[K, Sides], groups: NDArray[np.int64]) -> dict[K, Array]:
        """Sum second minus first side over the samples that each sign flip swaps.

        Parameters
        ----------
        pairs
            For each key the rows (samples, k) of two sides that are exchangeable under the null
            hypothesis.
        groups
            The group number of each sample, (samples,). Groups are swapped as a whole. Calls with
            the same number of groups use the same flips.

        Returns
        -------
        dict
            The sums, (draws, k) for each key.
        """
        units, count = self._drawn_as(groups)
        changes = {
            key: _add_up(second, units) - _add_up(first, units)
            for key, (first, second) in pairs.items()
        }
        return self._flip(changes, blocks=count > BLOCKS)

    def _flip(self, changes: Mapping[K, Array], *, blocks: bool) -> dict[K, Array]:
        """Sum changes of units, (units, k) for each key, over those that each sign flip swaps."""
        found = {key: np.empty((self.draws, v.shape[1])) for key, v in changes.items()}
        count = len(next(iter(changes.values()), ()))
        for part, stream in self._parts(b"flips", count, blocks=blocks):
            # 1 where the two sides of a unit are swapped. Bits are drawn faster than numbers.
            size, kind = (part.stop - part.start, count), np.bool_ if blocks else np.int64
            flips = stream.integers(0, 2, size=size, dtype=kind).astype(np.float64)
            for key, change in changes.items():
                found[key][part] = flips @ change
        return found

    def stream(self, purpose: bytes) -> np.random.Generator:
        """Return a generator of random numbers that is determined by the seed and the purpose."""
        return np.random.Generator(np.random.Philox([self.seed, crc32(purpose)]))

    def _drawn_as(self, units: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
        """Return the unit or block with which each sample is drawn, and the number of units."""
        count = int(units.max()) + 1
        if count <= BLOCKS:
            return units, count
        blocks = self.stream(b"blocks").permutation(count) % BLOCKS
        return blocks[units], count

    def _parts(
        self, purpose: bytes, count: int, *, blocks: bool
    ) -> Iterator[tuple[slice, np.random.Generator]]:
        """Yield slices of the draws, of `count` numbers each, with the generator to use."""
        stream = self.stream(purpose)
        step = max(1, (CACHED if blocks else HELD) // max(count, 1))
        for start in range(0, self.draws if count else 0, step):
            yield slice(start, min(start + step, self.draws)), stream

    def interval(self, drawn: Array, groups: int) -> tuple[Array, Array]:
        """Compute the lower and upper ends (...) of intervals from draws (draws, ...).

        NaN draws are left out. With fewer than two independent `groups` the variance between groups
        cannot be estimated, and both ends are NaN.
        """
        if groups < 2:
            return np.full(drawn.shape[1:], np.nan), np.full(drawn.shape[1:], np.nan)
        ordered = np.sort(drawn, axis=0)  # NaN comes last
        last = np.maximum((~np.isnan(drawn)).sum(0) - 1, 0)
        low, high = (_quantile(ordered, last, q) for q in _expanded(self.confidence, groups))
        return low, high

    def p_value(self, observed: Array, flipped: Array, groups: int) -> Array:
        """Compute two-sided p-values (...) of observed omegas (...) from sign flips (draws, ...).

        The p-value is the share of values, among the flips and the observation itself, that are at
        least as large in magnitude as the observation; NaN flips are left out. If no flip is as
        large, this share is 1 / (1 + draws) at best, which Holm's adjustment over many tests would
        never reject; the p-value is then bounded by `_tail`.
        """
        # Equal values can differ in the last bits, depending on the order of summation.
        reached = (np.abs(flipped) >= np.abs(observed) * (1 - 1e-9)).sum(0)
        p = (1 + reached) / (1 + (~np.isnan(flipped)).sum(0))
        p = np.where(reached == 0, np.minimum(p, _tail(observed, flipped, groups)), p)
        return np.where(np.isnan(observed) | (groups < 2), np.nan, p)


def fewest_draws(confidence: float) -> int:
    """Return how many draws an interval of this confidence needs.

    Shares of draws have steps of 1 / draws. A confidence that is nearer to 1 than half a step is
    none that such an interval can have.

    >>> [fewest_draws(confidence) for confidence in (0.5, 0.95, 0.999)]
    [1, 10, 500]
    """
    return ceil(0.5 / (1 - confidence) * (1 - 1e-9))


def count_columns(rows: Mapping[RowKey, Array]) -> int:
    """Count the numbers that are summed in each draw and each flip of rows."""
    return sum((1 + _is_tested(key)) * values.shape[1] for key, values in rows.items())


def _is_tested(key: RowKey) -> bool:
    """Whether there is an omega of rows, which only those have that mute one site."""
    return len(key.condition.setup) == 1


LEAST = Resampling(draws=2, confidence=0.1)
"""The least resampling, for sums over all samples of which no interval is wanted."""


def _tail(observed: Array, flipped: Array, groups: int) -> Array:
    """Bound the share of all sign flips that reach an omega, using the variance of the drawn ones.

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


def _draw_units(stream: np.random.Generator, draws: int, count: int) -> Array:
    """Draw `count` units with replacement; return how often each occurs, (draws, count)."""
    return stream.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def _draw_blocks(stream: np.random.Generator, draws: int, count: int) -> Array:
    """Draw as `_draw_units` does, several times as fast, and with other results."""
    chosen = stream.integers(0, count, size=(draws, count)) + count * np.arange(draws)[:, None]
    found = np.bincount(chosen.ravel(), minlength=draws * count)
    return found.reshape(draws, count).astype(np.float64)


def _add_up(values: Array, groups: NDArray[np.int64]) -> Array:
    """Sum the rows (samples, k) of each group: (groups, k)."""
    count = len(groups)
    if np.array_equal(groups, np.arange(count)):
        return values  # without a copy
    members = sparse.csr_array((np.ones(count), (groups, np.arange(count))))
    return np.asarray(members @ values)


def _quantile(ordered: Array, last: NDArray[np.int64], share: float) -> Array:
    """Interpolate linearly between sorted draws (draws, ...); those after `last` are NaN."""
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
    """Return the rows of the samples of one group, each sample as an independent unit.

    Intervals computed from them describe the variation between samples of this group. A group of
    one sample has no interval.

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
