"""Random changes of a training picture that keep depth and labels true."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from experiments.training.recipe import Recipe
from experiments.training.study import SingleTaskRecipe

__all__ = ["augment"]


def augment(
    rgb: Tensor,
    depth: Tensor,
    labels: Tensor,
    *,
    recipe: SingleTaskRecipe | Recipe,
    random: np.random.Generator,
) -> tuple[Tensor, Tensor, Tensor]:
    """Enlarge a window, mirror, and change the colours.

    Enlarging by z brings everything nearer: the depth is divided by z.

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

    if random.random() < 0.5:
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
