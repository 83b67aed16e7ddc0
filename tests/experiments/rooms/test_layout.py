"""Solids against closed forms: volumes by the divergence theorem, turns by scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from experiments.rooms.layout import (
    OBJECT,
    WALLS,
    FloorPlan,
    Item,
    Mesh,
    Part,
    clash,
    mesh,
    mirrored,
    moved,
)
from experiments.rooms.materials import Material
from experiments.rooms.programmes import add_more

GREY = Material("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
BOX = Part("box", (1.0, 2.0, 0.5), (0.3, 0.4, 0.5), OBJECT, GREY)


def volume(solid: Mesh) -> float:
    """Sum of signed tetrahedra: positive only if every triangle faces outwards."""
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6)


def test_a_box_has_the_volume_of_a_box() -> None:
    assert volume(mesh(BOX)) == pytest.approx(0.3 * 0.4 * 0.5)


@pytest.mark.parametrize("taper", [1.0, 0.5, 1.4])
def test_a_cylinder_is_a_frustum_over_a_regular_polygon(taper: float) -> None:
    part = replace(BOX, kind="cylinder", size=(0.4, 0.4, 0.5), taper=taper)
    polygon = 20 / 2 * 0.2**2 * np.sin(2 * np.pi / 20)
    frustum = polygon * 0.5 / 3 * (1 + taper + taper**2)
    assert volume(mesh(part)) == pytest.approx(frustum)


def test_a_round_part_lies_between_an_ellipsoid_and_its_box() -> None:
    ball, soft = replace(BOX, kind="round"), replace(BOX, kind="round", roundness=0.3)
    ellipsoid = 4 / 3 * np.pi * 0.15 * 0.2 * 0.25
    assert 0.93 * ellipsoid < volume(mesh(ball)) < ellipsoid
    assert ellipsoid < volume(mesh(soft)) < 0.3 * 0.4 * 0.5


@pytest.mark.parametrize("kind", ["cylinder", "round"])
def test_smooth_normals_agree_with_the_triangles(kind: Literal["cylinder", "round"]) -> None:
    solid = mesh(replace(BOX, kind=kind, angle=0.4, tilt=0.2))
    assert solid.normals is not None
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    flat = np.cross(b - a, c - a)
    real = np.linalg.norm(flat, axis=1) > 1e-9  # the poles of a round part have empty triangles
    mean = solid.normals[solid.faces].mean(axis=1)
    assert ((flat * mean).sum(axis=1)[real] > 0).all()


def test_a_panel_faces_y() -> None:
    solid = mesh(Part("panel", (0, 0, 0), (2.0, 0.0, 1.0), OBJECT, GREY))
    a, b, c = (solid.vertices[solid.faces[:, i]] for i in range(3))
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(axis=0) / 2, [0, 2, 0])


@given(angle=st.floats(-4, 4), tilt=st.floats(-1, 1), turn=st.floats(-4, 4))
@settings(max_examples=25, deadline=None)
def test_moved_part_is_the_moved_mesh(angle: float, tilt: float, turn: float) -> None:
    part = replace(BOX, angle=angle, tilt=tilt)
    yaw = Rotation.from_euler("z", turn)
    expected = yaw.apply(mesh(part).vertices) + np.array([3.0, -1.0, 0.25])
    np.testing.assert_allclose(mesh(moved(part, 3.0, -1.0, turn, 0.25)).vertices, expected)


def test_tilt_comes_before_angle() -> None:
    part = replace(BOX, centre=(0, 0, 0), angle=0.7, tilt=0.3)
    upright = mesh(replace(part, angle=0, tilt=0)).vertices
    expected = Rotation.from_euler("xz", [0.3, 0.7]).apply(upright)
    np.testing.assert_allclose(mesh(part).vertices, expected, atol=1e-12)


def test_a_part_turns_about_the_origin_before_it_is_shifted() -> None:
    leg = Part("box", (1.0, 0.0, 0.2), (0.1, 0.1, 0.4), OBJECT, GREY)
    assert np.round(moved(leg, 0.0, 2.0, np.pi / 2).centre, 6).tolist() == [0.0, 3.0, 0.2]
    assert [part.centre[0] for part in mirrored(leg)] == [-1.0, 1.0]


def test_a_box_ends_where_its_size_says() -> None:
    solid = mesh(Part("box", (0.0, 0.0, 0.5), (2.0, 1.0, 1.0), OBJECT, GREY))
    assert solid.vertices.min(0).tolist() == [-1.0, -0.5, 0.0]
    assert solid.vertices.max(0).tolist() == [1.0, 0.5, 1.0]


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
