"""Estimates beside the truth: their bias, and how often their 95% intervals hold the true value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from experiments.ground_truth.simulation import CHUNK, Simulated, Simulation, key_of, share_error
from experiments.ground_truth.world import ANSWER, LAYOUTS, World, layout_facts, true_values
from experiments.ground_truth.worlds import WORLDS
from influence.measurement.pipeline import measure
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS
from influence.statistics.coalitions import combine, exact

__all__ = ["CASES", "MUTES", "Case", "cover", "find_bias"]

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
        draws=2,  # intervals are the business of `experiments.ground_truth.estimates`
        batch_size=samples,
        seed=number,
        device="cpu",
    )
    return run.interactions


Array = NDArray[np.float64]


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
