"""Detection: how often a test finds an influence where there is none, and one of a known size.

The sources of the worlds without influence are used by the networks: muting them changes answers,
but no expectation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from experiments.ground_truth.gaussian import GaussianWorld, Polynomial
from experiments.ground_truth.simulation import Simulation, share_error
from experiments.ground_truth.world import LAYOUTS, World, layout_facts, true_values
from experiments.ground_truth.worlds import switched
from influence.analysis.power import detectable_omega
from influence.metrics.registry import METRICS, find_metrics
from influence.statistics.bootstrap import holm

__all__ = [
    "EFFECTS",
    "FAMILIES",
    "Effect",
    "Family",
    "count_alarms",
    "find_power",
    "predicted_power",
]

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
    world = family.world
    metrics = find_metrics(world.metrics)
    simulation = Simulation(world, world.metrics, mute, LAYOUTS[layout], setups="each")
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
    names = {"world": world.name, "mute": mute} | layout_facts(layout)
    for i, (source, metric) in enumerate(tests):
        own = {"source": source, "metric": metric.name}
        yield names | own | _shares(raw[i], adjusted[i])
    whole = np.asarray(raw.any(0)), np.asarray(adjusted.any(0))
    yield names | {"source": "any", "metric": "any"} | _shares(*whole)


def _shares(raw: NDArray[np.bool_], adjusted: NDArray[np.bool_]) -> dict[str, float]:
    """Return the shares of sets with an alarm, and their standard errors."""
    found: dict[str, float] = {"sets": len(raw)}
    for name, alarms in (("raw", raw), ("holm", adjusted)):
        share = float(alarms.mean())
        found |= {name: share, f"{name}_error": share_error(share, len(raw))}
    return found


SOURCE, MUTE = "b", "zero"


@dataclass(frozen=True)
class Effect:
    """A world in which the source b has some influence on a metric."""

    metric: str
    world: World

    @property
    def omega(self) -> float:
        """The true influence of b under the mute zero."""
        return true_values(self.world, self.metric, MUTE)["leave_one_out", SOURCE]


def _weak(slope: float) -> GaussianWorld:
    both: Polynomial = {(0,): 1.0, (1,): slope}
    return GaussianWorld("weak", "b tells little", both, both, (0.0, 0.0), ((1.0, 0.0), (0.0, 1.0)))


EFFECTS = (
    *(Effect("accuracy", switched("switch", [0.5, 0.5], 0.65, 0.65 + gain))
      for gain in (0.05, 0.1, 0.2)),
    *(Effect("mean_iou", switched("switch on maps", [0.6, 0.4], 0.65, 0.65 + gain, places=25,
                                  metrics=("mean_iou",)))
      for gain in (0.02, 0.04, 0.08)),
    *(Effect("rms", _weak(slope)) for slope in (0.05, 0.1, 0.2)),
)  # fmt: skip
"""Effects from small to large."""


def find_power(effect: Effect, layout: str, *, sets: int, draws: int = 1000) -> dict[str, Any]:
    """Simulate data sets and return the share of them in which the test finds the influence.

    `predicted` is what `influence.analysis.power` says of it, from the standard errors of the same
    sets.
    """
    metric = METRICS[effect.metric]
    simulation = Simulation(effect.world, (effect.metric,), MUTE, LAYOUTS[layout], setups="each")
    p_values, errors = [], []
    for simulated in simulation.run(sets, draws=draws):
        p_values.append(simulated.p_values(metric, MUTE, SOURCE))
        errors.append(simulated.standard_errors(metric, MUTE, SOURCE))
    share = float((np.concatenate(p_values) <= LEVEL).mean())
    error = float(np.sqrt(np.mean(np.square(errors))))
    return {
        "metric": effect.metric,
        "world": effect.world.name,
        "mute": MUTE,
        **layout_facts(layout),
        "omega": effect.omega,
        "sets": sets,
        "power": share,
        "omega_error": error,
        "predicted": predicted_power(effect.omega, error),
        "standard_error": share_error(share, sets),
    }


def predicted_power(omega: float, error: float) -> float:
    """Return the power at which `influence.analysis.power` calls an omega just detectable.

    Parameters
    ----------
    omega
        The true influence, above zero.
    error
        Its standard error.
    """

    def lacking(power: float) -> float:
        return float(detectable_omega(error, 2, alpha=LEVEL, power=power)) - omega

    least, most = LEVEL / 2 + 1e-9, 1 - 1e-9
    if lacking(least) > 0 or lacking(most) < 0:
        return least if lacking(least) > 0 else most
    return float(optimize.brentq(lacking, least, most))
