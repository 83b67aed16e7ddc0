"""The joint refinement networks: trained on predictions, and published with what they need.

They learn from the predictions of the single-task networks, and become checkpoints, beside weights
and the histories of the losses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import Dataset

from experiments.datasets.sample import CLASSES
from experiments.training.fitting import Draw, fit, load_weights, publish_weights
from experiments.training.network_training import Batch, NetworkTraining
from experiments.training.recipe import Recipe
from experiments.training.report_tables import gather_losses
from experiments.training.single_task import (
    Moments,
    Predictions,
    input_statistics,
    parts_of,
    predict_split,
    single_task_folder,
    weights_path,
)
from experiments.training.study import TASKS, SplitArrays, Study, load_split
from influence.errors import InfluenceError, unknown
from influence.network.checkpoints import export_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from models.jrn import JRN, VARIANTS, jrn_loss

__all__ = [
    "PredictedMaps",
    "checkpoint_path",
    "export_histories",
    "export_joint",
    "export_weights",
    "joint_folder",
    "joint_network",
    "load_joint",
    "train_joint",
]


def joint_folder(study: Study, variant: str) -> Path:
    """Return the folder of one training run."""
    return study.work / "joint" / variant


def train_joint(study: Study, variant: str) -> None:
    """Train one network of the study's variants."""
    recipe = study.joint
    if recipe.colour or recipe.zoom != 1:
        raise InfluenceError(
            f"the joint networks of the study {study.name} see predicted maps, which can be "
            "mirrored and nothing else: set colour = 0.0 and zoom = 1.0 in [joint]"
        )
    arrays = load_split(study, "train")
    maps = predict_split(study, "train")
    torch.manual_seed(study.seed)
    fit(
        NetworkTraining(
            _network(study, variant, len(arrays.classes)),
            jrn_loss,
            recipe,
            inputs=["depth", "semantic"],
            seed=study.seed,
        ),
        PredictedMaps(arrays, maps, recipe),
        joint_folder(study, variant),
        facts={"variant": variant, "data": arrays.digest, "inputs": list(maps.networks)},
    )


def load_joint(study: Study, variant: str, *, classes: int = len(CLASSES)) -> JRN:
    """Read a trained network, in eval mode."""
    network = _network(study, variant, classes)
    load_weights(network, joint_folder(study, variant) / "weights.safetensors")
    return network


def _network(study: Study, variant: str, classes: int) -> JRN:
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    return JRN(replace(VARIANTS[variant], classes=classes, max_depth=study.max_depth))


class PredictedMaps(Dataset[Batch]):
    """Predicted maps with their ground truth, half of them mirrored by a draw with a seed."""

    def __init__(self, arrays: SplitArrays, maps: Predictions, recipe: Recipe) -> None:
        self._arrays = arrays
        self._maps = maps
        self._mirror = recipe.mirror

    def __len__(self) -> int:
        return len(self._arrays.ids)

    def __getitem__(self, draw: Draw) -> Batch:
        index, seed = draw
        sample = {
            "depth": torch.from_numpy(self._maps.depth[index][None]),  # (1, H, W)
            "semantic": torch.from_numpy(self._maps.semantic[index]).float(),  # (5, H, W)
            "true_depth": torch.from_numpy(self._arrays.depth[index]),  # (H, W)
            "labels": torch.from_numpy(self._arrays.labels[index]),  # (H, W)
        }
        if seed is not None and self._mirror and np.random.default_rng(seed).random() < 0.5:
            sample = {name: x.flip(-1) for name, x in sample.items()}
        return sample


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
    module: nn.Module, statistics: Mapping[str, Moments], classes: tuple[str, ...], **facts: Any
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
    return gather_losses(study.reports / "training.csv", [*named, *joint])
