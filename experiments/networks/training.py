"""Training of the networks of this study, joint ones and single-task twins alike."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.datasets.sample import IGNORE
from experiments.networks.study import NetworkStudy
from experiments.training.arrays import SplitArrays
from experiments.training.augmentation import Pictures
from experiments.training.configuration import (
    Plan,
    find_object,
    make_config,
    make_loss,
    make_network,
)
from experiments.training.fitting import fit, load_weights
from experiments.training.network_training import NetworkTraining
from influence.network.joint_network import JointNetwork
from influence.network.sites import check_modules, edges_of

__all__ = ["load_network", "pseudo_labels", "train_network", "training_labels"]

TOLD = ("network", "loss", "options", "loss_options", "changes", "labelled", "teacher")
"""The fields of a plan that decide the weights, beside recipe and seed."""


def train_network(study: NetworkStudy, name: str) -> None:
    """Train one network of the study; do nothing if it is trained.

    Raises
    ------
    InfluenceError
        If its plan cannot be followed, or its teacher is not trained.
    """
    plan = study.plan(name)
    config = make_config(plan)
    network = make_network(plan)
    joint = JointNetwork(network, config.inputs, config.outputs, name=name)
    check_modules(joint, list(edges_of(plan.sites).values()))  # before hours of training
    training = NetworkTraining(
        network,
        make_loss(plan),
        plan.recipe,
        inputs=config.inputs,
        changes=[find_object(change) for change in plan.changes],
        seed=plan.seed,
    )
    arrays = study.load_split("train", plan.labels)
    arrays = replace(arrays, labels=training_labels(study, plan, arrays))
    told = {key: value for key, value in asdict(plan).items() if key in TOLD}
    data = Pictures(arrays, plan.recipe)
    fit(training, data, study.folder(name), facts=told | {"data": arrays.digest})


def load_network(study: NetworkStudy, name: str) -> nn.Module:
    """Make a network of the study with its trained weights, in eval mode.

    Raises
    ------
    InfluenceError
        If it is not trained, or its weights are damaged or those of another network.
    """
    plan = study.plan(name)
    if plan.options.get("pretrained"):  # its weights would only be replaced
        plan = replace(plan, options=plan.options | {"pretrained": False})
    network = make_network(plan)
    load_weights(network, study.weights_path(name))
    return network


def training_labels(study: NetworkStudy, plan: Plan, arrays: SplitArrays) -> NDArray[np.uint8]:
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
