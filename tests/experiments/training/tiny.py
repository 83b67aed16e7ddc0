"""A network of a few weights and pictures of a few pixels, for trainings of a second."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from experiments.training.augmentation import Pictures
from experiments.training.fitting import fit
from experiments.training.network_training import BatchChange, NetworkTraining
from experiments.training.recipe import Recipe
from experiments.training.study import SplitArrays
from models.single_task import single_task_loss

RECIPE = Recipe(
    epochs=3,
    batch_size=4,
    optimiser="sgd",
    rate=0.05,
    schedule="cosine",
    weight_decay=0.0,
    precision="32-true",
)


@dataclass(frozen=True)
class TinyConfig:
    inputs: ClassVar[tuple[str, ...]] = ("rgb",)
    outputs: tuple[str, ...] = ("depth",)
    width: int = 2
    normalised: bool = False
    dropout: float = 0.0


class Tiny(nn.Module):
    Config = TinyConfig

    def __init__(self, config: TinyConfig = TinyConfig()) -> None:
        super().__init__()
        self.config = config
        self.first = nn.Conv2d(3, config.width, kernel_size=3, padding=1)
        self.norm = nn.BatchNorm2d(config.width) if config.normalised else nn.Identity()
        self.drop = nn.Dropout(config.dropout)
        self.head = nn.Conv2d(config.width, 1, kernel_size=1)

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        maps = self.raw(rgb)
        return maps if self.training else {"depth": maps["log_depth"].exp()}

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        x = self.drop(self.norm(self.first(rgb / 255)).relu())
        return {"log_depth": self.head(x)}


def pictures(count: int = 12) -> SplitArrays:
    """Every pixel has a depth, so that each picture weighs the same in a loss."""
    random = np.random.default_rng(count)
    return SplitArrays(
        tuple(f"{number}" for number in range(count)),
        random.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8),
        random.uniform(1, 5, (count, 8, 8)).astype(np.float32),
        random.integers(0, 5, (count, 8, 8), dtype=np.uint8),
    )


def train_tiny(
    folder: Path,
    *,
    config: TinyConfig = TinyConfig(),
    changes: tuple[BatchChange, ...] = (),
    seed: int = 5,
    count: int = 12,
    stop_after: int | None = None,
    facts: dict[str, Any] | None = None,
    **recipe: Any,
) -> Tiny:
    """Train as if in a new process; `recipe` are changes of `RECIPE`."""
    torch.manual_seed(seed)
    network = Tiny(config)
    chosen = replace(RECIPE, **recipe)
    fit(
        NetworkTraining(
            network, single_task_loss, chosen, inputs=["rgb"], changes=changes, seed=seed
        ),
        Pictures(pictures(count), chosen),
        folder,
        facts=facts,
        stop_after=stop_after,
    )
    return network
