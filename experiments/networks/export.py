"""From trained weights to checkpoints that are measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from experiments.training.configuration import make_config
from influence.network.checkpoints import export_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output

__all__ = ["as_joint_network", "checkpoint_path", "export_network"]


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
