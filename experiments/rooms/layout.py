"""Where things stand: items with a footprint, and a floor plan that refuses overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from experiments.rooms.parts import Part, mesh, moved

__all__ = ["WALLS", "FloorPlan", "Item", "Surface", "clash"]

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
