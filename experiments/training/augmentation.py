"""Training pictures, with random changes that keep depth and labels true."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.data import Dataset

from experiments.training.arrays import SplitArrays
from experiments.training.fitting import Draw
from experiments.training.recipe import Recipe

__all__ = ["Pictures", "augment"]


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
    rgb: Tensor,
    depth: Tensor,
    labels: Tensor,
    *,
    recipe: Recipe,
    random: np.random.Generator,
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
