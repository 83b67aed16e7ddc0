"""Rooms must be possible: nothing overlaps, nothing floats, nothing leaves the room.

The layout is derived a second time here, from the solids alone: points are drawn inside every
part and looked up in all parts of other items, without the floor plan's rectangles.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from experiments.rooms.clutter import SMALL_THINGS, scatter
from experiments.rooms.layout import CEILING, GROUND, OBJECT, VERTICAL, Item, Part, Surface, mesh
from experiments.rooms.scene import (
    Camera,
    Room,
    draw_room,
    draw_shell,
    empty_room,
    view_space,
)

SEEDS = range(12)
HANGING = {"window", "picture", "ceiling lamp"}


@cache
def room(seed: int) -> Room:
    return draw_room(seed)


def to_local(part: Part, points: np.ndarray) -> np.ndarray:
    """Points in the frame of a part, in units of half its size (1 is the surface of a box)."""
    x, y, z = (points - part.centre).T
    xy = (x + 1j * y) * np.exp(-1j * part.angle)
    yz = (xy.imag + 1j * z) * np.exp(-1j * part.tilt)
    return np.stack([xy.real, yz.real, yz.imag], axis=-1) / (np.maximum(part.size, 1e-9)) * 2


def contains(part: Part, points: np.ndarray) -> np.ndarray:
    u, v, w = to_local(part, points).T
    within: np.ndarray = (np.abs(u) < 1) & (np.abs(v) < 1) & (np.abs(w) < 1)
    if part.kind == "cylinder":
        within = (np.hypot(u, v) < 1 + (part.taper - 1) * (w + 1) / 2) & (np.abs(w) < 1)
    if part.kind == "round":  # the superellipsoid's own inequality
        k = 2 / part.roundness
        within = np.abs(u) ** k + np.abs(v) ** k + np.abs(w) ** k < 1
    return within


def points_in(item: Item, rng: np.random.Generator) -> np.ndarray:
    points = []
    for part in item.placed_parts:
        corners = mesh(part).vertices
        cloud = rng.uniform(corners.min(axis=0), corners.max(axis=0), (60, 3))
        points.append(cloud[contains(part, cloud)])
    return np.concatenate(points)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_item_is_inside_another(seed: int) -> None:
    items = [item for item in room(seed).items if item.name != "rug"]
    rng = np.random.default_rng(seed)
    for item in items:
        cloud = points_in(item, rng)
        for other in items:
            if other is not item:
                for part in other.placed_parts:
                    inside = contains(part, cloud)
                    assert not inside.any(), f"{item.name} in {other.name}: {cloud[inside][:1]}"


def test_the_overlap_check_finds_an_overlap() -> None:
    item = room(1).items[-1]
    cloud = points_in(item, np.random.default_rng(0))
    assert np.any([contains(part, cloud) for part in item.placed_parts], axis=0).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_items_stay_in_the_room_and_stand_or_hang(seed: int) -> None:
    this = room(seed)
    size = np.array([this.width, this.depth, this.height])
    for item in this.items:
        corners = np.concatenate([mesh(part).vertices for part in item.placed_parts])
        low, high = corners.min(axis=0), corners.max(axis=0)
        assert (low > -1e-6).all(), item.name
        assert (high < size + 1e-6).all(), item.name
        if item.name == "ceiling lamp":
            assert high[2] > this.height - 0.01
        elif item.name in HANGING:
            assert min(low[0], low[1], *(size - high)[:2]) < 0.01, item.name
        else:
            # sofas stand on hidden feet, office chairs on castors
            gap = 0.041 if item.name in {"sofa", "chair"} else 0.021
            assert low[2] < gap, f"{item.name} floats at {low[2]}"


def test_rooms_are_lit_and_varied() -> None:
    rooms = [room(seed) for seed in SEEDS]
    assert all(any(part.light > 0 for part in this.parts) for this in rooms)
    names = {item.name for this in rooms for item in this.items}
    assert {"bed", "sofa", "desk", "chair", "bookshelf", "door", "window", "rug"} <= names
    assert len({this.width for this in rooms}) == len(rooms)
    heights = [this.camera.position[2] for this in rooms]
    assert 1.1 < min(heights) < max(heights) < 1.8


@pytest.mark.parametrize("name", SMALL_THINGS)
def test_clutter_stands_on_its_surface(name: str) -> None:
    surface = Surface(-0.6, 0.6, 0.1, 0.8, 0.74)
    parts = scatter(np.random.default_rng(1), surface, 9, things={name: SMALL_THINGS[name]})
    corners = np.concatenate([mesh(part).vertices for part in parts])
    assert corners[:, 2].min() == pytest.approx(0.74, abs=0.006)
    margin = 0.15 if name == "plant" else 1e-9  # leaves may hang over the edge
    assert (corners[:, 0] > -0.6 - margin).all()
    assert (corners[:, 0] < 0.6 + margin).all()
    assert (corners[:, 1] > 0.1 - margin).all()
    assert (corners[:, 1] < 0.8 + margin).all()
    assert all(part.label == OBJECT for part in parts)


def test_a_shell_is_floor_walls_and_ceiling() -> None:
    shell = draw_shell(np.random.default_rng(0), 4.0, 5.0, 2.5)
    assert {part.label for part in shell} == {GROUND, VERTICAL, CEILING}
    assert empty_room(3.0, 4.0, 2.5, Camera((1.5, 0.5, 1.2))).parts[0].label == GROUND


def test_a_camera_looks_along_y_and_has_room() -> None:
    assert Camera((0.0, 0.0, 1.5)).axes[2].tolist() == [0, 1, 0]
    spaces = view_space(Camera((1.0, 1.0, 1.5)), 2.5)
    assert [space.name for space in spaces] == ["camera", "view"]
    assert draw_room(7) == draw_room(7)
