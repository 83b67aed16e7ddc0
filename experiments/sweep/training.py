"""Training of one network of the sweep, and the facts that measuring it needs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import torch

from experiments.sweep.study import Condition, Member, Sweep
from experiments.training.arrays import load_split
from experiments.training.fitting import fit
from experiments.training.joint import PredictedMaps
from experiments.training.network_training import NetworkTraining
from experiments.training.predictions import input_statistics, predict_split
from influence.runtime.files import replace_on_success
from models.jrn import JRN, jrn_loss

__all__ = ["gather_histories", "train_member", "write_statistics"]

HISTORY = ["network", "seed", "epoch", "train_loss", "held_out_loss"]


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
    path = sweep.weights_path(member)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        shutil.copyfile(sweep.folder(member) / "weights.safetensors", aside)
    return path


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
    path = sweep.reports / "training.csv"
    kept = pd.read_csv(path) if path.is_file() else pd.DataFrame(columns=HISTORY)
    frames = []
    for member in sweep.members():
        own = sweep.folder(member) / "history.csv"
        if own.is_file():
            found = pd.read_csv(own).assign(network=member.name, seed=member.seed)[HISTORY]
        else:
            found = kept[(kept["network"] == member.name) & (kept["seed"] == member.seed)]
        frames.append(found)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replace_on_success(path) as aside:
        table = pd.concat([frame for frame in frames if len(frame)], ignore_index=True)
        table.to_csv(aside, index=False, float_format="%.6g", lineterminator="\n")
    return path
