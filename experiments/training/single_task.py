"""Training of the two single-task networks, once on all training images and once per fold.

Cross-fitting: the training images are dealt into folds, and the images of a fold are predicted by
a network trained on the others. So the joint network learns from predictions that are as good, or
as bad, as those it meets in the test.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from experiments.datasets.sample import CLASSES, IGNORE
from experiments.training.arrays import SplitArrays, load_split
from experiments.training.augmentation import augment
from experiments.training.fitting import Draw, fit, load_weights
from experiments.training.study import TASKS, SingleTaskRecipe, Study
from influence.errors import unknown
from models.single_task import DepthNetwork, SegmentationNetwork

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
    network = DepthNetwork() if task == "depth" else SegmentationNetwork(classes=len(CLASSES))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fit(
        SingleTaskTraining(
            network, recipe, steps=recipe.epochs * -(-len(chosen) // recipe.batch_size)
        ),
        network,
        AugmentedPictures(arrays, chosen, recipe),
        single_task_folder(study, task, part),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=seed,
    )


def load_single_task(task: str, path: Path) -> nn.Module:
    """Read a trained network, in eval mode."""
    network = (
        DepthNetwork(pretrained=False) if task == "depth" else SegmentationNetwork(pretrained=False)
    )
    load_weights(network, path)
    return network


class AugmentedPictures(Dataset[dict[str, Tensor]]):
    """Training pictures with their random changes."""

    def __init__(
        self, arrays: SplitArrays, chosen: NDArray[np.int64], recipe: SingleTaskRecipe
    ) -> None:
        self._arrays = arrays
        self._chosen = chosen
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        index = self._chosen[draw[0]]
        rgb, depth, labels = augment(
            torch.from_numpy(self._arrays.rgb[index]).permute(2, 0, 1).float(),
            torch.from_numpy(self._arrays.depth[index]),
            torch.from_numpy(self._arrays.labels[index]),
            recipe=self._recipe,
            random=np.random.default_rng(draw[1]),
        )
        return {"rgb": rgb, "depth": depth, "labels": labels}


class SingleTaskTraining(lightning.LightningModule):
    """Loss and optimiser of either network.

    Depth: mean absolute error of the logarithm where the depth is known. Segmentation: mean
    cross-entropy where there is a label.
    """

    def __init__(
        self,
        network: DepthNetwork | SegmentationNetwork,
        recipe: SingleTaskRecipe,
        *,
        steps: int,
    ) -> None:
        super().__init__()
        self.network = network
        self._recipe = recipe
        self._steps = steps

    def training_step(self, batch: dict[str, Tensor], *_: Any) -> Tensor:
        rgb = batch["rgb"].contiguous(memory_format=torch.channels_last)
        if isinstance(self.network, DepthNetwork):
            return log_depth_loss(self.network.log_depth(rgb)[:, 0], batch["depth"])
        return functional.cross_entropy(
            cast(Tensor, self.network(rgb)), batch["labels"].long(), ignore_index=IGNORE
        )

    def configure_optimizers(self) -> Any:
        pyramid = self.network.pyramid
        encoder = [*pyramid.trunk.parameters()]
        known = {id(parameter) for parameter in encoder}
        decoder = [p for p in self.network.parameters() if id(p) not in known]
        recipe = self._recipe
        optimiser = torch.optim.AdamW(
            [
                {"params": encoder, "lr": recipe.encoder_rate},
                {"params": decoder, "lr": recipe.rate},
            ],
            weight_decay=recipe.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser,
            [recipe.encoder_rate, recipe.rate],
            total_steps=self._steps + 1,
            pct_start=recipe.warm_up,
        )
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }


def log_depth_loss(log_depth: Tensor, target: Tensor) -> Tensor:
    """Mean of \\|ln y - ln y*\\| over the pixels whose depth y* is known; both (B, H, W)."""
    known = target > 0
    error = (log_depth - torch.where(known, target, 1.0).log()).abs()
    return torch.where(known, error, 0.0).sum() / known.sum().clamp(min=1)
