"""Worlds: what claims are judged in, either measured here with draws, or printed without any.

Printed numbers are single numbers of a few networks, judged by leaving one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations, product
from typing import Literal, NamedTuple, Protocol, Required, TypedDict, Unpack

import numpy as np
from numpy.typing import NDArray

from experiments.claims.draws import Designs, Estimate, Images, Quantity, Role, Statistic, Terms
from experiments.claims.judgement import CONFIDENCE, Band, band_of_draws, band_of_rounding, p_of

__all__ = ["Found", "Measured", "Named", "Printed", "Test", "World"]

Array = NDArray[np.float64]
Difference = Callable[[Array, Array], Array]
Spread = tuple[Array, Array, Array]
"""A statistic, and the lower and upper ends of its intervals."""

Named = tuple[str, int]
"""A quantity, and the half of the images on which a role takes it."""

Test = Literal["pairs", "residuals", "signs", "none"]
"""What is exchangeable under the null hypothesis on few networks: which value of the last role goes
with which network, which residual of its line on the first role does (Freedman and Lane, Journal of
Business and Economic Statistics 1983), or the sign of each value."""


class Found(NamedTuple):
    """A quantity with its interval."""

    value: float
    low: float
    high: float
    p_value: float
    interval: str
    resampled: str


class How(TypedDict, total=False):
    """How a statistic is computed.

    `images`, `across` (by default) and `terms` are those of `Designs.evaluate`; `limit` is what the
    p-value is for; `test`, by default of pairs, is for worlds without draws.
    """

    images: Required[Images]
    across: bool
    terms: Terms | None
    limit: float
    test: Test


class World(Protocol):
    """What a claim may ask."""

    @property
    def condition(self) -> str:
        """What the networks were trained on."""

    @property
    def mute(self) -> str:
        """How their inputs were muted."""

    @property
    def names(self) -> tuple[str, ...]:
        """The designs."""

    @property
    def networks(self) -> int:
        """How many networks there are."""

    def observed(self, name: str) -> Array:
        """Return a quantity of the designs, (designs,), on all images."""

    def estimate(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Found:
        """Compute a statistic of quantities of the designs, with its interval."""

    def spread(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Spread:
        """Return an array-valued statistic with the ends of its intervals, about all designs."""

    def compare(self, function: Difference, *, inputs: bool, across: bool) -> Band:
        """Bring differences of performances of the designs under all metrics into a band.

        The function takes (rows, designs, metrics) twice, of which it subtracts the second; this
        is that of the inputs, (rows, 1, metrics), or of the designs again.
        """

    def by_network(self) -> World:
        """Return the same with every network a design of its own."""

    def among(self, names: Sequence[str]) -> World:
        """Return the world of some of the designs."""


@dataclass(frozen=True)
class Measured:
    """Networks that were measured here.

    Parameters
    ----------
    quantities
        By name, of all networks.
    performances, inputs
        Of networks and of their inputs under all metrics: (1 + draws, networks or 1, metrics).
    """

    condition: str
    mute: str
    designs: Designs
    quantities: Mapping[str, Quantity]
    performances: Array
    inputs: Array

    @property
    def names(self) -> tuple[str, ...]:
        return self.designs.names

    @property
    def networks(self) -> int:
        return len(self.designs.labels)

    def observed(self, name: str) -> Array:
        return np.asarray(self.designs.means(self.quantities[name])[0])

    def spread(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Spread:
        found = self.draw(statistic, *roles, **how)
        return (found.value, *found.interval())

    def draw(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Estimate:
        """Compute a statistic, observed and in every draw."""
        taken = [Role(self.quantities[name], half) for name, half in roles]
        across, terms = how.get("across", True), how.get("terms")
        return self.designs.evaluate(
            statistic, *taken, images=how["images"], across=across, terms=terms
        )

    def estimate(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Found:
        found = self.draw(statistic, *roles, **how)
        low, high = found.interval()
        p_value = p_of(found.drawn, how.get("limit", 0.0), found.groups)
        resampled = "images, seeds" + (", designs" if how.get("across", True) else "")
        return Found(float(found.value), float(low), float(high), p_value, "bootstrap", resampled)

    def compare(self, function: Difference, *, inputs: bool, across: bool) -> Band:
        by_metric = np.moveaxis(self.performances, -1, 0)
        own = np.stack([self.designs.points(x, 1, across) for x in by_metric], axis=-1)
        return band_of_draws(function(own, self.inputs if inputs else own), CONFIDENCE)

    def by_network(self) -> Measured:
        labels = tuple(f"{label}#{i}" for i, label in enumerate(self.designs.labels))
        return replace(self, designs=replace(self.designs, labels=labels))

    def among(self, names: Sequence[str]) -> Measured:
        own = np.flatnonzero(np.isin(self.designs.labels, names))
        designs = replace(self.designs, labels=tuple(self.designs.labels[i] for i in own))
        quantities = {name: found.chosen(own) for name, found in self.quantities.items()}
        performances = self.performances[:, own]
        return replace(self, designs=designs, quantities=quantities, performances=performances)


MOST_ARRANGEMENTS = 5040


@dataclass(frozen=True)
class Printed:
    """Networks of which single numbers were printed, one of each design.

    Parameters
    ----------
    quantities
        By name, (designs,).
    performances, inputs
        Under all metrics: (designs, metrics) and (metrics,).
    half, inputs_half
        Half a unit of the last printed digit of each.
    """

    condition: str
    mute: str
    names: tuple[str, ...]
    quantities: Mapping[str, Array]
    performances: Array
    inputs: Array
    half: Array
    inputs_half: Array

    @property
    def networks(self) -> int:
        return len(self.names)

    def observed(self, name: str) -> Array:
        return self.quantities[name]

    def estimate(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Found:
        values = [self.quantities[name] for name, _ in roles]
        value = float(statistic(*(own[None] for own in values))[0])
        left_out = self.leave_out(statistic, *roles)
        known = left_out[np.isfinite(left_out)]
        ends = (known.min(), known.max()) if len(known) == len(left_out) else (np.nan, np.nan)
        p_value = _exact(statistic, values, how.get("test", "pairs"))
        return Found(value, float(ends[0]), float(ends[1]), p_value, "leave one out", "networks")

    def spread(self, statistic: Statistic, *roles: Named, **how: Unpack[How]) -> Spread:
        value = statistic(*(self.quantities[name][None] for name, _ in roles))[0]
        left_out = self.leave_out(statistic, *roles)
        return value, left_out.min(axis=0), left_out.max(axis=0)

    def leave_out(self, statistic: Statistic, *roles: Named) -> Array:
        """Compute a statistic without each of the networks, (networks, ...)."""
        keep = ~np.eye(self.networks, dtype=bool)
        values = [self.quantities[name] for name, _ in roles]
        return statistic(*(np.stack([own[row] for row in keep]) for own in values))

    def compare(self, function: Difference, *, inputs: bool, across: bool) -> Band:
        own, half = self.performances[None], self.half[None]
        other, other_half = (
            (self.inputs[None, None], self.inputs_half[None, None]) if inputs else (own, half)
        )
        return band_of_rounding(function(own, other)[0], function(half, -other_half)[0])

    def by_network(self) -> Printed:
        return self

    def among(self, names: Sequence[str]) -> Printed:
        own = np.flatnonzero(np.isin(self.names, names))
        return replace(
            self,
            names=tuple(self.names[i] for i in own),
            quantities={name: found[own] for name, found in self.quantities.items()},
            performances=self.performances[own],
            half=self.half[own],
        )


def _exact(statistic: Statistic, values: Sequence[Array], test: Test) -> float:
    """Return the two-sided p-value over all arrangements of the values of the last role."""
    if test == "none":
        return float("nan")
    if test == "residuals":
        x, y = values
        values = [x, y - np.polyval(np.polyfit(x, y, 1), x)]
    arranged = np.array(list(islice(_arrangements(values[-1], test), MOST_ARRANGEMENTS)))
    others = (np.broadcast_to(own, arranged.shape) for own in values[:-1])
    found = np.abs(statistic(*others, arranged))
    reached = found[np.isfinite(found)] >= found[0] * (1 - 1e-9)
    return float(reached.mean()) if np.isfinite(found[0]) else float("nan")


def _arrangements(values: Array, test: Test) -> Iterator[Array]:
    """Yield all arrangements, the observed one first."""
    if test == "signs":
        yield from (values * signs for signs in product((1, -1), repeat=len(values)))
    else:
        yield from (values[list(order)] for order in permutations(range(len(values))))
