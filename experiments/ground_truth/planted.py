"""Planted: a network with a source that helps, one that does not, and one that zeros trip up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.verdict import INDISTINGUISHABLE, STABLE, UNSTABLE, verdicts
from torch import Tensor, nn

from experiments.ground_truth.world import ANSWER

__all__ = ["EXPECTED", "judge_planted", "planted_network", "planted_set"]

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
