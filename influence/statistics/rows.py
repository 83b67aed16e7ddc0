"""Rows: the numbers that metrics keep for every sample, and the sums of rows.

A metric of a whole data set is a formula on the sum of its rows. Values, intervals and p-values are
therefore computed from rows and their sums, without running a network again.

The features at a place inside a network are rows as well. A place is a point at which features of
muted inputs are compared with those of the data: see `influence.analysis.distance`. Of a feature
map the mean over all pixels is kept, one number for each channel.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.plan.setups import FULL, NO_MUTE, Condition

__all__ = [
    "FEATURES",
    "MARK",
    "RowKey",
    "Rows",
    "Sides",
    "StatefulValues",
    "Sums",
    "feature_keys",
    "full_key",
    "is_place",
    "list_conditions",
    "match_samples",
    "place_name",
]

Array = NDArray[np.float64]

Sides = tuple[Array, Array]
"""Arrays of the two sides of a difference, such as full and muted of an omega."""

FEATURES = "features"
"""The statistic of features at a place: for each sample one number for each channel."""

MARK = "at:"
"""The prefix that distinguishes the name of a place from that of an output."""


class RowKey(NamedTuple):
    """The key of an array of rows: its condition, output, statistic and level.

    The level is ``all``, or the name of the slice of pixels over which the rows are computed; see
    `influence.metrics.slices`.

    Examples
    --------
    >>> str(RowKey(Condition("none", frozenset()), "depth", "depth_errors", "depth:1-2"))
    'full/depth/depth_errors@depth:1-2'
    """

    condition: Condition
    output: str
    statistic: str
    level: str = "all"

    def __str__(self) -> str:
        path = f"{self.condition}/{self.output}/{self.statistic}"
        return path if self.level == "all" else f"{path}@{self.level}"


StatefulValues = Mapping[RowKey, float]
"""Values of metrics that keep their own state; `RowKey.statistic` is then the metric's name."""


def full_key(key: RowKey) -> RowKey:
    """Return the key of the same rows with no input muted.

    Examples
    --------
    >>> str(full_key(RowKey(Condition("zero", frozenset({"x"})), "total", "errors")))
    'full/total/errors'
    """
    return key._replace(condition=Condition(NO_MUTE, FULL))


def list_conditions(keys: Iterable[RowKey]) -> list[Condition]:
    """List the conditions of some keys in order of appearance, the full one first."""
    found = dict.fromkeys(key.condition for key in keys)
    return sorted(found, key=lambda c: c.setup != FULL)


def feature_keys(conditions: Iterable[Condition], places: Iterable[str]) -> list[RowKey]:
    """List the keys of the features at given places under given conditions.

    >>> [str(key) for key in feature_keys([Condition("none", frozenset())], ["at:fuse"])]
    ['full/at:fuse/features']
    """
    return [RowKey(*at, FEATURES) for at in product(conditions, places)]


def is_place(name: str) -> bool:
    """Return whether a name is that of a place rather than of an output.

    >>> is_place("at:fuse.add"), is_place("depth")
    (True, False)
    """
    return name.startswith(MARK)


def place_name(path: str) -> str:
    """Return the name of the place at a module path.

    >>> place_name("fuse.add")
    'at:fuse.add'
    """
    return f"{MARK}{path}"


@dataclass(frozen=True)
class Rows:
    """The rows of all samples of one network, from which all its results are computed.

    Parameters
    ----------
    ids
        The names of the samples.
    groups
        The group number 0, 1, ... of each sample, (samples,); each independent sample is a group.
    values
        A float64 array (samples, k) for every condition, output and statistic.
    units
        The number 0, 1, ... of the unit with which each sample is resampled, (samples,): its
        group, joined with the groups whose inputs a shuffle exchanges with it
        (`influence.data.derangement.Derangement.units`). By default the groups.
    """

    ids: Sequence[str]
    groups: NDArray[np.int64]
    values: Mapping[RowKey, Array]
    units: NDArray[np.int64] | None = None

    @property
    def drawn_together(self) -> NDArray[np.int64]:
        """The unit number of each sample, (samples,); units are independent of each other."""
        return self.groups if self.units is None else self.units

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.values)


