"""From trained weights to the files that are published: checkpoints, weights, histories."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from experiments.training.arrays import load_split
from experiments.training.fitting import publish_weights
from experiments.training.joint import joint_folder, load_joint
from experiments.training.report_tables import gather_histories
from experiments.training.single_task import (
    Moments,
    input_statistics,
    parts_of,
    single_task_folder,
    weights_path,
)
from experiments.training.study import TASKS, Study
from influence.network.checkpoints import export_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output

__all__ = ["checkpoint_path", "export_histories", "export_joint", "export_weights", "joint_network"]


def checkpoint_path(study: Study, variant: str) -> Path:
    """Return the published checkpoint of one variant."""
    return study.results / "checkpoints" / f"jrn-{variant}.pt2"


def export_joint(study: Study, variant: str) -> Path:
    """Write a joint network as a checkpoint that needs none of this code."""
    classes = load_split(study, "train").classes
    module = load_joint(study, variant, classes=len(classes))
    network = joint_network(
        module,
        input_statistics(study),
        classes,
        name=f"jrn-{variant}",
        seed=study.seed,
        trained_on=study.trained_on,
        notes=f"{module.config} {study.joint}",
    )
    size, k = (study.height, study.width), len(classes)
    depth, semantic = torch.full((2, 1, *size), 2.0), torch.full((2, k, *size), 1 / k)
    path = checkpoint_path(study, variant)
    export_checkpoint(network, path, {"depth": depth, "semantic": semantic})
    return path


def joint_network(
    module: nn.Module,
    statistics: Mapping[str, Moments],
    classes: tuple[str, ...],
    **facts: Any,
) -> JointNetwork:
    """Wrap a joint refinement network; `statistics` as `input_statistics` returns them."""
    (mean, std), shape = statistics["depth"], (len(classes), None, None)
    depth = Modality("depth", "depth", (1, None, None), unit="m", mean=mean, std=std)
    mean, std = statistics["semantic"]
    semantic = Modality("semantic", "probabilities", shape, mean=mean, std=std)
    outputs = (Output("depth", "depth"), Output("semantic", "probabilities", classes))
    return JointNetwork(module, (depth, semantic), outputs, **facts)


def export_weights(study: Study, task: str) -> Path:
    """Publish the float16 weights of the network that was trained on all training images."""
    path = study.results / "weights" / f"{task}.safetensors"
    return publish_weights(weights_path(study, task), path)


def export_histories(study: Study) -> Path:
    """Gather the losses of every training run in one table.

    Networks that were not trained in this work folder keep the rows that they have in the table.
    """
    runs = [single_task_folder(study, task, part) for task in TASKS for part in parts_of(study)]
    named = [({"network": run.name}, run) for run in runs]
    joint = [
        ({"network": f"jrn-{variant}"}, joint_folder(study, variant)) for variant in study.variants
    ]
    return gather_histories(study.reports / "training.csv", [*named, *joint])
