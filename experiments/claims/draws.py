"""Draws: scores of one network on all images, on halves of them, and on every bootstrap draw.

Performance and omega share a term: omega = A(full) - A(muted). What the images add to A(full) is in
both, so that the two are related by construction. Halves undo this: omega is taken from one half of
the images and performance from the other, by random splits, each bootstrapped within its halves.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from influence.display.notation import display_of
from influence.metrics.registry import METRICS
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows, match_samples

__all__ = ["CROSS", "SPLITS", "Quantity", "Score", "draw_scores"]

Array = NDArray[np.float64]

SPLITS = 20
"""Random splits into halves; the draws are shared out among them."""

CROSS = {"semantic": "depth", "depth": "semantic"}
"""Target -> the other modality, which is its source."""


class Score(NamedTuple):
    """A metric of a target, with its cross-modal source muted, or with nothing muted."""

    target: str
    metric: str
    mute: str = NO_MUTE

    @property
    def key(self) -> RowKey:
        """The rows that it is computed from."""
        setup = FULL if self.mute == NO_MUTE else frozenset({CROSS[self.target]})
        statistic = METRICS[self.metric].statistic.name
        return RowKey(Condition(self.mute, setup), self.target, statistic)

    def value(self, sums: Array) -> Array:
        """Return the oriented performance, as large as it is shown, of sums (..., k)."""
        metric = METRICS[self.metric]
        return np.asarray(display_of(self.metric).gain * metric.oriented(metric.formula(sums)))


@dataclass(frozen=True)
class Quantity:
    """A number of each of some networks: observed, and drawn.

    Parameters
    ----------
    whole
        On all images, (1 + draws, networks): the observed one first.
    halves
        On either half of the images, (2, splits + draws, networks): the observed ones of all splits
        first, then as many draws of each split.
    """

    whole: Array
    halves: Array

    def combine(self, function: Callable[..., Array], *others: Quantity) -> Quantity:
        """Apply a function to each number of this and of others."""
        return Quantity(
            function(self.whole, *(other.whole for other in others)),
            function(self.halves, *(other.halves for other in others)),
        )

    def __sub__(self, other: Quantity) -> Quantity:
        return self.combine(np.subtract, other)

    def chosen(self, places: NDArray[np.intp]) -> Quantity:
        """Return the same of some of the networks."""
        return self.combine(lambda values: values[..., places])


def draw_scores(
    networks: Sequence[Rows], scores: Sequence[Score], resampling: Resampling, splits: int = SPLITS
) -> dict[Score, Quantity]:
    """Draw the scores of networks: all in the same draws and splits of the images.

    Parameters
    ----------
    networks
        The rows of each; `scores` that not all of them have are left out.
    resampling
        How many draws, and from which seed; a multiple of `splits`.

    Raises
    ------
    InfluenceError
        If the networks were not measured on the same samples.
    """
    first, *_ = matched = [match_samples(own, networks[0]) for own in networks]
    keys = {score: score.key for score in scores if all(score.key in x.values for x in matched)}
    side_by_side = {key: np.hstack([x.values[key] for x in matched]) for key in keys.values()}
    rows = Rows(first.ids, first.groups, side_by_side, first.units)
    whole = _draw(rows, resampling)
    halves = [
        [
            _draw(half, replace(resampling, draws=resampling.draws // splits, seed=seed))
            for half, seed in zip(_halves(rows, split, resampling), (2 * split + 1, 2 * split + 2),
                                  strict=True)
        ]
        for split in range(splits)
    ]  # fmt: skip

    def values(score: Score, sums: Mapping[RowKey, Array]) -> Array:
        own = sums[keys[score]]
        return score.value(own.reshape(len(own), len(networks), -1))

    def half(score: Score, side: int) -> Array:
        parts = [values(score, pair[side]) for pair in halves]
        return np.concatenate([part[:1] for part in parts] + [part[1:] for part in parts])

    return {
        score: Quantity(values(score, whole), np.stack([half(score, 0), half(score, 1)]))
        for score in keys
    }


def _draw(rows: Rows, resampling: Resampling) -> dict[RowKey, Array]:
    """Return the sums of the rows, and then those of every draw: (1 + draws, k)."""
    sums = resampling.sums(rows)
    return {key: np.vstack([total, sums.drawn[key]]) for key, total in sums.totals.items()}


def _halves(rows: Rows, split: int, resampling: Resampling) -> tuple[Rows, Rows]:
    """Split the samples at random; what is drawn together stays together."""
    units = rows.drawn_together
    order = resampling.stream(b"split %d" % split).permutation(int(units.max()) + 1)
    first = np.isin(units, order[: len(order) // 2])
    return _part(rows, first), _part(rows, ~first)


def _part(rows: Rows, chosen: NDArray[np.bool_]) -> Rows:
    units = np.unique(rows.drawn_together[chosen], return_inverse=True)[1]
    values = {key: found[chosen] for key, found in rows.values.items()}
    return Rows(list(np.array(rows.ids)[chosen]), units, values)
