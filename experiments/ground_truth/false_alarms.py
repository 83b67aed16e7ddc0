"""False alarms: how often a test finds an influence where there is none.

The sources are used by the networks: muting them changes answers, but no expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.ground_truth.gaussian import GaussianWorld
from experiments.ground_truth.layouts import LAYOUTS
from experiments.ground_truth.simulation import Simulation
from experiments.ground_truth.switches import switched
from experiments.ground_truth.world import World
from influence.metrics.registry import find_metrics
from influence.statistics.bootstrap import holm

__all__ = ["FAMILIES", "LEVEL", "Family", "count_alarms"]

LEVEL = 0.05
"""Of the tests."""


@dataclass(frozen=True)
class Family:
    """Tests of one world that are adjusted together, all of a true null hypothesis.

    Parameters
    ----------
    world
        Where none of the sources has an influence on any of the metrics.
    sources, mutes
        Those for which this is so.
    """

    world: World
    sources: tuple[str, ...]
    mutes: tuple[str, ...]


NOISE = GaussianWorld(
    "noise", "the truth has nothing to do with a and b, which the network uses",
    {(0,): 0.5, (1,): 0.3}, {}, (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0)),
)  # fmt: skip

FAMILIES = (
    Family(
        switched("switches", [0.5, 0.5], 0.75, 0.75, switches=2),
        ("b", "c"),
        ("zero", "shuffle"),
    ),
    Family(
        switched("switches on maps", [0.6, 0.4], 0.75, 0.75, switches=2, places=25,
                 metrics=("mean_iou", "pixel_accuracy", "class_accuracy")),
        ("b", "c"),
        ("zero", "shuffle"),
    ),
    # A constant at one standard deviation has the mean square of the input that it replaces.
    Family(NOISE, ("a", "b"), ("constant:1", "shuffle", "noise")),
)  # fmt: skip


def count_alarms(
    family: Family, mute: str, layout: str, *, sets: int, draws: int = 1000
) -> Iterator[dict[str, Any]]:
    """Simulate data sets; yield a record for each source and metric, and one for any of them.

    `raw` is the share of the sets in which the p-value is at most `LEVEL`, `holm` that in which
    Holm's adjusted p-value is; the family is all sources and metrics of a set, as in a
    measurement.
    """
    world, groups = family.world, LAYOUTS[layout]
    metrics = find_metrics(world.metrics)
    simulation = Simulation(world, world.metrics, mute, groups, setups="each")
    tests = list(product(family.sources, metrics))
    p_values = np.concatenate(
        [
            np.stack([simulated.p_values(metric, mute, source) for source, metric in tests])
            for simulated in simulation.run(sets, draws=draws)
        ],
        axis=1,
    )  # (tests, sets)
    raw = np.asarray(p_values <= LEVEL)
    adjusted = np.array([holm(p.tolist()) for p in p_values.T]).T <= LEVEL
    for i, (source, metric) in enumerate(tests):
        yield _record(family, mute, layout, source, metric.name, raw[i], adjusted[i])
    whole = np.asarray(raw.any(0)), np.asarray(adjusted.any(0))
    yield _record(family, mute, layout, "any", "any", *whole)


def _record(
    family: Family,
    mute: str,
    layout: str,
    source: str,
    metric: str,
    raw: NDArray[np.bool_],
    adjusted: NDArray[np.bool_],
) -> dict[str, Any]:
    groups, sets = LAYOUTS[layout], len(raw)
    found = {
        "world": family.world.name,
        "mute": mute,
        "data": layout,
        "n": len(groups),
        "groups": int(groups.max()) + 1,
        "source": source,
        "metric": metric,
        "sets": sets,
    }
    for name, alarms in (("raw", raw), ("holm", adjusted)):
        share = float(alarms.mean())
        found |= {name: share, f"{name}_error": float(np.sqrt(share * (1 - share) / sets))}
    return found
