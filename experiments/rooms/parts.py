"""Labelled solids: the bricks from which every piece of a room is built.

Lengths are metres, x and y lie in the floor plane and z points up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.rooms.materials import Material

__all__ = ["CEILING", "FURNITURE", "GROUND", "OBJECT", "VERTICAL", "Mesh", "Part", "mesh",
           "mirrored", "moved"]  # fmt: skip

GROUND, VERTICAL, CEILING, FURNITURE, OBJECT = range(5)

Vector = tuple[float, float, float]
Points = NDArray[np.float64]


@dataclass(frozen=True)
class Part:
    """One solid of one class and one material.

    `size` is measured before the solid is tilted about its x axis and then turned by `angle`
    about the vertical (radians). A panel is a rectangle that faces +y
    and shows its texture once. A cylinder narrows towards its top by the factor `taper`; a
    "round" solid is a superellipsoid, from an ellipsoid (`roundness` 1) to a box (0).
    With `light` the surface emits its texture times this radiance.
    """

    kind: Literal["box", "panel", "cylinder", "round"]
    centre: Vector
    size: Vector
    label: int
    material: Material
    angle: float = 0.0
    tilt: float = 0.0
    taper: float = 1.0
    roundness: float = 1.0
    light: float = 0.0


@dataclass(frozen=True)
class Mesh:
    """Triangles: `vertices` (n, 3), `faces` (m, 3), `uv` (n, 2) in metres, `normals` if smooth."""

    vertices: Points
    faces: NDArray[np.int64]
    uv: Points
    normals: Points | None = None


def moved(part: Part, x: float, y: float, angle: float, z: float = 0.0) -> Part:
    """Turn a part by `angle` about the origin and shift it by (x, y, z)."""
    cx, cy, cz = part.centre
    c, s = float(np.cos(angle)), float(np.sin(angle))
    centre = (c * cx - s * cy + x, s * cx + c * cy + y, cz + z)
    return replace(part, centre=centre, angle=part.angle + angle)


def mirrored(part: Part) -> list[Part]:
    """Return the part's mirror image on the other side of x = 0, and the part."""
    x, y, z = part.centre
    return [replace(part, centre=(-x, y, z)), part]


def mesh(part: Part) -> Mesh:
    """Return the triangles of a part, placed in the room."""
    size = np.asarray(part.size)
    if part.kind == "box":
        solid = _box(size)
    elif part.kind == "panel":
        solid = _panel(size)
    elif part.kind == "cylinder":
        solid = _cylinder(size, part.taper)
    else:
        solid = _superellipsoid(size, part.roundness)
    turn = _rotation(part).T
    normals = None if solid.normals is None else solid.normals @ turn
    vertices = solid.vertices @ turn + np.asarray(part.centre)
    return replace(solid, vertices=vertices, normals=normals)


def _rotation(part: Part) -> Points:
    c, s = np.cos(part.angle), np.sin(part.angle)
    yaw = np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])
    c, s = np.cos(part.tilt), np.sin(part.tilt)
    turn: Points = yaw @ np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return turn


def _box(size: Points) -> Mesh:
    corners = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) / 2
    vertices: list[Points] = []
    faces, uv = [], []
    # (normal axis, horizontal axis, vertical axis): wood grain and stripes run along v
    for axis, u, v in ((0, 1, 2), (1, 0, 2), (2, 0, 1)):
        for side in (-1, 1):
            face = np.zeros((4, 3))
            face[:, axis], face[:, u], face[:, v] = side / 2, corners[:, 0], corners[:, 1]
            outward = side if axis != 1 else -side
            order = [[0, 1, 2], [0, 2, 3]] if outward > 0 else [[0, 2, 1], [0, 3, 2]]
            faces.append(np.array(order) + 4 * len(vertices))
            vertices.append(face * size)
            uv.append((corners + 0.5) * size[[u, v]])
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uv))


def _panel(size: Points) -> Mesh:
    corners = np.array([(-1, 0, -1), (1, 0, -1), (1, 0, 1), (-1, 0, 1)]) / 2
    uv = (corners[:, [0, 2]] + 0.5) * size[[0, 2]]
    return Mesh(corners * size, np.array([[0, 2, 1], [0, 3, 2]]), uv)


def _cylinder(size: Points, taper: float, sides: int = 20) -> Mesh:
    turn = np.linspace(0, 2 * np.pi, sides + 1)
    circle = np.stack([np.cos(turn), np.sin(turn)], axis=1) / 2
    slope = (1 - taper) * size[:2].mean() / 2 / size[2]
    vertices, normals, uv, faces = [], [], [], []
    for z, scale in ((-0.5, 1.0), (0.5, taper)):
        vertices.append(np.c_[circle * scale, np.full(sides + 1, z)] * size)
        normals.append(np.c_[circle * 2, np.full(sides + 1, slope)])
        uv.append(np.c_[turn / 2 * size[0], np.full(sides + 1, (z + 0.5) * size[2])])
    i = np.arange(sides)
    low, high = i, i + sides + 1
    faces += [np.c_[low, low + 1, high + 1], np.c_[low, high + 1, high]]
    for z, scale in ((-0.5, 1.0), (0.5, taper)):
        first = sum(map(len, vertices))
        rim = circle[:-1] * scale
        vertices.append(np.c_[rim, np.full(sides, z)] * size)
        normals.append(np.tile([0.0, 0.0, np.sign(z)], (sides, 1)))
        uv.append(rim * size[:2])
        fan = np.c_[np.zeros(sides - 2, int), i[1:-1], i[2:]]
        faces.append(first + (fan if z > 0 else fan[:, ::-1]))
    unit = np.concatenate(normals)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return Mesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(uv), unit)


def _superellipsoid(size: Points, roundness: float, rows: int = 12, columns: int = 24) -> Mesh:
    def power(t: Points, exponent: float) -> Points:
        return np.sign(t) * np.abs(t) ** exponent

    latitude = np.linspace(-np.pi / 2, np.pi / 2, rows + 1)
    longitude = np.linspace(0, 2 * np.pi, columns + 1)
    b, a = (grid.ravel() for grid in np.meshgrid(latitude, longitude, indexing="ij"))
    direction = np.stack([np.cos(b) * np.cos(a), np.cos(b) * np.sin(a), np.sin(b)], axis=1)
    factors = np.stack([np.cos(b), np.cos(b), np.sin(b)], axis=1)
    around = np.stack([np.cos(a), np.sin(a), np.ones_like(a)], axis=1)
    vertices = power(factors, roundness) * power(around, roundness) * size / 2
    normals = power(factors, 2 - roundness) * power(around, 2 - roundness) / size
    normals = np.where(np.abs(normals).sum(1, keepdims=True) > 0, normals, direction)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(rows), np.arange(columns)))
    corner = i * (columns + 1) + j
    above = corner + columns + 1
    faces = np.concatenate([np.c_[corner, corner + 1, above + 1], np.c_[corner, above + 1, above]])
    return Mesh(vertices, faces, vertices[:, :2] + vertices[:, 2:], normals)
