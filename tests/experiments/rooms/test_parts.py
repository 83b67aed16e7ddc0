"""Solids against closed forms: volumes by the divergence theorem, turns by scipy."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from experiments.rooms.materials import Material
from experiments.rooms.parts import OBJECT, Mesh, Part, mesh, mirrored, moved

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
