"""Training of one network of the sweep, and publishing of its weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch

from experiments.sweep.study import Condition, Member, Sweep
from experiments.training import histories
from experiments.training.arrays import load_split
from experiments.training.fitting import fit
from experiments.training.joint import PredictedMaps
from experiments.training.network_training import NetworkTraining
from experiments.training.predictions import input_statistics, predict_split
from influence.files import replace_on_success
from models.jrn import JRN, jrn_loss

__all__ = ["gather_histories", "publish_statistics", "train_member"]


def train_member(sweep: Sweep, member: Member) -> Path:
    """Train a network, or go on, or do nothing if it is there; publish its weights."""
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
    path = sweep.weights_path(member)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        shutil.copyfile(sweep.folder(member) / "weights.safetensors", aside)
    return path


def publish_statistics(sweep: Sweep, condition: Condition) -> Path:
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
    return histories.gather_histories(sweep.reports / "training.csv", runs)
