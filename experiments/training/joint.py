"""Training of the joint refinement networks on the predictions of the single-task networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import Dataset

from experiments.datasets.sample import CLASSES
from experiments.training.arrays import SplitArrays, load_split
from experiments.training.fitting import Draw, fit, load_weights
from experiments.training.network_training import Batch, NetworkTraining
from experiments.training.recipe import Recipe
from experiments.training.single_task import Predictions, predict_split
from experiments.training.study import Study
from influence.errors import InfluenceError, unknown
from models.jrn import JRN, VARIANTS, jrn_loss

__all__ = ["PredictedMaps", "joint_folder", "load_joint", "train_joint"]


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
