"""Artefacts: does the distance of a muted input from the data rank mutes as their damage does?

The networks are small ones of two sources, trained with and without modality dropout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.ground_truth.judgement import PANEL
from experiments.ground_truth.world import ANSWER
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output

__all__ = ["DROPOUTS", "LADDER", "MEETING", "SCENES", "SEEDS", "Scene", "damage_of", "train"]

Array = NDArray[np.float64]

HIDDEN, CHANNELS, ANSWERS = 6, 8, 3
SEES = {"x": range(0, 4), "y": range(2, 6)}
"""The hidden variables that each source shows; two of them both show."""

MEETING = "joined"
"""The module in which the sources meet."""

BLUR, NOISE = 0.5, 0.3
"""Standard deviations of what the sources add to the hidden variables, and the truth to its own."""


@dataclass(frozen=True)
class Scene:
    """Hidden normal variables, two sources that show some of them, and a truth, all linear.

    Parameters
    ----------
    name
        Of the data.
    centre
        Mean of every channel, in its deviations. At 0 zeros are the mean; at 6 they are far off.
    seed
        Of the mixing weights.
    """

    name: str
    centre: float
    seed: int = 0

    def weights(self) -> tuple[dict[str, Array], Array]:
        """Return what mixes the hidden variables into each source, and into the truth."""
        stream = np.random.default_rng(self.seed)
        mixes = {}
        for source, seen in SEES.items():
            mix = np.zeros((HIDDEN, CHANNELS))
            mix[list(seen)] = stream.standard_normal((len(seen), CHANNELS))
            scale = np.sqrt(np.square(mix).sum(0) + BLUR**2)
            mixes[source] = np.vstack([mix, BLUR * np.eye(CHANNELS)]) / scale
        return mixes, stream.standard_normal((HIDDEN, ANSWERS)) / np.sqrt(HIDDEN)

    def draw(self, samples: int, stream: np.random.Generator) -> tuple[dict[str, Tensor], Tensor]:
        """Draw sources (samples, channels) of unit variance, and the truth (samples, answers)."""
        mixes, answer = self.weights()
        hidden = stream.standard_normal((samples, HIDDEN))
        inputs = {}
        for source, mix in mixes.items():
            shown = np.hstack([hidden, stream.standard_normal((samples, CHANNELS))]) @ mix
            inputs[source] = torch.from_numpy(shown + self.centre).float()
        truth = hidden @ answer + NOISE * stream.standard_normal((samples, ANSWERS))
        return inputs, torch.from_numpy(truth).float()

    def least_error(self, shown: tuple[str, ...]) -> float:
        """Return the least mean squared error that any network reaches from some of the sources.

        Everything is jointly normal, so that it is the mean conditional variance of the truth.
        """
        mixes, answer = self.weights()
        mix = np.hstack([mixes[s][:HIDDEN] for s in shown])  # (hidden, channels of all)
        own = np.hstack([np.square(mixes[s][HIDDEN:]).sum(0) for s in shown])
        explained = mix @ np.linalg.solve(mix.T @ mix + np.diag(own), mix.T)
        left = answer.T @ (np.eye(HIDDEN) - explained) @ answer
        return float(np.trace(left) / ANSWERS + NOISE**2)


class Fusion(nn.Module):
    """Two encoders, joined by concatenation, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.x, self.y = (_layers(CHANNELS, 32, 16) for _ in range(2))
        self.joined = nn.Identity()  # a name for where the sources meet
        self.head = _layers(32, 32, ANSWERS)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the answers, (samples, answers)."""
        joined = self.joined(torch.cat([self.x(x).relu(), self.y(y).relu()], dim=1))
        return torch.as_tensor(self.head(joined))


def _layers(*widths: int) -> nn.Sequential:
    first, second, last = widths
    return nn.Sequential(nn.Linear(first, second), nn.ReLU(), nn.Linear(second, last))


def train(scene: Scene, *, dropout: float, steps: int = 2000, seed: int = 0) -> JointNetwork:
    """Train the network on fresh samples in every step.

    Parameters
    ----------
    scene
        Where samples come from.
    dropout
        How often each source is replaced by zeros, never both: what "missing" then looks like.
    steps, seed
        Of the training.
    """
    stream = np.random.default_rng([seed, 1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module = Fusion()
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        inputs, truth = scene.draw(256, stream)
        coin = torch.from_numpy(stream.random((256, 1)))
        x = torch.where(coin < dropout, 0.0, inputs["x"])
        y = torch.where(coin > 1 - dropout, 0.0, inputs["y"])
        optimizer.zero_grad()
        nn.functional.mse_loss(module(x, y), truth).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    mean, std = (scene.centre,) * CHANNELS, (1.0,) * CHANNELS
    return JointNetwork(
        module,
        [
            Modality(source, "vector", mean=mean, std=std, missing="zero" if dropout else "")
            for source in SEES
        ],
        [Output(ANSWER, "vector")],
        name=f"{scene.name}, {'dropout' if dropout else 'no dropout'}",
        seed=seed,
    )


SCENES = {"centred": Scene("centred", 0.0), "off centre": Scene("off centre", 6.0)}
"""Data whose mean is zero, and data from which zeros are six deviations away."""

DROPOUTS = {"without dropout": 0.0, "with dropout": 0.25}

SEEDS = (0, 1, 2)
"""Of trainings and data."""

COLUMNS = (
    "data", "training", "seed", "source", "mute", "step", "full", "omega", "omega_low",
    "omega_high", "taken", "damage", "place", "distance", "outside", "threshold",
)  # fmt: skip

DISTANCE = ["mute", "source", "place", "distance", "outside", "threshold"]
LADDER = (1, 2, 4, 8)
"""Constants so many deviations above the mean of every channel."""


def damage_of(scene: str, training: str, *, samples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """Train a network, measure every mute, and return one row a source and mute.

    `taken` is what taking a source away truly costs: the mean squared error of the best network
    without it, in closed form, less that of this one with it. What omega has above it is the
    `damage` that the mute does: this network is worse off than one that never had the source.
    """
    about = SCENES[scene]
    network = train(about, dropout=DROPOUTS[training], seed=seed)
    inputs, truth = about.draw(samples, np.random.default_rng([seed, 2]))
    ladder = {f"constant:{about.centre + step:g}": step for step in LADDER}
    run = measure(
        network, [(inputs, {ANSWER: truth})], metrics={ANSWER: ["mse"]},
        mutes=[*PANEL, *ladder], batch_size=samples, seed=seed, device="cpu",
        meeting=MEETING,
    )  # fmt: skip
    found = run.influence.merge(run.distance[DISTANCE], on=["mute", "source"], how="left")
    others = {"x": ("y",), "y": ("x",)}
    least = found["source"].map({source: about.least_error(own) for source, own in others.items()})
    found = found.astype(dict.fromkeys(("distance", "outside", "threshold"), float)).assign(
        data=scene, training=training, seed=seed, step=found["mute"].map({"mean": 0} | ladder),
        taken=least - found["full"], damage=found["muted"] - least,
    )  # fmt: skip
    return found[list(COLUMNS)]
