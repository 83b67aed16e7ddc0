from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from experiments.training.arrays import SplitArrays
from experiments.training.augmentation import Pictures, augment
from experiments.training.recipe import Recipe

NOTHING = Recipe(colour=0.0, zoom=1.0)


def scene() -> tuple[Tensor, Tensor, Tensor]:
    rgb = torch.rand(3, 24, 32, generator=torch.Generator().manual_seed(0)) * 255
    return rgb, torch.full((24, 32), 4.0), torch.arange(32, dtype=torch.uint8).repeat(24, 1) // 8


def changed(recipe: Recipe, seed: int) -> tuple[Tensor, Tensor, Tensor]:
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


def test_a_recipe_can_do_without_mirror_images() -> None:
    for seed in range(12):
        rgb, _, labels = changed(replace(NOTHING, mirror=False), seed)
        torch.testing.assert_close(rgb, scene()[0])
        assert torch.equal(labels, scene()[2])


def test_a_draw_without_a_seed_is_the_picture_itself() -> None:
    random = np.random.default_rng(0)
    arrays = SplitArrays(
        ("a", "b"),
        random.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8),
        random.uniform(1, 5, (2, 24, 32)).astype(np.float32),
        random.integers(0, 5, (2, 24, 32), dtype=np.uint8),
    )
    data = Pictures(arrays, Recipe())
    plain, drawn = data[(1, None)], data[(1, np.random.SeedSequence(7))]
    np.testing.assert_array_equal(plain["rgb"].permute(1, 2, 0), arrays.rgb[1])
    np.testing.assert_array_equal(plain["depth"], arrays.depth[1][None])
    np.testing.assert_array_equal(plain["true_depth"], arrays.depth[1])
    np.testing.assert_array_equal(plain["labels"], arrays.labels[1])
    assert not torch.equal(drawn["rgb"], plain["rgb"])
    assert torch.equal(drawn["depth"][0], drawn["true_depth"])
    assert len(data) == 2


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
    first, second, other = (changed(Recipe(), seed) for seed in (1, 1, 2))
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])
