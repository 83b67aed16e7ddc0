"""Draws: scores of networks on all images, on halves of them, and on every bootstrap draw; designs.

Performance and omega share a term: omega = A(full) - A(muted). What the images add to A(full) is in
both, so that the two are related by construction. Halves undo this: omega is taken from one half of
the images and performance from the other, by random splits, each bootstrapped within its halves.

Designs are the points of a fit. Seeds within a design are drawn anew, and designs themselves: a
statement about designs in general has to hold for others than those that were trained. Beside
images and seeds, designs are drawn with replacement; where something is fitted to influence or to
the number of channels, their departures from the fit are (Davison and Hinkley, Bootstrap Methods,
1997, sec. 3.8 and algorithm 6.1): without the one design whose influence is far from all others a
curve would not be determined. What is a network's own by chance counts at more than one level:
intervals are rather too wide than too narrow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from influence.display.notation import display_of
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS, of_kind
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.bootstrap import LEAST, Resampling
from influence.statistics.rows import RowKey, Rows, match_samples

__all__ = [
    "CROSS",
    "SPLITS",
    "Designs",
    "Estimate",
    "Images",
    "Quantity",
    "Role",
    "Score",
    "Statistic",
    "Terms",
    "draw_scores",
]

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
    def _measured(self) -> Metric:
        return of_kind(METRICS[self.metric], self.target)  # the target depth is of kind depth

    @property
    def key(self) -> RowKey:
        """The rows that it is computed from."""
        setup = FULL if self.mute == NO_MUTE else frozenset({CROSS[self.target]})
        return RowKey(Condition(self.mute, setup), self.target, self._measured.statistic.name)

    def value(self, sums: Array) -> Array:
        """Return the oriented performance, as large as it is shown, of sums (..., k)."""
        metric = self._measured
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
    # No interval is made of these, whose few draws would not give one of this confidence.
    few = replace(resampling, draws=resampling.draws // splits, confidence=LEAST.confidence)
    halves = [
        [
            _draw(half, replace(few, seed=seed))
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


Images = Literal["halves", "same"]
Statistic = Callable[..., Array]
"""Arrays (rows, designs), one for each role -> (rows, ...)."""
Terms = Callable[..., Array]
"""All roles but the last -> what the last is fitted to, (rows, designs, terms)."""


class Role(NamedTuple):
    """What a statistic takes, and which half of the images it is measured on."""

    quantity: Quantity
    half: int = 0


@dataclass(frozen=True)
class Estimate:
    """A statistic, (...), and its draws, (draws, ...).

    Parameters
    ----------
    groups
        How many independent things were drawn: designs, or units of images.
    """

    value: Array
    drawn: Array
    groups: int
    resampling: Resampling

    def interval(self) -> tuple[Array, Array]:
        """Return the ends of the intervals; see `influence.statistics.bootstrap`."""
        return self.resampling.interval(self.drawn, self.groups)


@dataclass(frozen=True)
class Designs:
    """Networks by design.

    Parameters
    ----------
    labels
        The design of each network.
    resampling
        How many draws there are, and their seed.
    units
        How many independent units of images there are.
    """

    labels: tuple[str, ...]
    resampling: Resampling
    units: int

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The designs."""
        return tuple(dict.fromkeys(self.labels))

    def evaluate(
        self,
        statistic: Statistic,
        *roles: Role,
        images: Images,
        across: bool,
        terms: Terms | None = None,
    ) -> Estimate:
        """Compute a statistic of the designs' means, observed and in every draw.

        With halves of the images, both orders and all splits are averaged.

        Parameters
        ----------
        across
            Draw designs, too: a statement about designs like these. Otherwise images, and seeds
            where there are several: a statement about these designs.
        terms
            What the last role is fitted to; then departures from the fit are drawn, not designs.
        """
        orders = (0, 1) if images == "halves" else (0,)
        found, fitted = [], 0
        for order in orders:
            views = [_view(role, images, order) for role in roles]
            observed = len(views[0]) - self.resampling.draws
            *others, last = (
                self.points(view, observed, across and terms is None) for view in views
            )
            if across and terms is not None:
                matrix = terms(*others)
                fitted = matrix.shape[-1]
                last = self._depart(matrix, last, observed)
            found.append(statistic(*others, last))
        together = np.mean(found, axis=0)
        return Estimate(
            together[:observed].mean(axis=0),
            together[observed:],
            len(self.names) - max(fitted - 1, 0) if across else self.units,
            self.resampling,
        )

    def _depart(self, terms: Array, y: Array, observed: int) -> Array:
        """Return y (rows, designs), in draws with departures from its fit that were drawn.

        Departures are scaled to the variance of one design, and centred.
        """
        hat = terms @ np.linalg.pinv(terms)
        fit = (hat @ y[..., None])[..., 0]
        free = np.maximum(1 - np.diagonal(hat, axis1=-2, axis2=-1), 1e-9)
        departures = (y - fit) / np.sqrt(free)
        departures -= departures.mean(axis=-1, keepdims=True)
        drawn = np.take_along_axis(departures[observed:], self._choice, axis=1)
        return np.concatenate([y[:observed], fit[observed:] + drawn])

    def means(self, quantity: Quantity) -> Array:
        """Return the designs' means on all images, (1 + draws, designs), designs not drawn."""
        return self.points(quantity.whole, 1, across=False)

    def points(self, values: Array, observed: int, across: bool) -> Array:
        """Return the designs' means of values (rows, networks), whose first rows are observed."""
        plain = values[:observed] @ self._weights[0].T
        drawn = np.einsum("bn,bdn->bd", values[observed:], self._weights[1:])
        if across:
            drawn = np.take_along_axis(drawn, self._choice, axis=1)
        return np.concatenate([plain, drawn])

    @cached_property
    def _weights(self) -> Array:
        """Weights (1 + draws, designs, networks) of means over seeds, in draws over drawn seeds."""
        stream = self.resampling.stream(b"seeds")
        labels = np.array(self.labels)
        weights = np.zeros((1 + self.resampling.draws, len(self.names), len(labels)))
        for place, name in enumerate(self.names):
            own = np.flatnonzero(labels == name)
            evenly = np.full(len(own), 1 / len(own))
            weights[0, place, own] = evenly
            drawn = stream.multinomial(len(own), evenly, size=self.resampling.draws) / len(own)
            weights[1:, place, own] = drawn
        return weights

    @cached_property
    def _choice(self) -> NDArray[np.int64]:
        """The designs of each draw, (draws, designs)."""
        count = len(self.names)
        stream = self.resampling.stream(b"designs")
        return stream.integers(0, count, size=(self.resampling.draws, count))


def _view(role: Role, images: Images, order: int) -> Array:
    if images == "same":
        return role.quantity.whole
    return np.asarray(role.quantity.halves[(role.half + order) % 2])
