"""Printed numbers as a world: single numbers of a few networks, judged by leaving one out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice, permutations, product

import numpy as np
from numpy.typing import NDArray

from experiments.claims.designs import Images, Statistic, Terms
from experiments.claims.judgement import Band, band_of_rounding
from experiments.claims.worlds import Found, Named, Test

__all__ = ["Printed"]

Array = NDArray[np.float64]

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
        values = [self.quantities[name] for name, _ in roles]
        value = float(statistic(*(own[None] for own in values))[0])
        left_out = self.leave_out(statistic, *roles)
        known = left_out[np.isfinite(left_out)]
        ends = (known.min(), known.max()) if len(known) == len(left_out) else (np.nan, np.nan)
        p_value = _exact(statistic, values, test)
        return Found(value, float(ends[0]), float(ends[1]), p_value, "leave one out", "networks")

    def spread(
        self, statistic: Statistic, *roles: Named, images: Images, terms: Terms | None = None
    ) -> tuple[Array, Array, Array]:
        value = statistic(*(self.quantities[name][None] for name, _ in roles))[0]
        left_out = self.leave_out(statistic, *roles)
        return value, left_out.min(axis=0), left_out.max(axis=0)

    def leave_out(self, statistic: Statistic, *roles: Named) -> Array:
        """Compute a statistic without each of the networks, (networks, ...)."""
        keep = ~np.eye(self.networks, dtype=bool)
        values = [self.quantities[name] for name, _ in roles]
        return statistic(*(np.stack([own[row] for row in keep]) for own in values))

    def compare(
        self, function: Callable[[Array, Array], Array], *, inputs: bool, across: bool
    ) -> Band:
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
