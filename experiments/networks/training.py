"""Training of the networks of this study, joint ones and single-task twins alike."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from experiments.datasets.sample import IGNORE
from experiments.networks.study import NetworkStudy
from experiments.training.arrays import SplitArrays
from experiments.training.augmentation import augment
from experiments.training.configuration import Plan, find_object, make_network
from experiments.training.fitting import Draw, fit, load_weights
from experiments.training.network_training import NetworkTraining
from experiments.training.recipe import Recipe

__all__ = ["load_network", "train_network"]


def train_network(study: NetworkStudy, name: str) -> None:
    """Train one network of the study; do nothing if it is trained."""
    plan = study.plan(name)
    arrays = study.load_split("train", plan.labels)
    arrays = replace(arrays, labels=_labels(study, plan, arrays))
    network = make_network(plan)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    recipe = plan.recipe
    fit(
        NetworkTraining(
            network,
            partial(find_object(plan.loss), **plan.loss_options),
            recipe,
            inputs=network.config.inputs,  # type: ignore[arg-type, union-attr]
            steps=recipe.epochs * -(-len(arrays.ids) // recipe.batch_size),
            changes={change: find_object(change) for change in plan.changes},
            seed=plan.seed,
        ),
        network,
        LabelledPictures(arrays, recipe),
        study.folder(name),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=plan.seed,
    )


def load_network(study: NetworkStudy, name: str) -> nn.Module:
    """Make a network of the study with its trained weights, in eval mode."""
    plan = study.plan(name)
    network = make_network(replace(plan, options=plan.options | {"pretrained": False}))
    load_weights(network, study.weights_path(name))
    return network


class LabelledPictures(Dataset[dict[str, Tensor]]):
    """Training pictures with their random changes; the true depth is an input, too."""

    def __init__(self, arrays: SplitArrays, recipe: Recipe) -> None:
        self._arrays = arrays
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._arrays.ids)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        index, seed = draw
        rgb, depth, labels = augment(
            torch.from_numpy(self._arrays.rgb[index]).permute(2, 0, 1).float(),
            torch.from_numpy(self._arrays.depth[index]),
            torch.from_numpy(self._arrays.labels[index]),
            recipe=self._recipe,
            random=np.random.default_rng(seed),
        )
        return {"rgb": rgb, "depth": depth[None], "true_depth": depth, "labels": labels}


def _labels(study: NetworkStudy, plan: Plan, arrays: SplitArrays) -> NDArray[np.uint8]:
    """Take most labels away, if the plan says so, and put a teacher's in their place."""
    if not plan.labelled:
        return arrays.labels
    order = np.random.default_rng((plan.seed, 2)).permutation(len(arrays.ids))
    missing = order[plan.labelled :]
    labels = arrays.labels.copy()
    labels[missing] = IGNORE
    if plan.teacher:
        labels[missing] = pseudo_labels(
            load_network(study, plan.teacher), arrays.rgb[missing], confidence=plan.confidence
        )
    return labels


@torch.inference_mode()
def pseudo_labels(
    network: nn.Module, rgb: NDArray[np.uint8], *, confidence: float
) -> NDArray[np.uint8]:
    """Predict labels (N, H, W) of pictures (N, H, W, 3); `IGNORE` below the confidence."""
    found = []
    for start in range(0, len(rgb), 8):
        pictures = torch.from_numpy(rgb[start : start + 8]).permute(0, 3, 1, 2).float()
        probability, label = network(pictures)["semantic"].max(dim=1)
        found.append(torch.where(probability >= confidence, label, IGNORE).to(torch.uint8))
    return torch.cat(found).numpy()
