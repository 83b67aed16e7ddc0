"""Artefacts: does the distance of a muted input from the data rank mutes as their damage does?"""

from __future__ import annotations

import numpy as np
import pandas as pd

from experiments.ground_truth.fusion import MEETING, Scene, train
from experiments.ground_truth.judgement import PANEL
from experiments.ground_truth.world import ANSWER
from influence.measurement.pipeline import measure

__all__ = ["DROPOUTS", "LADDER", "SCENES", "SEEDS", "damage_of"]

SCENES = {"centred": Scene("centred", 0.0), "off centre": Scene("off centre", 6.0)}
"""Data whose mean is zero, and data from which zeros are six deviations away."""

DROPOUTS = {"without dropout": 0.0, "with dropout": 0.25}

SEEDS = (0, 1, 2)
"""Of trainings and data."""

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
    return pd.DataFrame(
        {
            "data": scene,
            "training": training,
            "seed": seed,
            "source": found["source"],
            "mute": found["mute"],
            "step": found["mute"].map({"mean": 0} | ladder),
            "full": found["full"],
            "omega": found["omega"],
            "omega_low": found["omega_low"],
            "omega_high": found["omega_high"],
            "taken": least - found["full"],
            "damage": found["muted"] - least,
            "place": found["place"],
            "distance": found["distance"].astype(float),
            "outside": found["outside"].astype(float),
            "threshold": found["threshold"].astype(float),
        }
    )
