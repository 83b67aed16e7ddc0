"""A study of a few tiny rooms, trained once for all tests of this folder."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.rooms.render import RoomsFolder
from experiments.training.joint import train_joint
from experiments.training.recipe import Recipe
from experiments.training.single_task import parts_of, train_single_task
from experiments.training.study import TASKS, Study

HEIGHT, WIDTH = 24, 32


def write_rooms(root: Path, split: str, count: int) -> None:
    random = np.random.default_rng(count)
    for name in ("rgb", "depth", "labels"):
        (root / split / name).mkdir(parents=True)
    for number in range(count):
        floor = int(random.integers(8, 16))
        labels = np.ones((HEIGHT, WIDTH), dtype=np.uint8)
        labels[floor:] = 0
        labels[:2] = 255
        rgb = random.integers(0, 80, (HEIGHT, WIDTH, 3), dtype=np.uint8)
        rgb[floor:] += 120
        depth = np.full((HEIGHT, WIDTH), 1500 + 100 * floor, dtype=np.uint16)
        for part, picture in (("rgb", rgb), ("depth", depth), ("labels", labels)):
            Image.fromarray(picture).save(root / split / part / f"{number:04d}.png")


def tiny_study(root: Path) -> Study:
    return Study(
        name="tiny",
        open_split=partial(RoomsFolder, root / "data"),
        work=root / "work",
        results=root / "results",
        measured=root / "measured",
        reports=root / "reports",
        height=HEIGHT,
        width=WIDTH,
        folds=2,
        single_task=Recipe(epochs=1, batch_size=2, slow_parts=("pyramid.trunk",)),
        joint=Recipe(
            epochs=2,
            batch_size=1,
            optimiser="sgd",
            schedule="cosine",
            weight_decay=0.0,
            held_out=0.25,
            colour=0.0,
            zoom=1.0,
        ),
    )


@pytest.fixture(scope="package")
def study(tmp_path_factory: pytest.TempPathFactory) -> Study:
    root = tmp_path_factory.mktemp("study")
    write_rooms(root / "data", "train", 8)
    write_rooms(root / "data", "test", 3)
    study = tiny_study(root)
    for task in TASKS:
        for part in parts_of(study):
            train_single_task(study, task, part)
    train_joint(study, "cat1")
    return study
