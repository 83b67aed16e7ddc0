"""Training of the two single-task networks, once on all training images and once per fold.

Cross-fitting: the training images are dealt into folds, and the images of a fold are predicted by
a network trained on the others. So the joint network learns from predictions that are as good, or
as bad, as those it meets in the test.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from experiments.datasets.sample import CLASSES
from experiments.training.arrays import load_split
from experiments.training.augmentation import Pictures
from experiments.training.fitting import fit, load_weights
from experiments.training.network_training import NetworkTraining
from experiments.training.study import TASKS, Study
from influence.errors import unknown
from models.single_task import DepthNetwork, SegmentationNetwork, single_task_loss

__all__ = ["folds_of", "load_single_task", "parts_of", "single_task_folder", "train_single_task"]

FULL = "full"


def folds_of(count: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal `count` samples into folds of equal size, within one; int64 (count,).

    >>> np.bincount(folds_of(8, 3, seed=0)).tolist()
    [3, 3, 2]
    """
    order = np.random.default_rng(seed).permutation(count)
    dealt = np.empty(count, dtype=np.int64)
    dealt[order] = np.arange(count) % folds
    return dealt


def parts_of(study: Study) -> tuple[str, ...]:
    """Name the networks of one task: one for all training images, and one per fold left out."""
    return (FULL, *(f"fold{fold}" for fold in range(study.folds) if study.folds > 1))


def single_task_folder(study: Study, task: str, part: str) -> Path:
    """Return the folder of one training run."""
    return study.work / "single_task" / f"{task}-{part}"


def train_single_task(study: Study, task: str, part: str) -> None:
    """Train one network: `task` of `TASKS`, `part` of `parts_of(study)`."""
    if task not in TASKS:
        raise unknown("task", task, TASKS)
    if part not in parts_of(study):
        raise unknown("part", part, parts_of(study))
    arrays = load_split(study, "train")
    chosen = np.arange(len(arrays.ids))
    if part != FULL:
        folds = folds_of(len(chosen), study.folds, study.seed)
        chosen = chosen[folds != int(part.removeprefix("fold"))]
    recipe = study.single_task
    seed = study.seed + 1 + parts_of(study).index(part)
    torch.manual_seed(seed)
    network = _network(task, len(arrays.classes), pretrained=True)
    fit(
        NetworkTraining(network, single_task_loss, recipe, inputs=["rgb"], seed=seed),
        Pictures(arrays, recipe),
        single_task_folder(study, task, part),
        chosen=chosen,
        facts={"task": task, "folds": study.folds, "data": arrays.digest},
    )


def load_single_task(task: str, path: Path, *, classes: int = len(CLASSES)) -> nn.Module:
    """Read a trained network, in eval mode."""
    network = _network(task, classes, pretrained=False)
    load_weights(network, path)
    return network


def _network(task: str, classes: int, *, pretrained: bool) -> nn.Module:
    if task == "depth":
        return DepthNetwork(pretrained=pretrained)
    return SegmentationNetwork(classes=classes, pretrained=pretrained)
