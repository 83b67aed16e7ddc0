"""A room: shell, furniture, lights and camera, drawn from a seed. Pure data, no renderer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from experiments.rooms import fixtures
from experiments.rooms.layout import CEILING, GROUND, OBJECT, VERTICAL, FloorPlan, Item, Part
from experiments.rooms.materials import (
    Material,
    draw_colour,
    draw_finish,
    draw_material,
    draw_timber,
)
from experiments.rooms.programmes import PROGRAMMES, add_more

__all__ = ["Camera", "Room", "draw_camera", "draw_room", "draw_shell", "empty_room", "view_space"]

NEAREST = 0.55  # metres: no wall, floor or ceiling in view comes nearer (planar depth)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: position in metres, angles in radians, `fov` the horizontal angle of view.

    At yaw 0 and pitch 0 it looks along +y; a positive yaw turns it to the left.
    """

    position: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    fov: float = 1.0

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors right, up and forward in the room, shape (3, 3)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([-sy * cp, cy * cp, sp])
        right = np.array([cy, sy, 0.0])
        return np.stack([right, np.cross(right, forward), forward])


def draw_camera(rng: np.random.Generator, w: float, d: float, h: float) -> Camera:
    """Draw a view of a room of w x d x h metres: from near y = 0, at eye height, into the room."""
    while True:
        x, y = rng.uniform((0.15 * w, 0.2), (0.85 * w, 0.5 + 0.15 * d)).tolist()
        tx, ty = rng.uniform((0.1 * w, 0.6 * d), (0.9 * w, d))
        z = rng.uniform(1.15, min(1.75, h - 0.7))
        yaw = float(np.arctan2(x - tx, ty - y))
        pitch = float(np.clip(np.radians(rng.normal(-9.5, 9.5)), -0.45, 0.25))
        camera = Camera((x, y, z), yaw, pitch, fov=float(np.radians(rng.uniform(54, 72))))
        if _nearest_shell(camera, w, d, h) > NEAREST:
            return camera


def _nearest_shell(camera: Camera, w: float, d: float, h: float) -> float:
    """Smallest planar depth of the empty room over the view (a 4:3 picture)."""
    u, v = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(-0.75, 0.75, 13))
    tangent = np.tan(camera.fov / 2)
    screen = np.stack([u * tangent, v * tangent, np.ones_like(u)], axis=-1)  # planar depth 1
    rays = screen @ camera.axes
    low, high = -np.asarray(camera.position), np.array([w, d, h]) - camera.position
    with np.errstate(divide="ignore"):
        depths = np.where(rays > 0, high, low) / rays
    return float(depths.min())


