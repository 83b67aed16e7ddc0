"""Training pictures, with random changes that keep depth and labels true.

Pictures are changed one by one, and whole batches by changes that use depth for the classes, and
classes for the depth, after AffineMix and ColorAug of Bansal, Ji, Yuan and Xu (WACV 2023, arXiv
2206.10562): the one augments pictures for the segmentation with the help of predicted depth, the
other pictures for the depth with the help of predicted classes. More of that paper could not be
read here; what is moved and how is ours. The maps of a batch are taken as they come: true, or
pseudo-labels of a teacher.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from experiments.training.fitting import Draw
from experiments.training.network_training import Batch
from experiments.training.recipe import Recipe
from experiments.training.study import SplitArrays

__all__ = ["MOVABLE", "Pictures", "affine_mix", "augment", "color_aug"]


class Pictures(Dataset[dict[str, Tensor]]):
    """Training pictures, changed by a draw with a seed; the true depth is an input, too."""

    def __init__(self, arrays: SplitArrays, recipe: Recipe) -> None:
        self._arrays = arrays
        self._recipe = recipe

    def __len__(self) -> int:
        return len(self._arrays.ids)

    def __getitem__(self, draw: Draw) -> dict[str, Tensor]:
        index, seed = draw
        rgb = torch.from_numpy(self._arrays.rgb[index]).permute(2, 0, 1).float()
        depth = torch.from_numpy(self._arrays.depth[index])
        labels = torch.from_numpy(self._arrays.labels[index])
        if seed is not None:
            random = np.random.default_rng(seed)
            rgb, depth, labels = augment(rgb, depth, labels, recipe=self._recipe, random=random)
        return {"rgb": rgb, "depth": depth[None], "true_depth": depth, "labels": labels}


def augment(
    rgb: Tensor, depth: Tensor, labels: Tensor, *, recipe: Recipe, random: np.random.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge a window, mirror, and change the colours.

    A window of 1 / `recipe.zoom` to 1 of the picture's size is enlarged to the whole. Enlarging by
    z brings everything nearer: the depth is divided by z (Eigen et al. 2014, section 3.4). Half of
    the pictures are mirrored; contrast and the balance of the three colours change by up to
    `recipe.colour`.

    Parameters
    ----------
    rgb
        Float (3, H, W), 0..255.
    depth
        Float (H, W), metres.
    labels
        uint8 (H, W).
    """
    height, width = labels.shape
    zoom = random.uniform(1.0, recipe.zoom)
    rows, columns = round(height / zoom), round(width / zoom)
    top = random.integers(height - rows + 1)
    left = random.integers(width - columns + 1)
    window = (..., slice(top, top + rows), slice(left, left + columns))
    rgb = functional.interpolate(
        rgb[window][None], size=(height, width), mode="bilinear", align_corners=False
    )[0]
    depth = _nearest(depth[window], height, width) * (columns / width)
    labels = _nearest(labels[window], height, width)

    if recipe.mirror and random.random() < 0.5:
        rgb, depth, labels = rgb.flip(-1), depth.flip(-1), labels.flip(-1)

    gain = torch.from_numpy(random.uniform(1 - recipe.colour, 1 + recipe.colour, size=3))
    contrast = random.uniform(1 - recipe.colour, 1 + recipe.colour)
    mean = rgb.mean()
    rgb = ((rgb - mean) * contrast + mean) * gain.float()[:, None, None]
    return rgb.clamp(0.0, 255.0), depth, labels


def _nearest(x: Tensor, height: int, width: int) -> Tensor:
    rows = torch.arange(height) * x.shape[-2] // height
    columns = torch.arange(width) * x.shape[-1] // width
    return x[rows[:, None], columns]


MOVABLE = (3, 4)
"""Furniture and objects among the five classes: what can stand elsewhere in a room."""