def match_samples(rows: Rows, like: Rows) -> Rows:
    """Reorder the samples of `rows` to the order of the same samples in `like`.

    The rows of two networks can be compared and resampled sample by sample only if the order of
    their samples is the same.

    Parameters
    ----------
    rows
        The rows to reorder.
    like
        Rows of the same samples; the result has their order, groups and units.

    Returns
    -------
    Rows
        The values of `rows`, with ids, groups and units of `like`.

    Raises
    ------
    InfluenceError
        If the ids differ or are not unique, if the groups differ, or if the two were measured
        under a shuffle that exchanges inputs with different samples.

    Examples
    --------
    >>> key = RowKey(Condition("none", frozenset()), "y", "errors")
    >>> rows = Rows(["b", "a"], np.arange(2), {key: np.array([[2.0], [1.0]])})
    >>> match_samples(rows, Rows(["a", "b"], np.arange(2), {})).values[key].tolist()
    [[1.0], [2.0]]
    """
    position = {name: i for i, name in enumerate(rows.ids)}
    common = len(position.keys() & set(like.ids))
    if not len(rows.ids) == len(like.ids) == len(position) == common:
        raise InfluenceError(
            f"expected the same samples on both sides, once each; {common} ids match, of "
            f"{len(like.ids)} samples in the first run and {len(rows.ids)} in the second. Measure "
            "both on one evaluation file"
        )
    order = np.array([position[name] for name in like.ids])
    if _differ(rows.groups[order], like.groups):
        raise InfluenceError(
            "expected the same groups of samples in both runs, got different ones. Measure both on "
            "one evaluation file"
        )
    shuffled = sorted(_shuffles(rows) & _shuffles(like))
    if shuffled and _differ(rows.drawn_together[order], like.drawn_together):
        raise InfluenceError(
            f"under {shuffled[0]!r} samples exchange their inputs with different samples in the "
            "two runs, so they cannot be resampled together. Measure both with the same seed"
        )
    values = {key: found[order] for key, found in rows.values.items()}
    return Rows(like.ids, like.groups, values, like.units)


def _differ(labels: NDArray[np.int64], others: NDArray[np.int64]) -> bool:
    """Return whether two labellings partition the samples differently, ignoring label names."""
    return not np.array_equal(pd.factorize(labels)[0], pd.factorize(others)[0])


def _shuffles(rows: Rows) -> set[str]:
    return {key.condition.mute for key in rows.values if key.condition.mute.startswith("shuffle")}


@dataclass(frozen=True)
class Sums:
    """Sums of rows over a data set and over every draw of the bootstrap.

    Values, intervals and p-values are computed from these sums alone. They are computed from the
    rows of all samples (`influence.statistics.bootstrap.Resampling.sums`), or batch by batch from a
    stream (`influence.statistics.running_sums.RunningSums`), which keeps no rows.

    Parameters
    ----------
    totals
        Sums over all samples, (k,), for every condition, output and statistic.
    drawn
        Sums over the samples of each bootstrap draw, (draws, k).
    exchanged
        For every condition that mutes one site, the muted minus the full rows, summed over the
        samples whose sign is flipped, (draws, k). The flips are the same for all keys.
    n
        The number of samples.
    groups
        The number of independent units that the samples form; `n` if all are independent.

    Examples
    --------
    >>> full, muted = (RowKey(Condition(m, frozenset(s)), "total", "errors")
    ...                for m, s in (("none", ""), ("zero", "x")))
    >>> totals = {full: np.array([4.0]), muted: np.array([9.0])}
    >>> drawn = {key: np.array([total, total]) for key, total in totals.items()}
    >>> sums = Sums(totals, drawn, {muted: np.array([[0.0], [2.0]])}, n=3, groups=3)
    >>> [side.tolist() for side in sums.swapped(muted)]
    [[[4.0], [6.0]], [[9.0], [7.0]]]
    """

    totals: Mapping[RowKey, Array]
    drawn: Mapping[RowKey, Array]
    exchanged: Mapping[RowKey, Array]
    n: int
    groups: int

    @classmethod
    def of_values(cls, values: StatefulValues, n: int) -> Sums:
        """Wrap values of metrics that cannot be resampled, (1,) each, as sums without draws.

        Intervals and p-values of such values are NaN. `n` is the number of samples.
        """
        totals = {key: np.array([value]) for key, value in values.items()}
        nothing = {key: np.empty((0, 1)) for key in values}
        return cls(totals, nothing, nothing, n=n, groups=0)

    @property
    def draws(self) -> int:
        """The number of draws; zero for values that cannot be resampled."""
        return len(next(iter(self.drawn.values()), ()))

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.totals)

    def slices(self, output: str, statistic: str) -> list[str]:
        """List the slices for which a statistic of an output was summed: levels except ``all``."""
        full = (Condition(NO_MUTE, FULL), output, statistic)
        return [key.level for key in self.totals if key[:3] == full and key.level != "all"]

    def observed(self, muted: RowKey) -> Sides:
        """Return the sums of full and muted rows, (k,) each."""
        return self.totals[full_key(muted)], self.totals[muted]

    def resampled(self, muted: RowKey) -> Sides:
        """Return the sums of full and muted rows in every draw of the bootstrap, (draws, k) each.

        Both sides use the same draw.
        """
        return self.drawn[full_key(muted)], self.drawn[muted]

    def swapped(self, muted: RowKey) -> Sides:
        """Return the sums of both sides after swapping them in random samples, (draws, k) each.

        If muting makes no difference (the null hypothesis), the two rows of a sample are
        exchangeable, and the swapped sums have the same distribution as the observed ones.
        """
        full, other = self.observed(muted)
        change = self.exchanged[muted]
        return full + change, other - change
