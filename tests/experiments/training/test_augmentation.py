from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training.augmentation import augment
from experiments.training.study import SingleTaskRecipe

NOTHING = SingleTaskRecipe(colour=0.0, zoom=1.0)


def scene() -> tuple[Tensor, Tensor, Tensor]:
    rgb = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0)) * 255
    return rgb, torch.full((24, 32), 4.0), torch.arange(32, dtype=torch.uint8).repeat(24, 1) // 8


def changed(recipe: SingleTaskRecipe, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    return augment(*scene(), recipe=recipe, random=np.random.default_rng(seed))


def test_without_zoom_and_colour_a_picture_is_itself_or_its_mirror_image() -> None:
    rgb, _, labels = scene()
    seen = set()
    for seed in range(12):
        new_rgb, _, new_labels = changed(NOTHING, seed)
        mirrored = not torch.equal(new_labels, labels)
        seen.add(mirrored)
        torch.testing.assert_close(new_rgb, rgb.flip(-1) if mirrored else rgb)
        assert torch.equal(new_labels, labels.flip(-1) if mirrored else labels)
    assert seen == {True, False}


def test_what_is_enlarged_is_nearer_by_the_same_factor() -> None:
    recipe = replace(NOTHING, zoom=2.0)
    for seed in range(8):
        _, depth, labels = changed(recipe, seed)
        factor = 4.0 / float(depth[0, 0])
        assert 1.0 <= factor <= 2.0
        # a stripe of one class, 8 pixels wide before, is as much wider, but for the cut ends
        inner = [int((labels[0] == k).sum()) for k in np.unique(labels[0])][1:-1]
        assert inner == pytest.approx([8 * factor] * len(inner), abs=1.01)
        assert labels.dtype == torch.uint8
        assert depth.shape == labels.shape == (24, 32)


def test_colours_stay_in_range_and_only_colours_change() -> None:
    recipe = replace(NOTHING, colour=0.5)
    rgb, depth, _ = scene()
    new_rgb, new_depth, _ = changed(recipe, 3)
    assert float(new_rgb.min()) >= 0
    assert float(new_rgb.max()) <= 255
    assert not torch.allclose(new_rgb, rgb)
    assert torch.equal(new_depth, depth)


def test_the_same_seed_gives_the_same_picture() -> None:
    first, second, other = (changed(SingleTaskRecipe(), seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])