def affine_mix(
    batch: Batch,
    *,
    random: torch.Generator,
    movable: Sequence[int] = MOVABLE,
    scale: tuple[float, float] = (0.7, 1.4),
    shift: float = 0.3,
) -> Batch:
    """Move objects of the next picture into each picture, nearer or farther.

    One movable class of the next picture is enlarged by s about the centre and shifted. What is
    enlarged is nearer: its depth is divided by s. A moved pixel is seen where it is nearer than
    what was there; its colour, depth and label come together. It is not seen where its own depth is
    unknown, nor where that of what was there is.

    Parameters
    ----------
    batch
        With "rgb" (B, 3, H, W), "true_depth" (B, H, W), metres, 0 where unknown, and "labels"
        (B, H, W). A depth input is made anew from the true depth.
    movable
        The classes of which one is drawn for each picture.
    scale
        The range of s, drawn evenly in its logarithm.
    shift
        The largest shift, as a share of the picture's height and width.

    Returns
    -------
    Batch
        A new one; the maps of the given one stay as they are.
    """
    rgb, depth, labels = batch["rgb"], batch["true_depth"], batch["labels"]
    factor, grid = _affine_grids(rgb, random=random, scale=scale, shift=shift)
    chosen = torch.tensor(movable)[torch.randint(len(movable), (len(rgb),), generator=random)]
    donor = {"rgb": rgb, "depth": depth[:, None], "labels": labels[:, None].float() + 1}
    moved = {
        name: functional.grid_sample(
            x.roll(-1, dims=0),
            grid,
            mode="bilinear" if name == "rgb" else "nearest",
            align_corners=False,
        )
        for name, x in donor.items()
    }  # outside of the picture everything is 0: no depth, and label 0, which is none
    nearer = moved["depth"][:, 0] / factor[:, None, None]
    label = moved["labels"][:, 0].round().to(labels.dtype) - 1
    seen = (
        (moved["labels"][:, 0] - 1 == chosen.to(rgb.device)[:, None, None])
        & (nearer > 0)
        & (nearer < depth)
    )
    mixed = torch.where(seen, nearer, depth)
    return batch | {
        "rgb": torch.where(seen[:, None], moved["rgb"], rgb),
        "depth": mixed[:, None],
        "true_depth": mixed,
        "labels": torch.where(seen, label, labels),
    }


def color_aug(
    batch: Batch,
    *,
    random: torch.Generator,
    movable: Sequence[int] = MOVABLE,
    strength: float = 0.4,
) -> Batch:
    """Change the colours of movable objects alone; depth and labels stay as they are.

    Brightness, contrast and the balance of the three colours change by up to `strength`, alike for
    all objects of a picture.

    Parameters
    ----------
    batch
        With "rgb" (B, 3, H, W) of 0..255 and "labels" (B, H, W).
    strength
        The largest relative change of the contrast, and of each colour.

    Returns
    -------
    Batch
        A new one; the maps of the given one stay as they are.
    """
    rgb, labels = batch["rgb"], batch["labels"]
    mask = torch.isin(labels, torch.tensor(movable, device=labels.device, dtype=labels.dtype))
    mean = rgb.mean(dim=(1, 2, 3), keepdim=True)
    contrast = _about_one((len(rgb), 1, 1, 1), strength, random).to(rgb.device)
    gain = _about_one((len(rgb), 3, 1, 1), strength, random).to(rgb.device)
    changed = (((rgb - mean) * contrast + mean) * gain).clamp(0.0, 255.0)
    return batch | {"rgb": torch.where(mask[:, None], changed, rgb)}


def _affine_grids(
    rgb: Tensor, *, random: torch.Generator, scale: tuple[float, float], shift: float
) -> tuple[Tensor, Tensor]:
    """Draw s (B,) and where each new pixel comes from (B, H, W, 2), in -1..1."""
    count = len(rgb)
    low, high = torch.tensor(scale).log()
    factor = (low + (high - low) * torch.rand(count, generator=random)).exp()
    offset = (torch.rand(count, 2, generator=random) * 2 - 1) * 2 * shift
    # a new pixel p shows the old one at (p - offset) / s
    matrix = torch.zeros(count, 2, 3)
    matrix[:, 0, 0] = matrix[:, 1, 1] = 1 / factor
    matrix[:, :, 2] = -offset / factor[:, None]
    grid = functional.affine_grid(matrix.to(rgb.device), list(rgb.shape), align_corners=False)
    return factor.to(rgb.device), grid


def _about_one(shape: tuple[int, ...], strength: float, random: torch.Generator) -> Tensor:
    return 1 + strength * (2 * torch.rand(shape, generator=random) - 1)