def view_space(camera: Camera, height: float) -> tuple[Item, Item]:
    """Spaces kept free: all around the camera, and in front of it from 0.8 m above the floor."""
    air = Material("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    x, y, _ = camera.position
    around = Part("box", (0, 0, height / 2), (1.5, 1.5, height), OBJECT, air)
    ahead = Part("box", (0, 1.0, height / 2 + 0.4), (1.2, 2.0, height - 0.8), OBJECT, air)
    return (
        Item("camera", (around,), x=x, y=y, angle=camera.yaw),
        Item("view", (ahead,), x=x, y=y, angle=camera.yaw),
    )


def draw_shell(
    rng: np.random.Generator, w: float, d: float, h: float, *, skirting: bool = True
) -> tuple[Part, ...]:
    """Draw floor, ceiling, four walls (one perhaps of another colour) and skirting boards.

    The inner faces lie at 0 and w, 0 and d, 0 and h metres.
    """
    wall = _draw_wall(rng)
    accent = _draw_wall(rng) if rng.random() < 0.35 else wall
    t = 0.1
    parts = [
        Part("box", (w / 2, d / 2, -t / 2), (w + 2 * t, d + 2 * t, t), GROUND, _draw_floor(rng)),
        Part("box", (w / 2, d / 2, h + t / 2), (w + 2 * t, d + 2 * t, t), CEILING,
             _draw_ceiling(rng)),
        Part("box", (w / 2, d + t / 2, h / 2), (w, t, h), VERTICAL, accent),
        Part("box", (w / 2, -t / 2, h / 2), (w, t, h), VERTICAL, wall),
        Part("box", (-t / 2, d / 2, h / 2), (t, d, h), VERTICAL, wall),
        Part("box", (w + t / 2, d / 2, h / 2), (t, d, h), VERTICAL, wall),
    ]  # fmt: skip
    if skirting and rng.random() < 0.8:
        board = draw_timber(rng)
        parts += [
            Part("box", (w / 2, d - 0.006, 0.045), (w, 0.012, 0.09), VERTICAL, board),
            Part("box", (0.006, d / 2, 0.045), (0.012, d, 0.09), VERTICAL, board),
            Part("box", (w - 0.006, d / 2, 0.045), (0.012, d, 0.09), VERTICAL, board),
        ]
    return tuple(parts)


def _draw_wall(rng: np.random.Generator) -> Material:
    pattern = str(rng.choice(["plaster", "plain", "stripes", "bricks", "tiles", "dots"],
                             p=(0.45, 0.3, 0.1, 0.05, 0.05, 0.05)))  # fmt: skip
    vivid = rng.random() < 0.5
    colour = draw_colour(rng, saturation=(0.2, 0.65) if vivid else (0.0, 0.2), value=(0.4, 0.85))
    contrast = 0.12 if pattern in ("stripes", "dots") else 0.2
    span = 0.8 if pattern in ("stripes", "tiles", "dots", "bricks") else 2.5
    return draw_material(rng, pattern, colour=colour, contrast=contrast, span=span)


def _draw_floor(rng: np.random.Generator) -> Material:
    kinds = ["planks", "tiles", "carpet", "checker"]
    return draw_finish(rng, str(rng.choice(kinds, p=(0.45, 0.2, 0.25, 0.1))))


def _draw_ceiling(rng: np.random.Generator) -> Material:
    if rng.random() < 0.1:
        return replace(draw_timber(rng), pattern="planks", span=1.0)
    return draw_finish(rng, "ceiling")


@dataclass(frozen=True)
class Room:
    """A furnished room of `width` (x) by `depth` (y) by `height` metres.

    `exposure` is the brightness that the picture's mean log luminance is brought to,
    `balance` the camera's gain for red, green and blue.
    """

    seed: int
    width: float
    depth: float
    height: float
    shell: tuple[Part, ...]
    items: tuple[Item, ...]
    camera: Camera
    exposure: float = 0.2
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All solids in the frame of the room."""
        return self.shell + tuple(part for item in self.items for part in item.placed_parts)


def draw_room(seed: int) -> Room:
    """Draw the room of a seed; the same seed always gives the same room."""
    rng = np.random.default_rng(seed)
    w, d, h = rng.uniform((2.8, 3.4, 2.3), (5.0, 6.4, 2.8)).tolist()
    camera = draw_camera(rng, w, d, h)
    plan = FloorPlan(w, d, h, reserved=view_space(camera, h))
    _add_openings(plan, rng)
    _add_lamps(plan, rng)
    PROGRAMMES[rng.integers(len(PROGRAMMES))](plan, rng)
    add_more(plan, rng)
    _add_decoration(plan, rng)
    return Room(
        seed, w, d, h,
        shell=draw_shell(rng, w, d, h),
        items=tuple(plan.items),
        camera=camera,
        exposure=rng.uniform(0.16, 0.32),
        balance=(rng.uniform(0.88, 1.15), 1.0, rng.uniform(0.85, 1.12)),
    )  # fmt: skip


def empty_room(width: float, depth: float, height: float, camera: Camera) -> Room:
    """A bare room with one lamp, for which every depth is known in closed form."""
    rng = np.random.default_rng(0)
    glass = Material("plain", (0.9, 0.9, 0.9), (0.9, 0.9, 0.9))
    lamp = Part("box", (width / 2, depth / 2, height), (0.4, 0.4, 0.001), OBJECT, glass, light=20)
    shell = draw_shell(rng, width, depth, height, skirting=False)
    return Room(0, width, depth, height, shell, (Item("lamp", (lamp,)),), camera)


def _add_openings(plan: FloorPlan, rng: np.random.Generator) -> None:
    """A door, windows and pillars; at night the windows are dark."""
    light = float(rng.choice([0.0, 4.0, 8.0, 14.0], p=(0.15, 0.3, 0.35, 0.2)))
    if rng.random() < 0.7:
        plan.place_at_wall(fixtures.draw_door(rng), rng, gap=0.0)
    for _ in range(int(rng.choice([1, 2, 3], p=(0.45, 0.4, 0.15)))):
        window = fixtures.draw_window(rng, plan.height, light=light)
        plan.place_at_wall(window, rng, weights=(0.35, 0.3, 0.3, 0.05), gap=0.004)
    if rng.random() < 0.2:
        plan.place_at_wall(fixtures.draw_pillar(rng, plan.height), rng, gap=0.0)


def _add_lamps(plan: FloorPlan, rng: np.random.Generator) -> None:
    light = float(rng.choice([4.0, 12.0, 25.0]))
    for _ in range(int(rng.choice([1, 2], p=(0.85, 0.15)))):
        lamp = fixtures.draw_ceiling_lamp(rng, plan.height, light=light)
        plan.place_in_room(lamp, rng, turn=0.0)


def _add_decoration(plan: FloorPlan, rng: np.random.Generator) -> None:
    if rng.random() < 0.5:
        lamp = fixtures.draw_floor_lamp(rng, light=float(rng.choice([0.0, 0.0, 8.0])))
        plan.place_at_wall(lamp, rng, gap=0.03)
    for _ in range(int(rng.integers(0, 5))):
        plan.place_at_wall(fixtures.draw_picture(rng), rng)
    for _ in range(int(rng.integers(0, 3))):
        plan.place_at_wall(fixtures.draw_chair(rng), rng, gap=0.05)
    for _ in range(int(rng.integers(0, 5))):
        item = fixtures.draw_loose_thing(rng)
        if rng.random() < 0.6:
            plan.place_at_wall(item, rng, gap=0.05)
        else:
            plan.place_in_room(item, rng)
    for _ in range(int(rng.choice([0, 1, 2], p=(0.4, 0.45, 0.15)))):
        others = [item for item in plan.items if item.name != "rug"]
        rug = fixtures.draw_rug(rng)
        x, y = rng.uniform(0.5, plan.width - 0.5), rng.uniform(0.4, 0.9) * plan.depth
        angle = np.pi + float(rng.choice([0.0, rng.uniform(-0.4, 0.4)]))
        plan.try_add(replace(rug, x=x, y=y, angle=angle), ignore=[*others, *plan.reserved])
