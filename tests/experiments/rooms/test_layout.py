"""The overlap test against point sampling, and walls against geometry."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.rooms.layout import WALLS, FloorPlan, Item, clash
from experiments.rooms.materials import Material
from experiments.rooms.parts import OBJECT, Part, mesh
from experiments.rooms.programmes import add_more

GREY = Material("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


def block(w: float = 1.0, d: float = 0.6, h: float = 1.0, z: float = 0.0) -> Item:
    return Item("block", (Part("box", (0, d / 2, z + h / 2), (w, d, h), OBJECT, GREY),))


def inside(item: Item, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points in the footprint, by going back into the item's own frame with complex numbers."""
    local = ((x - item.x) + 1j * (y - item.y)) * np.exp(-1j * item.angle)
    (x0, y0, _), (x1, y1, _) = item.extent
    within_x = (local.real > x0) & (local.real < x1)
    within: np.ndarray = within_x & (local.imag > y0) & (local.imag < y1 + item.clearance)
    return within


@given(
    x=st.floats(-1.2, 1.2), y=st.floats(-1.2, 1.2), a=st.floats(-4, 4), b=st.floats(-4, 4),
    clearance=st.sampled_from([0.0, 0.4]),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_clash_agrees_with_points(x: float, y: float, a: float, b: float, clearance: float) -> None:
    first = replace(block(), angle=a, clearance=clearance)
    second = replace(block(0.5, 0.9), x=x, y=y, angle=b)
    grid = np.linspace(-2.2, 2.2, 221)  # 2 cm
    u, v = (axis.ravel() for axis in np.meshgrid(grid, grid))
    common = (inside(first, u, v) & inside(second, u, v)).sum()
    if clash(first, second):
        assert clash(second, first)
    else:
        assert common == 0
    if common > 0:
        assert clash(first, second)
    if clash(first, second) and common == 0:  # then they only just touch
        shrunk = [replace(item, parts=tuple(_smaller(p) for p in item.parts), clearance=0.0)
                  for item in (first, second)]  # fmt: skip
        assert clearance or not clash(*shrunk)


def _smaller(part: Part) -> Part:
    w, d, h = part.size
    return replace(part, size=(w - 0.06, d - 0.06, h))


def test_things_above_each_other_do_not_clash() -> None:
    assert not clash(block(h=0.8), block(z=0.8))
    assert clash(block(h=0.8), block(z=0.79))


@pytest.mark.parametrize("wall", WALLS)
def test_back_is_at_the_wall_and_front_faces_the_room(wall: str) -> None:
    plan = FloorPlan(4.0, 5.0, 2.5)
    item = plan.against(block(), wall, 1.7, gap=0.1)
    (part,) = item.placed_parts
    low, high = mesh(part).vertices.min(axis=0), mesh(part).vertices.max(axis=0)
    expected = {
        "back": ((1.2, 4.3), (2.2, 4.9)),
        "left": ((0.1, 1.2), (0.7, 2.2)),
        "right": ((3.3, 1.2), (3.9, 2.2)),
        "front": ((1.2, 0.1), (2.2, 0.7)),
    }[wall]
    np.testing.assert_allclose((low[:2], high[:2]), expected, atol=1e-12)


def test_plan_refuses_what_does_not_fit() -> None:
    plan = FloorPlan(3.0, 3.0, 2.5)
    table = replace(block(), x=1.5, y=1.0)
    assert plan.try_add(table)
    assert not plan.try_add(replace(block(), x=1.6, y=1.2))
    assert not plan.try_add(replace(block(), x=0.4, y=2.0)), "through the wall"
    assert not plan.try_add(replace(block(h=2.6), x=1.5, y=2.0)), "through the ceiling"
    assert plan.try_add(replace(block(), x=1.6, y=1.2), ignore=[table])
    assert len(plan.items) == 2


def test_random_places_give_up_when_the_room_is_full() -> None:
    plan, rng = FloorPlan(2.0, 2.0, 2.5), np.random.default_rng(0)
    assert plan.place_in_room(block(1.9, 1.9), rng, turn=0.0, tries=3000) is not None
    assert plan.place_in_room(block(), rng) is None
    assert plan.place_at_wall(block(), rng) is None


def test_boxes_side_by_side_clash_until_they_are_apart() -> None:
    box = Item("box", (Part("box", (0, 0.5, 0.5), (1, 1, 1), OBJECT, GREY),))
    assert clash(box, replace(box, x=0.9))
    assert not clash(box, replace(box, x=1.1))


def test_more_is_added_to_an_empty_room() -> None:
    plan = FloorPlan(4.0, 5.0, 2.5)
    add_more(plan, np.random.default_rng(0))
    assert plan.items
