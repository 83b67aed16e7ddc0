"""Simulation: the sums of many simulated data sets at once, by the library's own parts.

Networks, mutes, metrics and draws are those of a measurement; only the loop over samples is not,
as it would take hours. The columns of many sets stand side by side, and share their draws.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from experiments.ground_truth.world import ANSWER, World
from influence.data.dataset import Field
from influence.data.derangement import pair_up, random_order
from influence.metrics.metric import Metric, Prediction
from influence.metrics.registry import find_metrics
from influence.mutes.mute import SiteTensor
from influence.mutes.registry import parse_mute
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import choose_setups
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows, Sums

__all__ = ["CHUNK", "Simulated", "Simulation", "key_of", "share_error"]

Array = NDArray[np.float64]

CHUNK = 25
"""How many data sets are simulated at a time, and share their draws."""


def key_of(metric: Metric, condition: Condition) -> RowKey:
    """Return the key of a metric's rows under a condition."""
    return RowKey(condition, ANSWER, metric.statistic.name)


def share_error(share: float, sets: int) -> float:
    """Return the standard error of a share of independent sets."""
    return float(np.sqrt(share * (1 - share) / sets))


@dataclass(frozen=True)
class Simulated:
    """The sums of some data sets, as if they were one with the columns of all.

    Parameters
    ----------
    sums
        Over all samples, over draws, over flips.
    sets
        How many there are.
    resampling
        What made the draws.
    """

    sums: Sums
    sets: int
    resampling: Resampling

    def values(self, metric: Metric, sums: Array) -> Array:
        """Apply a metric to sums (..., sets times k): (..., sets), positive is better."""
        return metric.oriented(metric.formula(sums.reshape(*sums.shape[:-1], self.sets, -1)))

    def standard_errors(self, metric: Metric, mute: str, source: str) -> Array:
        """Return the standard error of an omega in every set, from the draws.

        They are spread by what the variance of a resampled mean lacks, as in
        `influence.analysis.estimates`.
        """
        key = key_of(metric, Condition(mute, frozenset({source})))
        full, muted = (self.values(metric, drawn) for drawn in self.sums.resampled(key))
        units = self.sums.groups
        spread: Array = (full - muted).std(axis=0, ddof=1) * np.sqrt(units / (units - 1))
        return spread

    def p_values(self, metric: Metric, mute: str, source: str) -> Array:
        """Return the p-value of an omega in every set, from sign flips."""
        key = key_of(metric, Condition(mute, frozenset({source})))
        observed, flipped = (
            self.values(metric, full) - self.values(metric, muted)
            for full, muted in (self.sums.observed(key), self.sums.swapped(key))
        )
        return self.resampling.p_value(observed, flipped, self.sums.groups)


@dataclass(frozen=True)
class Simulation:
    """What is simulated.

    Parameters
    ----------
    world
        Where samples come from.
    metrics, mute, setups
        What is measured of its network.
    groups
        For each sample of a set the number of its group.
    """

    world: World
    metrics: tuple[str, ...]
    mute: str
    groups: NDArray[np.int64]
    setups: str = "all"

    def run(self, sets: int, *, draws: int = 1000, seed: int = 0) -> Iterator[Simulated]:
        """Simulate data sets, `CHUNK` at a time.

        Parameters
        ----------
        sets
            How many, a multiple of `CHUNK`.
        draws
            Of the bootstrap and of the sign flips.
        seed
            Of everything random.
        """
        ids = [str(i) for i in range(len(self.groups))]
        for number in range(sets // CHUNK):
            resampling = Resampling(draws, seed=seed + number)
            stream = np.random.default_rng([seed, number])
            derangement = pair_up(random_order(len(ids), number), self.groups)
            units = derangement.units(self.groups) if self.mute == "shuffle" else None
            rows = self._rows(stream, derangement.follows)
            sums = resampling.sums(Rows(ids, self.groups, rows, units=units))
            yield Simulated(sums, CHUNK, resampling)

    def _rows(self, stream: np.random.Generator, follows: NDArray[np.int64]) -> dict[RowKey, Array]:
        """Draw the rows of `CHUNK` sets, (samples, sets times k)."""
        network, samples = self.world.network(), len(self.groups)
        groups = np.arange(CHUNK)[:, None] * (self.groups.max() + 1) + self.groups
        drawn = self.world.draw(stream, groups.ravel())
        clean = {site: drawn.inputs[site].float() for site in self.world.sites}
        muted = self._muted(clean, follows, int(stream.integers(2**31)))
        field = Field(tuple(drawn.target.shape[1:]), not drawn.target.is_floating_point())
        found = {}
        for setup in choose_setups(self.world.sites, self.world.sites, self.setups):
            shown = {site: (muted if site in setup else clean)[site] for site in clean}
            prediction = Prediction(network(shown)[ANSWER], drawn.target, network.outputs[0], field)
            condition = Condition(self.mute if setup else NO_MUTE, setup)
            for metric in find_metrics(self.metrics):
                rows = metric.statistic.update(prediction).numpy().reshape(CHUNK, samples, -1)
                found[key_of(metric, condition)] = rows.swapaxes(0, 1).reshape(samples, -1)
        return found

    def _muted(
        self, clean: Mapping[str, Tensor], follows: NDArray[np.int64], seed: int
    ) -> dict[str, Tensor]:
        """Mute every site; the partners of shuffle are within each set, and the same in all."""
        partners = (np.arange(CHUNK)[:, None] * len(follows) + follows).ravel()
        replace = parse_mute(self.mute).replace
        places = np.arange(len(partners))
        return {
            m.name: replace(SiteTensor(clean[m.name], m, places, clean[m.name][partners], seed))
            for m in self.world.network().inputs
        }
