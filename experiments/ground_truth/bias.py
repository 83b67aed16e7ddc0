"""Bias: what `influence.measure` finds on average, beside the truth."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from experiments.ground_truth.game import true_values
from experiments.ground_truth.world import ANSWER, World
from influence.measurement.pipeline import measure

__all__ = ["MUTES", "find_bias"]

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
        draws=2,  # intervals are the business of `experiments.ground_truth.coverage`
        batch_size=samples,
        seed=number,
        device="cpu",
    )
    return run.interactions
