"""Studies: what is simulated, part by part, and the table that each study fills."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import pandas as pd
import torch

from experiments.ground_truth.artefacts import DROPOUTS, SCENES, SEEDS, damage_of
from experiments.ground_truth.detection import (
    EFFECTS,
    FAMILIES,
    count_alarms,
    find_power,
    judge_planted,
)
from experiments.ground_truth.simulation import CASES, cover, find_bias
from experiments.ground_truth.world import LAYOUTS
from experiments.ground_truth.worlds import WORLDS

__all__ = ["STUDIES", "Study", "run_study"]

Part = Callable[[], Any]


@dataclass(frozen=True)
class Study:
    """A table, the parts that fill it one after the other, and on how many simulated sets.

    Parameters
    ----------
    sets
        How many data sets a part simulates.
    parts
        That number -> the parts, each of which returns records or a frame.
    """

    sets: int
    parts: Callable[[int], Sequence[Part]]


STUDIES: Mapping[str, Study] = {
    "bias": Study(
        200, lambda sets: [partial(find_bias, world, sets=sets) for world in WORLDS.values()]
    ),
    "coverage": Study(
        2000,
        lambda sets: [partial(cover, case, name, sets=sets) for case in CASES for name in LAYOUTS],
    ),
    "false_alarms": Study(
        2000,
        lambda sets: [
            partial(count_alarms, family, mute, name, sets=sets)
            for family in FAMILIES
            for mute in family.mutes
            for name in LAYOUTS
        ],
    ),
    "power": Study(
        1000,
        lambda sets: [
            partial(find_power, effect, name, sets=sets) for effect in EFFECTS for name in LAYOUTS
        ],
    ),
    "verdicts": Study(100, lambda sets: [partial(judge_planted, sets=sets)]),
    "artefacts": Study(
        len(SEEDS),
        lambda sets: [
            partial(damage_of, data, how, seed=seed)
            for data in SCENES
            for how in DROPOUTS
            for seed in SEEDS[:sets]
        ],
    ),
}
"""The studies by the name of their table."""


def run_study(name: str, *, sets: int | None = None, processes: int = 2) -> pd.DataFrame:
    """Run all parts of a study, some at a time; the table does not depend on how many.

    Parameters
    ----------
    name
        One of `STUDIES`.
    sets
        Another number of simulated sets than the study's.
    processes
        How many parts are run at a time.
    """
    study = STUDIES[name]
    parts = study.parts(sets or study.sets)
    if processes == 1:
        found = list(map(_run, parts))
    else:
        with ProcessPoolExecutor(processes, get_context("spawn"), _be_modest) as pool:
            found = list(pool.map(_run, parts))
    return pd.concat(found, ignore_index=True)


def _be_modest() -> None:
    torch.set_num_threads(1)


def _run(part: Part) -> pd.DataFrame:
    """Run one part, in whichever process."""
    result = part()
    if isinstance(result, pd.DataFrame):
        return result
    return pd.DataFrame(result if isinstance(result, Iterator) else [result])
