"""Simulation: the sums of many simulated data sets at once, and estimates beside the truth.

Networks, mutes, metrics and draws are those of a measurement; only the loop over samples is not,
as it would take hours. The columns of many sets stand side by side, and share their draws. Of
estimates the bias is found, and how often their 95% intervals hold the true value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor

from experiments.ground_truth.world import ANSWER, LAYOUTS, World, layout_facts, true_values
from experiments.ground_truth.worlds import WORLDS
from influence.data.dataset import Field
from influence.data.derangement import pair_up, random_order
from influence.measurement.pipeline import measure
from influence.metrics.metric import Metric, Prediction
from influence.metrics.registry import METRICS, find_metrics
from influence.mutes.mute import SiteTensor
from influence.mutes.registry import parse_mute
from influence.plan.setups import NO_MUTE, Condition, choose_setups
from influence.statistics.bootstrap import Resampling
from influence.statistics.coalitions import combine, exact
from influence.statistics.rows import RowKey, Rows, Sums

__all__ = [
    "CASES",
    "CHUNK",
    "MUTES",
    "Case",
    "Simulated",
    "Simulation",
    "cover",
    "find_bias",
    "key_of",
    "share_error",
]

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


MUTES = ("zero", "mean", "shuffle", "noise", "constant:1")
CELL = ["mute", "metric", "kind", "players"]

ROUNDING = 1e-9
"""What varies less than this from set to set does so by rounding alone."""


def find_bias(world: World, *, sets: int, samples: int = 100) -> Iterator[dict[str, Any]]:
    """Measure a world on many data sets; yield a record for each quantity of its games.

    `bias` is the mean of what was measured less the truth, `spread` the standard deviation between
    sets, which is the standard error of one measurement; `in_errors` is their ratio. `z` is the
    bias over its own standard error: what chance makes of no bias is standard normal.
    """
    runs = pd.concat([_measure(world, samples, number) for number in range(sets)])
    for cell, found in runs.groupby(CELL, sort=False)["value"]:
        assert isinstance(cell, tuple)
        mute, metric, kind, players = map(str, cell)
        true = true_values(world, metric, mute)[kind, players]
        bias, spread = found.mean() - true, found.std()
        varies = spread > ROUNDING
        yield {
            "world": world.name,
            "about": world.about,
            "mute": mute,
            "metric": metric,
            "kind": kind,
            "players": players,
            "n": samples,
            "sets": sets,
            "true": true,
            "found": found.mean(),
            "bias": bias,
            "spread": spread if varies else 0.0,
            "in_errors": bias / spread if varies else np.nan,
            "z": bias / spread * np.sqrt(sets) if varies else np.nan,
        }


def _measure(world: World, samples: int, number: int) -> pd.DataFrame:
    """Measure one data set; a seed of its own gives each its own noise and partners."""
    drawn = world.draw(np.random.default_rng([samples, number]), np.arange(samples))
    run = measure(
        world.network(),
        [(drawn.inputs, {ANSWER: drawn.target})],
        metrics={ANSWER: world.metrics},
        mutes=MUTES,
        interactions=True,
        draws=10,  # intervals are the business of `experiments.ground_truth.simulation`
        batch_size=samples,
        seed=number,
        device="cpu",
    )
    return run.interactions


@dataclass(frozen=True)
class Case:
    """A metric of a world's answer, under a mute."""

    metric: str
    world: str
    mute: str


CASES = (
    Case("accuracy", "and", "constant:1"),
    Case("rms", "chain", "constant:1"),
    Case("mean_iou", "xor maps", "zero"),
    Case("accuracy", "and", "shuffle"),
    Case("rms", "chain", "shuffle"),
    Case("mean_iou", "xor maps", "shuffle"),
    Case("rms", "lens", "constant:1"),
)
"""Constants, each such that no quantity is zero in every sample; shuffle; and as a limit a product
of sources, whose squared errors have tails far longer than those measured on NYU-Depth v2.
"""


def cover(case: Case, layout: str, *, sets: int, draws: int = 2000) -> Iterator[dict[str, Any]]:
    """Simulate data sets and yield a record for each quantity of the game.

    Its coverage is the share of the sets whose interval holds the true value.
    """
    world, metric = WORLDS[case.world], METRICS[case.metric]
    quantities, truth = exact(world.sites), true_values(world, case.metric, case.mute)
    true = np.array([truth[q.kind, "+".join(q.players)] for q in quantities])[:, None]
    held = np.zeros(len(quantities))
    simulation = Simulation(world, (case.metric,), case.mute, LAYOUTS[layout])
    for simulated in simulation.run(sets, draws=draws):
        low, high = _intervals(simulated, metric, world.sites)
        held += ((low <= true) & (true <= high)).sum(1)
    for quantity, share in zip(quantities, held / (sets // CHUNK * CHUNK), strict=True):
        yield {
            "metric": case.metric,
            "world": case.world,
            "mute": case.mute,
            **layout_facts(layout),
            "kind": quantity.kind,
            "players": "+".join(quantity.players),
            "sets": sets,
            "coverage": share,
            "standard_error": share_error(share, sets),
        }


def _intervals(simulated: Simulated, metric: Metric, sites: Sequence[str]) -> tuple[Array, Array]:
    """Return the ends of the intervals of all quantities in all sets, (quantities, sets) each."""
    sums, resampling = simulated.sums, simulated.resampling
    conditions = sums.conditions()
    values = [simulated.values(metric, sums.drawn[key_of(metric, c)]) for c in conditions]
    coalitions = [frozenset(sites) - c.setup for c in conditions]
    alone = np.ones((resampling.draws, 1))
    drawn = combine([exact(sites)], coalitions, np.stack(values), alone)
    return resampling.interval(drawn.swapaxes(0, 1), sums.groups)
