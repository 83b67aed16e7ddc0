"""Training of the two single-task networks, once on all training images and once per fold.

Cross-fitting: the training images are dealt into folds, and the images of a fold are predicted by
a network trained on the others. So the joint network learns from predictions that are as good, or
as bad, as those it meets in the test.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from tqdm import tqdm

from experiments.datasets.sample import CLASSES
from experiments.training.augmentation import Pictures
from experiments.training.fitting import fit, load_weights
from experiments.training.network_training import NetworkTraining
from experiments.training.study import TASKS, SplitArrays, Study, load_split
from influence.errors import InfluenceError, unknown
from influence.runtime.files import replace_on_success, sha256_of
from models.single_task import DepthNetwork, SegmentationNetwork, single_task_loss

__all__ = [
    "Moments",
    "Predictions",
    "folds_of",
    "input_statistics",
    "load_single_task",
    "parts_of",
    "predict_split",
    "single_task_folder",
    "train_single_task",
    "weights_path",
]

FULL = "full"


def folds_of(count: int, folds: int, seed: int) -> NDArray[np.int64]:
    """Deal `count` samples into folds of equal size, within one; int64 (count,)."""
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


@dataclass(frozen=True)
class Predictions:
    """Predicted maps of one split.

    `depth` is float32 (N, H, W) metres, `semantic` float16 (N, classes, H, W) probabilities;
    `networks` are the SHA-256 of the weights that predicted them.
    """

    ids: tuple[str, ...]
    depth: NDArray[np.float32]
    semantic: NDArray[np.float16]
    networks: tuple[str, ...] = ()


def predict_split(study: Study, split: str) -> Predictions:
    """Predict every image of a split, or read the predictions from the work folder.

    Test images are predicted by the networks trained on all training images, training images by
    the networks of the folds, none of which has seen the image. Without folds training images are
    predicted by the networks that were trained on them, as in the paper. Kept predictions of
    other networks or of other images are made anew.
    """
    cache = study.work / "predictions" / f"{split}.npz"
    parts = parts_of(study)[1:] if split == "train" and study.folds > 1 else [FULL]
    weights = [weights_path(study, task, part) for part in parts for task in TASKS]
    networks = tuple(sha256_of(path) for path in weights)
    arrays = load_split(study, split)
    if cache.is_file():
        with np.load(cache) as file:
            if "data" in file and (*file["networks"], file["data"]) == (*networks, arrays.digest):
                return Predictions(arrays.ids, file["depth"], file["semantic"], networks)
    count, height, width = arrays.labels.shape
    maps = Predictions(
        arrays.ids,
        np.empty((count, height, width), np.float32),
        np.empty((count, len(arrays.classes), height, width), np.float16),
        networks,
    )
    folds = folds_of(count, study.folds, study.seed)
    for number, part in enumerate(parts):
        chosen = np.arange(count) if part == FULL else np.flatnonzero(folds == number)
        for task in TASKS:
            _predict(study, task, part, arrays, chosen, into=maps)
    with replace_on_success(cache) as aside:
        facts = {"networks": np.array(networks), "data": np.array(arrays.digest)}
        np.savez(aside, depth=maps.depth, semantic=maps.semantic, **facts)  # type: ignore[arg-type]
    return maps


def weights_path(study: Study, task: str, part: str = FULL) -> Path:
    """Return the weights of a trained network: from the work folder, else the published ones."""
    trained = single_task_folder(study, task, part) / "weights.safetensors"
    published = study.results / "weights" / f"{task}.safetensors"
    if trained.is_file():
        return trained
    if part == FULL and published.is_file():
        return published
    raise InfluenceError(
        f"no weights of the {task} network ({part}) at {trained}: "
        "train them first: `train-single-task` of the study, or `train-inputs` of the sweep"
    )


Moments = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each channel."""


def input_statistics(study: Study) -> dict[str, Moments]:
    """Mean and standard deviation of each input channel over all pixels of the training images."""
    maps = predict_split(study, "train")
    channels: dict[str, NDArray[Any]] = {"depth": maps.depth[:, None], "semantic": maps.semantic}
    return {name: _moments(np.moveaxis(values, 1, 0)) for name, values in channels.items()}


def _moments(channels: NDArray[Any]) -> Moments:
    mean = tuple(float(x.mean(dtype=np.float64)) for x in channels)
    return mean, tuple(float(x.std(dtype=np.float64)) for x in channels)


@torch.inference_mode()
def _predict(
    study: Study,
    task: str,
    part: str,
    arrays: SplitArrays,
    chosen: NDArray[np.int64],
    *,
    into: Predictions,
) -> None:
    path = weights_path(study, task, part)
    network = load_single_task(task, path, classes=len(arrays.classes))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    label = f"{study.name} {task} {part}"
    for start in tqdm(range(0, len(chosen), 8), desc=label, unit="batch", disable=None):
        rows = chosen[start : start + 8]
        rgb = torch.from_numpy(arrays.rgb[rows]).permute(0, 3, 1, 2).float()
        rgb = rgb.contiguous(memory_format=torch.channels_last)
        # The mean of two views is a little better than one: the picture and its mirror image.
        views = network(rgb), network(rgb.flip(-1)).flip(-1)
        if task == "depth":
            into.depth[rows] = torch.stack(views).mean(dim=0)[:, 0].numpy()
        else:
            probabilities = torch.stack([view.softmax(dim=1) for view in views]).mean(dim=0)
            into.semantic[rows] = probabilities.half().numpy()
