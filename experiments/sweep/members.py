"""Members: each network of the sweep is trained, its weights are kept, and it is measured."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import torch

from experiments.publishing.files import write_csv
from experiments.sweep.study import CONDITIONS, Condition, Member, Sweep
from experiments.training import report_tables
from experiments.training.arrays import load_split
from experiments.training.evaluation_data import input_scores, write_set
from experiments.training.export import joint_network
from experiments.training.fitting import fit, publish_weights
from experiments.training.joint import PredictedMaps
from experiments.training.network_training import NetworkTraining
from experiments.training.single_task import Moments, input_statistics, predict_split
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError
from influence.measurement.pipeline import measure
from influence.network.checkpoints import load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.runtime.files import replace_on_success
from models.jrn import JRN, jrn_loss

__all__ = [
    "gather_histories",
    "load_member",
    "measure_member",
    "score_training_inputs",
    "test_file",
    "train_member",
    "write_statistics",
]


def train_member(sweep: Sweep, member: Member) -> Path:
    """Train a network, or go on, or do nothing if it is there; keep its weights."""
    study = sweep.inputs(member.condition)
    arrays = load_split(study, "train")
    maps = predict_split(study, "train")
    torch.manual_seed(member.seed)
    config = sweep.config(member, classes=len(arrays.classes))
    recipe = sweep.settings.recipe
    fit(
        NetworkTraining(
            JRN(config), jrn_loss, recipe, inputs=["depth", "semantic"], seed=member.seed
        ),
        PredictedMaps(arrays, maps, recipe),
        sweep.folder(member),
        facts={"config": str(config), "data": arrays.digest, "inputs": list(maps.networks)},
    )
    return publish_weights(sweep.folder(member) / "weights.safetensors", sweep.weights_path(member))


def write_statistics(sweep: Sweep, condition: Condition) -> Path:
    """Write mean and deviation of the training inputs, for the mutes, beside the weights."""
    path = sweep.statistics_path(condition)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        text = json.dumps(input_statistics(sweep.inputs(condition)), indent=1)
        aside.write_text(text + "\n", encoding="utf-8")
    return path


def gather_histories(sweep: Sweep) -> Path:
    """Put the losses of all epochs together; networks that were not trained here keep theirs."""
    runs = [
        ({"network": member.name, "seed": member.seed}, sweep.folder(member))
        for member in sweep.members()
    ]
    return report_tables.gather_histories(sweep.reports / "training.csv", runs)


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
    return write_csv(pd.concat(frames), sweep.reports / "training_inputs.csv", digits=8)


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


def _statistics(sweep: Sweep, condition: Condition) -> dict[str, Moments]:
    path = sweep.statistics_path(condition)
    if not path.is_file():
        raise InfluenceError(
            f"expected the statistics of the training inputs at {path}. "
            "Run `python -m experiments.sweep train`"
        )
    content = json.loads(path.read_text(encoding="utf-8"))
    return {name: (tuple(mean), tuple(std)) for name, (mean, std) in content.items()}
