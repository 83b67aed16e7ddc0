"""Detection: how often a test finds an influence where there is none, and one of a known size.

The sources of the worlds without influence are used by the networks: muting them changes answers,
but no expectation. A planted network has a source that helps, one that does not, and one that
zeros trip up; its verdicts are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn

from experiments.ground_truth.gaussian import GaussianWorld, Polynomial
from experiments.ground_truth.simulation import Simulation, share_error
from experiments.ground_truth.world import ANSWER, LAYOUTS, World, layout_facts, true_values
from experiments.ground_truth.worlds import switched
from influence.analysis.power import detectable_omega
from influence.measurement.pipeline import measure
from influence.metrics.registry import METRICS, find_metrics
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.verdict import INDISTINGUISHABLE, STABLE, UNSTABLE, verdicts
from influence.statistics.bootstrap import holm

__all__ = [
    "EFFECTS",
    "EXPECTED",
    "FAMILIES",
    "Effect",
    "Family",
    "count_alarms",
    "find_power",
    "judge_planted",
    "planted_network",
    "planted_set",
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


MEAN, DEVIATION = 3.0, 0.5
"""Of the sources that do not help."""

TRIP = 1.5
"""Three deviations below the mean: what is less trips the network."""

EXPECTED = {"views": STABLE, "switch": INDISTINGUISHABLE, "tripped": UNSTABLE}
"""The verdict on each source that its making asks for."""


class Planted(nn.Module):
    """Believes one of two equally good views; which one, two sources decide that tell nothing.

    `tripped` also breaks the answer where it is far below anything in the data. So muting it by
    zeros does harm, although it helps nobody; every other mute makes no difference on average.
    """

    def forward(self, views: Tensor, switch: Tensor, tripped: Tensor) -> Tensor:
        """Return one value a sample; `views` is (samples, 4), the others (samples, 1)."""
        rows = (switch[:, 0] > MEAN).long() + 2 * (tripped[:, 0] > MEAN).long()
        believed = views.gather(1, rows[:, None])[:, 0]
        return believed + (TRIP - tripped[:, 0]).relu()


def planted_network() -> JointNetwork:
    """Return the network."""
    return JointNetwork(
        Planted(),
        [
            Modality("views", mean=(0.0,) * 4, std=(1.0,) * 4),
            Modality("switch", mean=(MEAN,), std=(DEVIATION,)),
            Modality("tripped", mean=(MEAN,), std=(DEVIATION,)),
        ],
        [Output(ANSWER)],
        name="planted",
    )


def planted_set(samples: int, stream: np.random.Generator) -> tuple[dict[str, Tensor], Tensor]:
    """Draw inputs and the truth: each view is the truth and noise of its own."""
    truth = stream.standard_normal(samples)
    inputs = {"views": 0.8 * truth[:, None] + 0.6 * stream.standard_normal((samples, 4))}
    for name in ("switch", "tripped"):
        inputs[name] = MEAN + DEVIATION * stream.standard_normal((samples, 1))
    tensors = {name: torch.from_numpy(x.astype(np.float32)) for name, x in inputs.items()}
    return tensors, torch.from_numpy(truth.astype(np.float32))


def judge_planted(*, sets: int, samples: int = 654) -> Iterator[dict[str, Any]]:
    """Measure the panel on many data sets; yield what share of the verdicts on a source is what."""
    found: Counter[tuple[str, str]] = Counter()
    for number in range(sets):
        inputs, truth = planted_set(samples, np.random.default_rng([samples, number]))
        run = measure(
            planted_network(), [(inputs, {ANSWER: truth})], metrics={ANSWER: ["mse"]},
            mutes=["panel"], draws=1000, batch_size=samples, seed=number, device="cpu",
            meeting="off",
        )  # fmt: skip
        judged = verdicts(run.influence)
        found.update(zip(judged["source"], judged["verdict"], strict=True))
    for source, expected in EXPECTED.items():
        for verdict in (STABLE, UNSTABLE, INDISTINGUISHABLE):
            yield {
                "source": source,
                "verdict": verdict,
                "expected": verdict == expected,
                "n": samples,
                "sets": sets,
                "share": found[source, verdict] / sets,
            }
