"""A sweep of three tiny networks on a few tiny rooms, trained and measured once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.sweep import study as sweep_study
from experiments.sweep.measuring import measure_member
from experiments.sweep.study import CONDITIONS, Sweep
from experiments.sweep.training import train_member, write_statistics
from experiments.training.single_task import FULL, train_single_task
from experiments.training.study import TASKS, Study
from tests.experiments.training.conftest import tiny_study, write_rooms

SETTINGS = """
folds = 4

[recipe]
epochs = 1
batch_size = 1
optimiser = "sgd"
schedule = "cosine"
weight_decay = 0.0
held_out = 0.25
colour = 0.0
zoom = 1.0

[designs.cat2]
fusion = "cat"
channels = 2

[designs.sum1]
fusion = "sum"
channels = 1
features = 4
seeds = [0, 1]
"""


@pytest.fixture(scope="package")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sweep]:
    root = tmp_path_factory.mktemp("sweep")
    write_rooms(root / "data", "train", 8)
    write_rooms(root / "data", "test", 4)
    tiny = tiny_study(root)
    for task in TASKS:
        train_single_task(tiny, task, FULL)
    weights = root / "results" / "weights"
    weights.mkdir(parents=True)
    for task in TASKS:  # as published: the predictors of the condition in-sample
        folder = root / "work" / "single_task" / f"{task}-full"
        (weights / f"{task}.safetensors").write_bytes((folder / "weights.safetensors").read_bytes())
    (root / "results" / "sweep.toml").write_text(SETTINGS)

    def open_study(**_: Any) -> Study:
        return replace(tiny, work=Path(_["work"]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sweep_study, "open_study", open_study)
        sweep = Sweep(
            work=root / "sweep",
            results=root / "results",
            reports=root / "reports",
        )
        for network in sweep.single_task_networks():
            train_single_task(*network)
        for condition in CONDITIONS:
            write_statistics(sweep, condition)
        for member in sweep.members():
            train_member(sweep, member)
            measure_member(sweep, member)
        yield sweep
