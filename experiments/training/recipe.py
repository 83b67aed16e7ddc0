"""A recipe: everything that decides how a network is trained, but for network, loss and data."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

__all__ = ["Recipe", "make_optimiser"]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    epochs, batch_size
        The length of the training.
    optimiser
        AdamW, or stochastic gradient descent with `momentum`.
    rate, slow_rate, slow_parts
        The learning rate, and a lower one for parts that start from trained weights, named by the
        beginning of their parameters' names.
    schedule
        ``cosine`` decays to 0; ``one_cycle`` warms up before, for the share `warm_up`.
    clip
        The largest norm of a gradient; 0 for no limit.
    held_out
        The share of the training images that only watches the loss.
    colour, zoom, mirror
        Random changes of a picture, see `experiments.training.augmentation`.
    precision
        "32-true", "bf16-mixed", "16-mixed" (CUDA), or "auto": bfloat16 where it is fast.
    devices
        How many devices of the machine share the batches.
    """

    epochs: int = 12
    batch_size: int = 8
    optimiser: Literal["adamw", "sgd"] = "adamw"
    rate: float = 1e-3
    slow_rate: float = 5e-4
    slow_parts: tuple[str, ...] = ()
    momentum: float = 0.9
    weight_decay: float = 1e-2
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warm_up: float = 0.1
    clip: float = 0.0
    held_out: float = 0.0
    colour: float = 0.2
    zoom: float = 1.4
    mirror: bool = True
    precision: str = "auto"
    devices: int = 1


def make_optimiser(network: nn.Module, recipe: Recipe, *, steps: int) -> Any:
    """Make what Lightning's `configure_optimizers` returns; `steps` is the length of training."""
    groups, rates = _groups(network.named_parameters(), recipe)
    optimiser: torch.optim.Optimizer
    if recipe.optimiser == "adamw":
        optimiser = torch.optim.AdamW(groups, weight_decay=recipe.weight_decay)
    else:
        optimiser = torch.optim.SGD(
            groups, momentum=recipe.momentum, weight_decay=recipe.weight_decay
        )
    schedule: torch.optim.lr_scheduler.LRScheduler
    if recipe.schedule == "one_cycle":
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimiser, rates, total_steps=steps + 1, pct_start=recipe.warm_up
        )
    else:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def _groups(
    parameters: Iterable[tuple[str, nn.Parameter]], recipe: Recipe
) -> tuple[list[dict[str, Any]], list[float]]:
    slow: list[nn.Parameter] = []
    fast: list[nn.Parameter] = []
    for name, parameter in parameters:
        (slow if name.startswith(recipe.slow_parts) else fast).append(parameter)
    both = [(slow, recipe.slow_rate), (fast, recipe.rate)]
    groups = [{"params": group, "lr": rate} for group, rate in both if group]
    return groups, [group["lr"] for group in groups]
