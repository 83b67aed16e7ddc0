"""A recipe: everything that decides how a network is trained, but for network, loss and data.

What decided the weights of a training is stamped on its folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, PositiveFloat, PositiveInt
from torch import nn

from influence.errors import InfluenceError
from influence.runtime.files import replace_on_success

__all__ = ["Recipe", "Share", "check_stamp", "make_optimiser"]

Share = Annotated[float, Field(ge=0, lt=1)]


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. The limits of a field hold for configuration files.

    Attributes
    ----------
    epochs, batch_size
        The length of the training; a batch is what one step learns from, on all devices together.
    optimiser
        AdamW, or stochastic gradient descent with `momentum`.
    rate, slow_rate, slow_parts
        The learning rate, and a lower one for parts that start from trained weights, named by the
        beginning of their parameters' names.
    schedule
        ``cosine`` decays to 0; ``one_cycle`` warms up before, for the share `warm_up`, and lets
        AdamW's first beta fall and rise between 0.95 and 0.85, against the rate.
    clip
        The largest norm of a gradient; 0 for no limit.
    held_out
        The share of the training images that only watches the loss.
    colour, zoom, mirror
        Random changes of a picture, see `experiments.training.augmentation`.
    precision
        "32-true", "bf16-mixed", "16-mixed" (CUDA), or "auto": bfloat16 where it is fast.
    devices
        How many CUDA devices, or processes without one, share each batch; see `fit`.
    """

    epochs: PositiveInt = 12
    batch_size: PositiveInt = 8
    optimiser: Literal["adamw", "sgd"] = "adamw"
    rate: PositiveFloat = 1e-3
    slow_rate: PositiveFloat = 5e-4
    slow_parts: tuple[str, ...] = ()
    momentum: Share = 0.9
    weight_decay: Annotated[float, Field(ge=0)] = 1e-2
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    warm_up: Share = 0.1
    clip: Annotated[float, Field(ge=0)] = 0.0
    held_out: Share = 0.0
    colour: Share = 0.2
    zoom: Annotated[float, Field(ge=1)] = 1.4
    mirror: bool = True
    precision: Literal["auto", "32-true", "bf16-mixed", "16-mixed"] = "auto"
    devices: PositiveInt = 1


def make_optimiser(network: nn.Module, recipe: Recipe, *, steps: int) -> Any:
    """Make what Lightning's `configure_optimizers` returns; `steps` is the length of training."""
    slow: list[nn.Parameter] = []
    fast: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (slow if name.startswith(recipe.slow_parts) else fast).append(parameter)
    both = [(x, rate) for x, rate in ((slow, recipe.slow_rate), (fast, recipe.rate)) if x]
    groups = [{"params": parameters, "lr": rate} for parameters, rate in both]
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
            optimiser,
            [rate for _, rate in both],
            total_steps=steps + 1,
            pct_start=recipe.warm_up,
            cycle_momentum=recipe.optimiser == "adamw",
        )
    else:
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=steps)
    return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def check_stamp(folder: Path, facts: Mapping[str, Any]) -> None:
    """Stamp the folder of a new run; refuse to go on with a run that has another stamp.

    A finished run without a stamp is taken as it is.

    Parameters
    ----------
    facts
        By name, as JSON can hold them.

    Raises
    ------
    InfluenceError
        If the stamp differs, cannot be read, or an unfinished run has none.
    """
    path = folder / "stamp.json"
    text = json.dumps(facts, indent=1, sort_keys=True)
    if path.is_file():
        _compare(folder, _read(path), json.loads(text))
    elif (folder / "weights.safetensors").is_file():
        return
    elif (folder / "last.ckpt").is_file():
        raise InfluenceError(
            f"{folder} holds an unfinished training, but no {path.name} to say with what it began. "
            "Delete the folder to train anew"
        )
    else:
        with replace_on_success(path) as aside:
            aside.write_text(text)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} cannot be read: {error}. Delete its folder") from error
    if not isinstance(found, dict):
        raise InfluenceError(f"{path} is no stamp of a training run. Delete its folder")
    return found


def _compare(folder: Path, then: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    changed = [
        f"{name}: {then.get(name)} there, {now.get(name)} now"
        for name in sorted(then.keys() | now.keys())
        if then.get(name) != now.get(name)
    ]
    if changed:
        raise InfluenceError(
            f"{folder.name}: the training in this folder began with other settings "
            f"({'; '.join(changed)}). Restore them, or delete {folder} to train anew"
        )
