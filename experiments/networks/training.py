"""Training of the networks of this study, joint ones and twins, and their checkpoints."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.datasets.sample import IGNORE
from experiments.networks.study import NetworkStudy
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
from experiments.training.study import SplitArrays
from influence.network.checkpoints import export_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.network.sites import check_modules, edges_of

__all__ = [
    "checkpoint_path",
    "export_network",
    "load_network",
    "pseudo_labels",
    "train_network",
    "training_labels",
]

DECISIVE = ("network", "loss", "options", "loss_options", "changes", "labelled", "teacher")
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
    facts = {key: value for key, value in asdict(plan).items() if key in DECISIVE}
    data = Pictures(arrays, plan.recipe)
    fit(training, data, study.folder(name), facts=facts | {"data": arrays.digest})


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


def as_joint_network(study: NetworkStudy, name: str) -> JointNetwork:
    """Read a trained network, with the facts that measuring it needs."""
    plan, module = study.plan(name), load_network(study, name)
    config, size = make_config(plan), (study.height, study.width)
    images = study.load_split("train", plan.labels)
    (rgb, rgb_std), (depth, depth_std) = _moments(images.rgb), _moments(images.depth[..., None])
    kinds = {
        "rgb": Modality("rgb", "image", shape=(3, *size), mean=rgb, std=rgb_std),
        "depth": Modality("depth", "depth", (1, *size), unit="m", mean=depth, std=depth_std),
    }
    outputs = {
        "depth": Output("depth", "depth"),
        "semantic": Output("semantic", "probabilities", images.classes),
    }
    return JointNetwork(
        module,
        inputs=[kinds[x] for x in config.inputs],
        outputs=[outputs[x] for x in config.outputs],
        name=name,
        seed=plan.seed,
        trained_on=f"NYU-Depth v2, {len(images.ids)} official training images at "
        f"{study.width}x{study.height}",
        notes=f"{plan.options} {plan.recipe}",
    )


def checkpoint_path(study: NetworkStudy, name: str) -> Path:
    """Return where a network's checkpoint lies."""
    return study.work / "checkpoints" / f"{name}.pt2"


def export_network(study: NetworkStudy, name: str) -> Path:
    """Write a network as a checkpoint that needs none of this code."""
    network = as_joint_network(study, name)
    size = (study.height, study.width)
    examples = {"rgb": torch.full((2, 3, *size), 127.0), "depth": torch.full((2, 1, *size), 2.0)}
    path = checkpoint_path(study, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    export_checkpoint(network, path, {x.name: examples[x.name] for x in network.inputs})
    return path


def _moments(values: NDArray[Any]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel, the last axis."""
    channels = values.reshape(-1, values.shape[-1]).astype(np.float32)
    moments = channels.mean(axis=0, dtype=np.float64), channels.std(axis=0, dtype=np.float64)
    mean, deviation = (tuple(x.tolist()) for x in moments)
    return mean, deviation
