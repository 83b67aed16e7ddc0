"""Worlds: what claims are judged in. Those that were measured have draws, `printed` has none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from experiments.claims.designs import Designs, Estimate, Images, Role, Statistic, Terms
from experiments.claims.draws import Quantity
from experiments.claims.judgement import CONFIDENCE, Band, band_of_draws, p_of

__all__ = ["Found", "Measured", "Named", "Test", "World"]

Array = NDArray[np.float64]
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


class World(Protocol):
    """What a claim may ask."""

    @property
    def condition(self) -> str:
        """What the networks were trained on."""
        ...

    @property
    def mute(self) -> str:
        """How their inputs were muted."""
        ...

    @property
    def names(self) -> tuple[str, ...]:
        """The designs."""
        ...

    @property
    def networks(self) -> int:
        """How many networks there are."""
        ...

    def observed(self, name: str) -> Array:
        """Return a quantity of the designs, (designs,), on all images."""
        ...

    def estimate(
        self,
        statistic: Statistic,
        *roles: Named,
        images: Images,
        across: bool = True,
        terms: Terms | None = None,
        limit: float = 0.0,
        test: Test = "pairs",
    ) -> Found:
        """Compute a statistic of quantities of the designs, with its interval.

        `across` and `terms` are those of `Designs.evaluate`; `limit` is what the p-value is for;
        `test` is for worlds without draws.
        """
        ...

    def spread(
        self, statistic: Statistic, *roles: Named, images: Images, terms: Terms | None = None
    ) -> tuple[Array, Array, Array]:
        """Return an array-valued statistic with the ends of its intervals, about all designs."""
        ...

    def compare(
        self, function: Callable[[Array, Array], Array], *, inputs: bool, across: bool
    ) -> Band:
        """Bring differences of performances of the designs under all metrics into a band.

        The function takes (rows, designs, metrics) twice, of which it subtracts the second; this
        is that of the inputs, (rows, 1, metrics), or of the designs again.
        """
        ...

    def by_network(self) -> World:
        """Return the same with every network a design of its own."""
        ...

    def among(self, names: Sequence[str]) -> World:
        """Return the world of some of the designs."""
        ...


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

    def spread(
        self, statistic: Statistic, *roles: Named, images: Images, terms: Terms | None = None
    ) -> tuple[Array, Array, Array]:
        found = self.draw(statistic, *roles, images=images, terms=terms)
        return (found.value, *found.interval())

    def draw(
        self,
        statistic: Statistic,
        *roles: Named,
        images: Images,
        across: bool = True,
        terms: Terms | None = None,
    ) -> Estimate:
        """Compute a statistic, observed and in every draw."""
        taken = [Role(self.quantities[name], half) for name, half in roles]
        return self.designs.evaluate(statistic, *taken, images=images, across=across, terms=terms)

    def estimate(
        self,
        statistic: Statistic,
        *roles: Named,
        images: Images,
        across: bool = True,
        terms: Terms | None = None,
        limit: float = 0.0,
        test: Test = "pairs",
    ) -> Found:
        found = self.draw(statistic, *roles, images=images, across=across, terms=terms)
        low, high = found.interval()
        p_value = p_of(found.drawn, limit, found.groups)
        resampled = "images, seeds" + (", designs" if across else "")
        return Found(float(found.value), float(low), float(high), p_value, "bootstrap", resampled)

    def compare(
        self, function: Callable[[Array, Array], Array], *, inputs: bool, across: bool
    ) -> Band:
        metrics = self.performances.shape[-1]
        own = np.stack(
            [self.designs.points(self.performances[..., i], 1, across) for i in range(metrics)],
            axis=-1,
        )
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
