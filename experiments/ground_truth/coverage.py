"""Coverage: how often the 95% interval of a quantity holds its true value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.ground_truth.game import true_values
from experiments.ground_truth.layouts import LAYOUTS
from experiments.ground_truth.simulation import CHUNK, Simulated, Simulation, key_of
from experiments.ground_truth.worlds import WORLDS
from influence.metrics.metric import Metric
from influence.metrics.registry import METRICS
from influence.statistics.coalitions import combine, exact

__all__ = ["CASES", "Case", "cover"]

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
    world, metric, groups = WORLDS[case.world], METRICS[case.metric], LAYOUTS[layout]
    quantities, truth = exact(world.sites), true_values(world, case.metric, case.mute)
    true = np.array([truth[q.kind, "+".join(q.players)] for q in quantities])[:, None]
    held = np.zeros(len(quantities))
    for simulated in Simulation(world, (case.metric,), case.mute, groups).run(sets, draws=draws):
        low, high = _intervals(simulated, metric, world.sites)
        held += ((low <= true) & (true <= high)).sum(1)
    for quantity, share in zip(quantities, held / (sets // CHUNK * CHUNK), strict=True):
        yield {
            "metric": case.metric,
            "world": case.world,
            "mute": case.mute,
            "data": layout,
            "n": len(groups),
            "groups": int(groups.max()) + 1,
            "kind": quantity.kind,
            "players": "+".join(quantity.players),
            "sets": sets,
            "coverage": share,
            "standard_error": float(np.sqrt(share * (1 - share) / sets)),
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
