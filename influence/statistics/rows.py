"""Rows: what metrics keep of every sample, and the sums of rows that all results come from.

A metric of a whole data set is a formula on the sum of its rows. Values, intervals and p-values are
therefore computed from rows and their sums, without running a network again.

The features at a place inside a network are rows, too. A place is a point at which muted features
are compared with those of the data: see `influence.analysis.distance`. Of a map, the mean over all
pixels is kept, one number a channel.
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
"""Arrays of the two sides of a difference, such as the full and the muted one of an omega."""

FEATURES = "features"
"""The statistic of a place: one row of numbers for each sample, one number for each channel."""

MARK = "at:"
"""Begins the name of a place, where the names of outputs also stand."""


class RowKey(NamedTuple):
    """The condition, output, statistic and level that an array of rows belongs to.

    The level is ``all``, or the name of the slice of pixels that were counted; see
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
"""Values of metrics that keep their own state; the metric's name stands for the statistic's."""


def full_key(key: RowKey) -> RowKey:
    """Return the key of the same rows with nothing muted.

    Examples
    --------
    >>> str(full_key(RowKey(Condition("zero", frozenset({"x"})), "total", "errors")))
    'full/total/errors'
    """
    return key._replace(condition=Condition(NO_MUTE, FULL))


def list_conditions(keys: Iterable[RowKey]) -> list[Condition]:
    """List the conditions of some keys in their order, the full one first."""
    found = dict.fromkeys(key.condition for key in keys)
    return sorted(found, key=lambda c: c.setup != FULL)


def feature_keys(conditions: Iterable[Condition], places: Iterable[str]) -> list[RowKey]:
    """List the keys of the features at some places under some conditions.

    >>> [str(key) for key in feature_keys([Condition("none", frozenset())], ["at:fuse"])]
    ['full/at:fuse/features']
    """
    return [RowKey(*at, FEATURES) for at in product(conditions, places)]


def is_place(name: str) -> bool:
    """Return whether a name is that of a place, and not of an output.

    >>> is_place("at:fuse.add"), is_place("depth")
    (True, False)
    """
    return name.startswith(MARK)


def place_name(path: str) -> str:
    """Return the name of the features at the place with a module path.

    >>> place_name("fuse.add")
    'at:fuse.add'
    """
    return f"{MARK}{path}"


@dataclass(frozen=True)
class Rows:
    """The rows of all samples of one network.

    Parameters
    ----------
    ids
        The samples' names.
    groups
        For each sample the number of its group, 0, 1, ...; samples that are independent have a
        group each.
    values
        One float64 array (samples, k) for every condition, output and statistic.
    units
        For each sample the number of the unit that it is resampled with, 0, 1, ...: its group,
        joined with the groups whose inputs a shuffle exchanges with it
        (`influence.data.derangement.Derangement.units`). By default the groups.
    """

    ids: Sequence[str]
    groups: NDArray[np.int64]
    values: Mapping[RowKey, Array]
    units: NDArray[np.int64] | None = None

    @property
    def drawn_together(self) -> NDArray[np.int64]:
        """For each sample the number of its unit; units are independent of each other."""
        return self.groups if self.units is None else self.units

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.values)


def match_samples(rows: Rows, like: Rows) -> Rows:
    """Reorder the samples of `rows` to the order of the same samples in `like`.

    Rows of two networks can be compared sample by sample, and resampled together, only in one
    order.

    Parameters
    ----------
    rows
        The rows to reorder.
    like
        Rows of the same samples, whose order, groups and units the result has.

    Returns
    -------
    Rows
        The values of `rows`, with ids, groups and units of `like`.

    Raises
    ------
    InfluenceError
        If the ids differ or are not unique, if the groups differ, or if under a shuffle that both
        have samples exchange their inputs with different ones.

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
    """Say whether two labellings divide the samples differently, whatever the labels are."""
    return not np.array_equal(pd.factorize(labels)[0], pd.factorize(others)[0])


def _shuffles(rows: Rows) -> set[str]:
    return {key.condition.mute for key in rows.values if key.condition.mute.startswith("shuffle")}


@dataclass(frozen=True)
class Sums:
    """Rows added up over a data set, and again for every draw of the bootstrap.

    Values, intervals and p-values are computed from these sums alone. They come from the rows of
    all samples (`influence.statistics.bootstrap.Resampling.sums`), or from a stream whose rows are
    not kept (`influence.statistics.running_sums.RunningSums`).

    Parameters
    ----------
    totals
        Rows summed over all samples, (k,), for every condition, output and statistic.
    drawn
        The same over the samples of each draw of the bootstrap, (draws, k).
    exchanged
        For every condition that mutes one site, muted row minus full row, summed over the samples
        whose sign a draw flips, (draws, k). The flips are the same for all keys.
    n
        The number of samples.
    groups
        The number of independent units that they form; `n` where all samples are independent.

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
        """Hold values that cannot be resampled in the place of sums, (1,) each, without draws.

        The intervals and p-values of such values are NaN. `n` is the number of samples.
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
        """List the levels below ``all`` at which a statistic of an output was added up."""
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

        Under the hypothesis that muting makes no difference, the two rows of a sample are
        exchangeable, and the swapped sums are as likely as the observed ones.
        """
        full, other = self.observed(muted)
        change = self.exchanged[muted]
        return full + change, other - change
