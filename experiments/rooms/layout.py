"""Labelled solids, items made of them, and a floor plan that refuses overlaps.

Solids are the bricks from which every piece of a room is built. Lengths are metres, x and y lie in
the floor plane and z points up.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from experiments.rooms.materials import Material

__all__ = [
    "CEILING",
    "FURNITURE",
    "GROUND",
    "OBJECT",
    "VERTICAL",
    "WALLS",
    "FloorPlan",
    "Item",
    "Mesh",
    "Part",
    "Surface",
    "clash",
    "mesh",
    "mirrored",
    "moved",
]

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


WALLS = ("back", "left", "right", "front")


@dataclass(frozen=True)
class Surface:
    """A level rectangle that can carry small things: x0 < x < x1, y0 < y < y1 at height z.

    `room` is the free height above it.
    """

    x0: float
    x1: float
    y0: float
    y1: float
    z: float
    room: float = 1.0


@dataclass(frozen=True)
class Item:
    """A thing in a room: parts in its own frame, whose back lies at y = 0, facing +y.

    `clearance` is the free floor that it needs in front (a door, a wardrobe).
    """

    name: str
    parts: tuple[Part, ...]
    clearance: float = 0.0
    x: float = 0.0
    y: float = 0.0
    angle: float = 0.0

    @property
    def extent(self) -> NDArray[np.float64]:
        """Bounds in the item's own frame, shape (2, 3): lower and upper corner."""
        return _extent(self.parts)

    @property
    def footprint(self) -> NDArray[np.float64]:
        """Corners of the floor area it takes in the room, clearance included, shape (4, 2)."""
        (x0, y0, _), (x1, y1, _) = self.extent
        y1 += self.clearance
        c, s = np.cos(self.angle), np.sin(self.angle)
        corners = np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])
        turn = np.array([[c, s], [-s, c]])
        placed: NDArray[np.float64] = corners @ turn + np.array([self.x, self.y])
        return placed

    @property
    def placed_parts(self) -> tuple[Part, ...]:
        """The parts in the frame of the room."""
        return tuple(moved(part, self.x, self.y, self.angle) for part in self.parts)


@lru_cache(maxsize=256)
def _extent(parts: tuple[Part, ...]) -> NDArray[np.float64]:
    vertices = np.concatenate([mesh(part).vertices for part in parts])
    return np.stack([vertices.min(axis=0), vertices.max(axis=0)])


def clash(a: Item, b: Item) -> bool:
    """Whether the bounding boxes of two placed items overlap; clearances count as taken."""
    if a.extent[1, 2] <= b.extent[0, 2] or b.extent[1, 2] <= a.extent[0, 2]:
        return False
    # separating axis theorem: two rectangles are apart if and only if a side of one parts them
    first, second = a.footprint, b.footprint
    for corners in (first, second):
        for side in (corners[1] - corners[0], corners[2] - corners[1]):
            p, q = first @ side, second @ side
            if p.max() <= q.min() or q.max() <= p.min():
                return False
    return True


@dataclass
class FloorPlan:
    """A room of `width` (x) by `depth` (y) by `height` metres that is being filled.

    `reserved` holds spaces that stay empty, such as the one around the camera.
    """

    width: float
    depth: float
    height: float
    reserved: Sequence[Item] = ()
    items: list[Item] = field(default_factory=list)

    def try_add(self, item: Item, *, ignore: Sequence[Item] = ()) -> bool:
        """Add an item if it lies inside the room and hits nothing but items in `ignore`."""
        corners, top = item.footprint, item.extent[1, 2]
        inside = (corners >= -1e-9).all() and (corners <= (self.width, self.depth)).all()
        if not inside or top > self.height:
            return False
        skipped = {id(other) for other in ignore}
        others = (x for x in (*self.reserved, *self.items) if id(x) not in skipped)
        if any(clash(item, other) for other in others):
            return False
        self.items.append(item)
        return True

    def against(self, item: Item, wall: str, along: float, *, gap: float = 0.002) -> Item:
        """Put the item's back `gap` metres from a wall, centred `along` metres along it."""
        x, y, angle = {
            "back": (along, self.depth - gap, np.pi),
            "left": (gap, along, -np.pi / 2),
            "right": (self.width - gap, along, np.pi / 2),
            "front": (along, gap, 0.0),
        }[wall]
        return replace(item, x=x, y=y, angle=angle)

    def place_at_wall(
        self,
        item: Item,
        rng: np.random.Generator,
        *,
        weights: Sequence[float] = (0.45, 0.25, 0.25, 0.05),
        gap: float = 0.002,
        tries: int = 25,
    ) -> Item | None:
        """Try random places along the walls (`weights` in the order of `WALLS`).

        The side walls are filled from a quarter of their length on: the camera is near y = 0.
        """
        for _ in range(tries):
            wall = str(rng.choice(WALLS, p=np.asarray(weights) / np.sum(weights)))
            across = wall in ("back", "front")
            along = rng.uniform(0, self.width) if across else rng.uniform(0.25, 1) * self.depth
            placed = self.against(item, wall, float(along), gap=gap)
            if self.try_add(placed):
                return placed
        return None

    def place_in_room(
        self, item: Item, rng: np.random.Generator, *, turn: float = np.pi, tries: int = 25
    ) -> Item | None:
        """Try random places on the floor, turned by up to `turn` radians from facing the camera."""
        for _ in range(tries):
            x, y = rng.uniform(0, self.width), rng.uniform(0.2, 1) * self.depth
            placed = replace(item, x=float(x), y=float(y), angle=np.pi + rng.uniform(-turn, turn))
            if self.try_add(placed):
                return placed
        return None
