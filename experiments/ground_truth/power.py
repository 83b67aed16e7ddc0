"""Power: how often a test finds an influence of a known size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import optimize

from experiments.ground_truth.false_alarms import LEVEL
from experiments.ground_truth.game import true_values
from experiments.ground_truth.gaussian import GaussianWorld
from experiments.ground_truth.layouts import LAYOUTS
from experiments.ground_truth.polynomial import Polynomial
from experiments.ground_truth.simulation import Simulation
from experiments.ground_truth.switches import switched
from experiments.ground_truth.world import World
from influence.analysis.power import detectable_omega
from influence.metrics.registry import METRICS

__all__ = ["EFFECTS", "Effect", "find_power", "predicted_power"]

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
    groups, metric = LAYOUTS[layout], METRICS[effect.metric]
    simulation = Simulation(effect.world, (effect.metric,), MUTE, groups, setups="each")
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
        "data": layout,
        "n": len(groups),
        "groups": int(groups.max()) + 1,
        "omega": effect.omega,
        "sets": sets,
        "power": share,
        "omega_error": error,
        "predicted": predicted_power(effect.omega, error),
        "standard_error": float(np.sqrt(share * (1 - share) / sets)),
    }


def predicted_power(omega: float, error: float) -> float:
    """Return the power at which `influence.analysis.power` calls an omega just detectable.

    Parameters
    ----------
    omega
        The true influence, above zero.
    error
        Its standard error.

    Examples
    --------
    >>> round(predicted_power(2.8, 1.0), 3)
    0.8
    """

    def lacking(power: float) -> float:
        return float(detectable_omega(error, 2, alpha=LEVEL, power=power)) - omega

    least, most = LEVEL / 2 + 1e-9, 1 - 1e-9
    if lacking(least) > 0 or lacking(most) < 0:
        return least if lacking(least) > 0 else most
    return float(optimize.brentq(lacking, least, most))
