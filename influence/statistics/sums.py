"""Sums: the rows of a whole data set added up, once as they are and once for every random draw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.statistics.rows import RowKey, list_conditions

__all__ = ["Pair", "Sums", "full_key"]

Array = NDArray[np.float64]
Pair = tuple[Array, Array]


def full_key(key: RowKey) -> RowKey:
    """Return the key of the same rows with nothing muted.

    >>> str(full_key(RowKey(Condition("zero", frozenset({"x"})), "total", "errors")))
    'full/total/errors'
    """
    return key._replace(condition=Condition(NO_MUTE, FULL))


@dataclass(frozen=True)
class Sums:
    """Every value, interval and p-value is computed from this, and from nothing else.

    It comes from the rows of all samples (`influence.statistics.bootstrap.Resampling.sums`) or from
    a stream that keeps no rows (`influence.statistics.running_sums.RunningSums`).

    Parameters
    ----------
    totals
        Rows summed over samples, (k,), for every condition, output and statistic.
    drawn
        The same over each draw of the bootstrap, (draws, k).
    exchanged
        For every condition that mutes one site, muted row minus full row summed over the samples
        that a draw flips, (draws, k). The flips are the same for all keys.
    n
        How many samples there are.
    groups
        How many independent groups they form; `n` where each sample is its own.

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

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.totals)

    def slices(self, output: str, statistic: str) -> list[str]:
        """List the levels below ``all`` at which a statistic of an output was added up."""
        full = (Condition(NO_MUTE, FULL), output, statistic)
        return [key.level for key in self.totals if key[:3] == full and key.level != "all"]

    def observed(self, muted: RowKey) -> Pair:
        """Return the sums of full and muted rows, (k,) each."""
        return self.totals[full_key(muted)], self.totals[muted]

    def resampled(self, muted: RowKey) -> Pair:
        """Return the sums of full and muted rows in every draw of the bootstrap, (draws, k) each.

        Both sides use the same draw.
        """
        return self.drawn[full_key(muted)], self.drawn[muted]

    def swapped(self, muted: RowKey) -> Pair:
        """Return the sums of both sides after swapping them in random samples, (draws, k) each.

        Under the hypothesis that muting makes no difference, the two rows of a sample are
        exchangeable, and the swapped sums are as likely as the observed ones.
        """
        full, other = self.observed(muted)
        change = self.exchanged[muted]
        return full + change, other - change
