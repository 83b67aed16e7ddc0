"""Random changes of pictures and batches keep depth and labels true."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from experiments.training.augmentation import MOVABLE, Pictures, affine_mix, augment, color_aug
from experiments.training.recipe import Recipe
from experiments.training.study import SplitArrays

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


Batch = dict[str, Tensor]
MAPS = ("rgb", "true_depth", "labels")


def stream(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def batch_of(size: int = 3, height: int = 12, width: int = 16, seed: int = 0) -> Batch:
    """Return random pictures with some unknown depths and labels."""
    generator = stream(seed)
    depth = torch.rand(size, height, width, generator=generator) * 8 + 0.5
    depth[torch.rand(depth.shape, generator=generator) < 0.2] = 0
    labels = torch.randint(0, 6, depth.shape, generator=generator).to(torch.uint8)
    labels[labels == 5] = 255
    rgb = torch.rand(size, 3, height, width, generator=generator) * 255
    return {"rgb": rgb, "depth": depth[:, None], "true_depth": depth, "labels": labels}


def room_and_object(height: int = 8, width: int = 8) -> Batch:
    """Return a far room, and a picture all of an object, whose maps tell where a pixel is from.

    The colours and the depth of the object are ramps along rows and columns.
    """
    rows, columns = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    ramps = torch.stack((rows, columns, rows + columns)).float() * 4 + 20
    rgb = torch.stack((torch.full((3, height, width), 250.0), ramps))
    code = 1 + (rows * width + columns) / 1000  # metres, unique to the pixel
    depth = torch.stack((torch.full((height, width), 9.0), code))
    labels = torch.tensor([0, 3], dtype=torch.uint8)[:, None, None].repeat(1, height, width)
    return {"rgb": rgb, "true_depth": depth, "labels": labels}


def mix(batch: Batch, *, seed: int = 0, **options: Any) -> Batch:
    known: dict[str, Any] = {"movable": (3,), "scale": (1.0, 1.0), "shift": 0.0}
    return affine_mix(batch, random=stream(seed), **(known | options))


def pixels(batch: Batch, at: Tensor) -> list[Tensor]:
    """Return the colours, depths and labels of some pixels."""
    return [batch["rgb"].movedim(1, -1)[at], batch["true_depth"][at], batch["labels"][at]]


# AffineMix
def test_the_nearer_pixel_is_seen() -> None:
    batch = room_and_object()
    batch["true_depth"][0, :, :3] = 0.9  # of the room, nearer than the object
    found = mix(batch)
    assert torch.equal(found["labels"][0, :, :3], batch["labels"][0, :, :3])
    assert bool((found["labels"][0, :, 3:] == 3).all())
    expected = torch.minimum(batch["true_depth"][0], batch["true_depth"][1])
    torch.testing.assert_close(found["true_depth"][0], expected)
    assert torch.equal(found["rgb"][0, :, :, :3], batch["rgb"][0, :, :, :3])
    torch.testing.assert_close(found["rgb"][0, :, :, 3:], batch["rgb"][1, :, :, 3:])
    # the room is no movable class, so the other picture stays
    for name in MAPS:
        assert torch.equal(found[name][1], batch[name][1])


def test_what_is_twice_as_large_is_half_as_far() -> None:
    batch = room_and_object()
    found = mix(batch, scale=(2.0, 2.0))
    # by hand: a pixel's centre i + 1/2 shows (i + 1/2 - 4) / 2 + 4 of the object
    source = [(i + 0.5 - 4) / 2 + 4 - 0.5 for i in range(8)]
    nearest = [math.floor(x + 0.5) for x in source]
    assert nearest == [2, 2, 3, 3, 4, 4, 5, 5]
    for i in range(8):
        for j in range(8):
            depth = float(batch["true_depth"][1, nearest[i], nearest[j]]) / 2
            assert float(found["true_depth"][0, i, j]) == pytest.approx(depth, rel=1e-5)
            y, x = source[i], source[j]
            colour = [20 + 4 * y, 20 + 4 * x, 20 + 4 * (x + y)]  # a ramp stays one when enlarged
            assert found["rgb"][0, :, i, j].tolist() == pytest.approx(colour, rel=1e-5)
    assert bool((found["labels"][0] == 3).all())


def test_what_is_half_as_large_is_twice_as_far() -> None:
    found, batch = mix(room_and_object(), scale=(0.5, 0.5)), room_and_object()
    inside = torch.zeros(8, 8, dtype=torch.bool)
    inside[2:6, 2:6] = True
    assert torch.equal(found["labels"][0] == 3, inside)
    assert bool((found["true_depth"][0][~inside] == 9).all())
    assert torch.equal(found["rgb"][0][:, ~inside], batch["rgb"][0][:, ~inside])
    assert bool((found["true_depth"][0][inside] >= 2).all())
    batch["true_depth"][0] = 1.9  # nearer than twice as far as the object was
    assert bool((mix(batch, scale=(0.5, 0.5))["labels"][0] == 0).all())


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_colour_depth_and_label_are_shifted_together(seed: int) -> None:
    height, width, share = 10, 16, 0.3
    batch = room_and_object(height, width)
    found = mix(batch, seed=seed, shift=share)
    at = found["labels"][0] == 3
    rows, columns = at.nonzero(as_tuple=True)
    code = ((found["true_depth"][0][at] - 1) * 1000).round().long()
    # one shift for all pixels, by the depths and, to a fraction of a pixel, by the colours
    moved = rows - code // width, columns - code % width
    assert all(len(set(x.tolist())) == 1 for x in moved)
    vertical, horizontal = (int(x[0]) for x in moved)
    assert abs(vertical) <= share * height + 0.5
    assert abs(horizontal) <= share * width + 0.5
    assert int(at.sum()) == (height - abs(vertical)) * (width - abs(horizontal))
    inner = at.clone()  # at the border colours fade into nothing
    inner[[0, -1]], inner[:, [0, -1]] = False, False
    inner &= at.roll(1, 0) & at.roll(-1, 0) & at.roll(1, 1) & at.roll(-1, 1)
    rows, columns = inner.nonzero(as_tuple=True)
    colours = (found["rgb"][0][:2, inner] - 20) / 4
    for position, colour, whole in (
        (rows, colours[0], vertical),
        (columns, colours[1], horizontal),
    ):
        exact = position - colour
        assert float(exact.max() - exact.min()) < 1e-3
        assert abs(float(exact[0]) - whole) <= 0.5 + 1e-3


def test_shifts_differ_and_fill_their_range() -> None:
    shifts = set()
    for seed in range(40):
        found = mix(room_and_object(16, 16), seed=seed, shift=0.25)
        at = found["labels"][0] == 3
        row, column = (int(x[0]) for x in at.nonzero(as_tuple=True))
        code = round(float(found["true_depth"][0, row, column] - 1) * 1000)
        shifts.add((row - code // 16, column - code % 16))
    assert {abs(x) for x, _ in shifts} == {abs(x) for _, x in shifts} == {0, 1, 2, 3, 4}


def test_shifts_of_small_objects_are_shares_of_the_picture() -> None:
    tops = []
    for seed in range(150):
        at = mix(room_and_object(16, 16), seed=seed, scale=(0.5, 0.5), shift=0.25)["labels"][0] == 3
        assert int(at.sum()) == 8 * 8  # never beyond the picture
        tops.append(int(at.nonzero()[0, 0]))
    assert set(tops) == set(range(9))


def test_scales_are_drawn_evenly_in_their_logarithm() -> None:
    batch = room_and_object()
    batch["true_depth"][1] = 1.0
    batch["true_depth"][0] = 100.0
    logs = []
    for seed in range(300):
        near = mix(batch, seed=seed, scale=(0.5, 2.0))["true_depth"][0].min()
        logs.append(-math.log2(float(near)))
    assert -1 <= min(logs) < -0.95
    assert 0.95 < max(logs) <= 1
    assert np.mean(logs) == pytest.approx(0, abs=4 * 2 / math.sqrt(12 * 300))


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10_000))
def test_nothing_becomes_farther_and_only_movables_come(seed: int) -> None:
    batch = batch_of(seed=seed)
    before = {name: x.clone() for name, x in batch.items()}
    found = affine_mix(batch, random=stream(seed))
    assert all(torch.equal(batch[name], before[name]) for name in batch)  # a new batch
    assert {name: x.dtype for name, x in found.items()} == {n: x.dtype for n, x in batch.items()}
    moved = found["true_depth"] != batch["true_depth"]
    assert bool((found["true_depth"] <= batch["true_depth"]).all())
    assert bool((found["true_depth"][moved] > 0).all())
    assert set(found["labels"][moved].tolist()) <= set(MOVABLE)
    # unknown depth neither comes nor goes
    assert torch.equal(found["true_depth"] == 0, batch["true_depth"] == 0)
    for one, other in zip(pixels(found, ~moved), pixels(batch, ~moved), strict=True):
        assert torch.equal(one, other)
    assert torch.equal(found["depth"], found["true_depth"][:, None])
    classes = [set(x[m].tolist()) for x, m in zip(found["labels"], moved, strict=True)]
    assert all(len(x) <= 1 for x in classes)  # one class a picture


def test_objects_of_the_next_picture_come() -> None:
    metres = torch.tensor([3.0, 2.0, 1.0])
    batch = {
        "rgb": torch.zeros(3, 3, 8, 8),
        "true_depth": metres[:, None, None].repeat(1, 8, 8),
        "labels": torch.full((3, 8, 8), 3),
    }
    # the last one's next is the first, which is farther
    assert mix(batch)["true_depth"][:, 4, 4].tolist() == [2, 1, 1]
    # a batch of one is its own next picture
    alone = room_and_object()
    alone = {name: x[1:] for name, x in alone.items()}
    assert torch.equal(mix(alone)["true_depth"], alone["true_depth"])


def test_both_movable_classes_are_drawn() -> None:
    batch = room_and_object()
    batch["labels"][1, :, 4:] = 4
    drawn = set()
    for seed in range(20):
        drawn |= set(mix(batch, seed=seed, movable=MOVABLE)["labels"][0].flatten().tolist()) - {0}
    assert drawn == {3, 4}


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_donors_without_labels_move_nothing(dtype: torch.dtype) -> None:
    batch = batch_of()
    batch["labels"] = torch.full_like(batch["labels"], 255).to(dtype)
    found = affine_mix(batch, random=stream())
    assert all(torch.equal(found[name], batch[name]) for name in batch)
    assert found["labels"].dtype == dtype


def test_unlabelled_pixels_are_covered_by_labelled_ones_alone() -> None:
    batch = room_and_object()
    batch["labels"][0] = 255
    batch["labels"][1, :, :4] = 255
    found = mix(batch)["labels"][0]
    assert bool((found[:, :4] == 255).all())
    assert bool((found[:, 4:] == 3).all())


def test_unknown_depth_neither_wins_nor_loses() -> None:
    batch = room_and_object()
    batch["true_depth"][0, 0] = 0  # of the room
    batch["true_depth"][1, 7] = 0  # of the object
    found = mix(batch)
    for row in (0, 7):
        for name in MAPS:
            assert torch.equal(found[name][0, ..., row, :], batch[name][0, ..., row, :])
    assert bool((found["labels"][0, 1:7] == 3).all())


def test_a_generator_gives_the_same_mixture_again() -> None:
    batch = batch_of()
    one, two, other = (affine_mix(batch, random=stream(seed)) for seed in (5, 5, 6))
    assert all(torch.equal(one[name], two[name]) for name in batch)
    assert not torch.equal(one["rgb"], other["rgb"])


# ColorAug
@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10_000))
def test_only_the_colours_of_movables_change(seed: int) -> None:
    batch = batch_of(seed=seed)
    before = batch["rgb"].clone()
    found = color_aug(batch, random=stream(seed))
    assert torch.equal(batch["rgb"], before)  # a new batch
    for name in ("depth", "true_depth", "labels"):
        assert found[name] is batch[name]
    movable = torch.isin(batch["labels"], torch.tensor([3, 4], dtype=torch.uint8))
    assert torch.equal(found["rgb"].movedim(1, -1)[~movable], before.movedim(1, -1)[~movable])
    changed = found["rgb"].movedim(1, -1)[movable] != before.movedim(1, -1)[movable]
    assert float(changed.float().mean()) > 0.95
    assert 0 <= float(found["rgb"].min()) <= float(found["rgb"].max()) <= 255


def test_colours_change_by_one_contrast_and_three_gains() -> None:
    strength = 0.4
    rgb = torch.rand(50, 3, 6, 7, generator=stream(), dtype=torch.float64) * 60 + 80
    batch = {"rgb": rgb, "labels": torch.full((50, 6, 7), 3)}
    found = color_aug(batch, random=stream(1), strength=strength)["rgb"]
    gains, contrasts = [], []
    for old, new in zip(rgb, found, strict=True):
        mean, own = float(old.mean()), []
        for x, y in zip(old.flatten(1).numpy(), new.flatten(1).numpy(), strict=True):
            slope, intercept = np.polyfit(x, y, 1)
            assert y == pytest.approx(slope * x + intercept)
            gain = slope + intercept / mean  # y = ((x - mean) contrast + mean) gain
            gains.append(gain)
            own.append(slope / gain)
        assert own == pytest.approx([own[0]] * 3)
        assert np.ptp(gains[-3:]) > 1e-3
        contrasts.append(own[0])
    for drawn in (gains, contrasts):
        assert 1 - strength <= min(drawn) < 1 - 0.8 * strength
        assert 1 + 0.8 * strength < max(drawn) <= 1 + strength


def test_colours_stay_between_black_and_white() -> None:
    batch = {"rgb": torch.rand(8, 3, 6, 7) * 255, "labels": torch.full((8, 6, 7), 4)}
    found = color_aug(batch, random=stream(), strength=0.9)["rgb"]
    assert float(found.min()) == 0
    assert float(found.max()) == 255


def test_a_generator_gives_the_same_colours_again() -> None:
    batch = batch_of()
    one, two, other = (color_aug(batch, random=stream(seed))["rgb"] for seed in (5, 5, 6))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_no_strength_and_no_movables_change_nothing() -> None:
    batch = batch_of()
    still = color_aug(batch, random=stream(), strength=0.0)["rgb"]
    torch.testing.assert_close(still, batch["rgb"])
    batch["labels"] = torch.full_like(batch["labels"], 255)
    assert torch.equal(color_aug(batch, random=stream())["rgb"], batch["rgb"])


def test_only_movable_objects_change_their_colours() -> None:
    batch = {"rgb": torch.full((1, 3, 1, 2), 100.0), "labels": torch.tensor([[[0, 4]]])}
    changed = color_aug(batch, random=torch.Generator().manual_seed(0))["rgb"]
    assert (changed == 100).all(dim=1).tolist() == [[[True, False]]]


def test_what_is_near_stays_and_hides_what_is_far() -> None:
    near, far = torch.full((1, 4, 4), 1.0), torch.full((1, 4, 4), 3.0)
    batch = {
        "rgb": torch.zeros(2, 3, 4, 4),
        "true_depth": torch.cat((near, far)),
        "labels": torch.full((2, 4, 4), 3),
    }
    random = torch.Generator().manual_seed(0)
    mixed = affine_mix(batch, random=random, movable=[3], scale=(1.0, 1.0), shift=0.0)
    assert mixed["true_depth"].amax(dim=(1, 2)).tolist() == [1.0, 1.0]
