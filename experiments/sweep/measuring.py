"""Measuring the networks of the sweep from their trained weights."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import torch

from experiments.sweep.study import CONDITIONS, Condition, Member, Sweep
from experiments.training.evaluation_data import write_set
from experiments.training.export import joint_network
from experiments.training.inputs import input_scores
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.runtime.files import replace_on_success
from models.jrn import JRN

__all__ = ["load_member", "measure_member", "score_training_inputs", "test_file"]

MUTES = ("zero", "mean", "uniform", "shuffle", "noise")
"""The panel without `optimal`, whose constants would have to be learned for every network."""

TRAINED_ON = "NYU-Depth v2, 795 official training images at 160x120, {} predictions"


def test_file(sweep: Sweep) -> Path:
    """Write the evaluation file, if it is not there: one for all networks."""
    path = sweep.work / "test.h5"
    if not path.is_file():
        write_set(sweep.inputs("cross-fitted"), "test", path)
    return path


def score_training_inputs(sweep: Sweep) -> Path:
    """Write how good the training inputs of both conditions are; compare ``inputs.csv``."""
    frames = []
    for condition in CONDITIONS:
        path = sweep.work / condition / "train.h5"
        if not path.is_file():
            write_set(sweep.inputs(condition), "train", path)
        frames.append(input_scores(path).assign(network=f"{condition} input"))
    path = sweep.reports / "training_inputs.csv"
    with replace_on_success(path) as aside:
        pd.concat(frames).to_csv(aside, index=False, lineterminator="\n", float_format="%.8g")
    return path


def load_member(sweep: Sweep, member: Member, classes: tuple[str, ...]) -> JointNetwork:
    """Read a network from its trained weights."""
    torch.manual_seed(member.seed)
    config = sweep.config(member, classes=len(classes))
    network = joint_network(
        JRN(config),
        _statistics(sweep, member.condition),
        classes,
        seed=member.seed,
        trained_on=TRAINED_ON.format(member.condition),
        notes=f"{config} {sweep.settings.recipe}",
    )
    return load_checkpoint(sweep.weights_path(member), network)


def measure_member(sweep: Sweep, member: Member, anew: bool = False) -> Path:
    """Measure one network; do nothing if that was done, unless `anew`."""
    folder = sweep.run_folder(member)
    if anew or not (folder / "run.json").is_file():
        path = test_file(sweep)
        classes = EvaluationFile(path).targets["semantic"].classes
        run = measure(
            load_member(sweep, member, classes),
            path,
            levels="depth=2,4",
            mutes=MUTES,
            interactions=True,
        )
        folder.parent.mkdir(parents=True, exist_ok=True)
        run.write(folder)
        print(f"measured {member.place}", flush=True)
    return folder


def _statistics(
    sweep: Sweep, condition: Condition
) -> dict[str, tuple[tuple[float, ...], tuple[float, ...]]]:
    path = sweep.statistics_path(condition)
    if not path.is_file():
        raise InfluenceError(
            f"expected the statistics of the training inputs at {path}. "
            "Run `python -m experiments.sweep train`"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: (tuple(mean), tuple(std)) for name, (mean, std) in content.items()}
