"""Training of the joint refinement networks on the predictions of the single-task networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from experiments.training.arrays import SplitArrays, load_split
from experiments.training.fitting import Draw, fit, load_weights
from experiments.training.predictions import Predictions, predict_split
from experiments.training.study import JointRecipe, Study
from influence.errors import unknown
from models.jrn import JRN, VARIANTS, jrn_loss

__all__ = ["held_out_images", "joint_folder", "load_joint", "train_joint"]


def joint_folder(study: Study, variant: str) -> Path:
    """Return the folder of one training run."""
    return study.work / "joint" / variant


def held_out_images(count: int, share: float, seed: int) -> NDArray[np.bool_]:
    """Choose the training images that only watch; bool (count,).

    >>> int(held_out_images(795, 0.1, seed=0).sum())
    80
    """
    watching = np.zeros(count, dtype=bool)
    watching[np.random.default_rng((seed, 1)).permutation(count)[: round(share * count)]] = True
    return watching


def train_joint(study: Study, variant: str) -> None:
    """Train one network of `models.jrn.VARIANTS`."""
    if variant not in VARIANTS:
        raise unknown("variant", variant, VARIANTS)
    recipe = study.joint
    arrays = load_split(study, "train")
    maps = predict_split(study, "train")
    watching = held_out_images(len(arrays.ids), recipe.held_out, study.seed)
    learning = np.flatnonzero(~watching)
    torch.manual_seed(study.seed)
    network = JRN(VARIANTS[variant])
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    fit(
        JointTraining(
            network, recipe, steps=recipe.epochs * -(-len(learning) // recipe.batch_size)
        ),
        network,
        PredictedMaps(arrays, maps, learning),
        joint_folder(study, variant),
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        seed=study.seed,
        held_out=PredictedMaps(arrays, maps, np.flatnonzero(watching)) if watching.any() else None,
    )


def load_joint(study: Study, variant: str) -> JRN:
    """Read a trained network, in eval mode."""
    network = JRN(VARIANTS[variant])
    load_weights(network, joint_folder(study, variant) / "weights.safetensors")
    return network


class PredictedMaps(Dataset[dict[str, Tensor]]):
    """Predicted maps with their ground truth: mirrored at random for a draw, as is for a number."""

    def __init__(self, arrays: SplitArrays, maps: Predictions, chosen: NDArray[np.int64]) -> None:
        self._arrays = arrays
        self._maps = maps
        self._chosen = chosen

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, draw: Draw | int) -> dict[str, Tensor]:
        number, seed = draw if isinstance(draw, tuple) else (draw, None)
        index = self._chosen[number]
        sample = {
            "depth": torch.from_numpy(self._maps.depth[index][None]),  # (1, H, W)
            "semantic": torch.from_numpy(self._maps.semantic[index]).float(),  # (5, H, W)
            "true_depth": torch.from_numpy(self._arrays.depth[index]),  # (H, W)
            "labels": torch.from_numpy(self._arrays.labels[index]),  # (H, W)
        }
        if seed is not None and np.random.default_rng(seed).random() < 0.5:
            sample = {name: x.flip(-1) for name, x in sample.items()}
        return sample


class JointTraining(lightning.LightningModule):
    """The loss of equation (1) and stochastic gradient descent with a cosine decay to 0."""

    def __init__(self, network: JRN, recipe: JointRecipe, *, steps: int) -> None:
        super().__init__()
        self.network = network
        self._recipe = recipe
        self._steps = steps

    def training_step(self, batch: dict[str, Tensor], *_: Any) -> Tensor:
        return self._loss(batch)

    def validation_step(self, batch: dict[str, Tensor], *_: Any) -> None:
        self.log("held_out_loss", self._loss(batch), on_epoch=True, batch_size=1)

    def _loss(self, batch: dict[str, Tensor]) -> Tensor:
        maps = self.network.raw(
            *(batch[x].contiguous(memory_format=torch.channels_last) for x in ("depth", "semantic"))
        )
        # The loss in float32: a sum over 19200 pixels.
        maps = {name: x.float() for name, x in maps.items()}
        with torch.autocast(maps["depth"].device.type, enabled=False):
            return jrn_loss(maps, batch["true_depth"], batch["labels"])

    def configure_optimizers(self) -> Any:
        recipe = self._recipe
        optimiser = torch.optim.SGD(
            self.network.parameters(),
            lr=recipe.rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
        )
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=self._steps)
        return {
            "optimizer": optimiser,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }
