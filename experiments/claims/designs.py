"""Designs: the points of a fit. Seeds within a design are drawn anew, and designs themselves.

A statement about designs in general has to hold for others than those that were trained. Beside
images and seeds, designs are drawn with replacement; where something is fitted to influence or to
the number of channels, their departures from the fit are (Davison and Hinkley, Bootstrap Methods,
1997, sec. 3.8 and algorithm 6.1): without the one design whose influence is far from all others a
curve would not be determined. What is a network's own by chance counts at more than one level:
intervals are rather too wide than too narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.claims.draws import Quantity
from influence.statistics.bootstrap import Resampling

__all__ = ["Designs", "Estimate", "Images", "Role", "Statistic", "Terms"]

Array = NDArray[np.float64]
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
