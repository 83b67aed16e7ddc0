"""A room: shell, furniture, lights and camera, drawn from a seed. Pure data, no renderer."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from experiments.rooms import fixtures
from experiments.rooms.camera import Camera, draw_camera, view_space
from experiments.rooms.layout import FloorPlan, Item
from experiments.rooms.materials import Material
from experiments.rooms.parts import OBJECT, Part
from experiments.rooms.programmes import PROGRAMMES, add_more
from experiments.rooms.shell import draw_shell

__all__ = ["Room", "draw_room", "empty_room"]


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
    """Draw the room of a seed; the same seed always gives the same room.

    Examples
    --------
    >>> draw_room(7) == draw_room(7)
    True
    """
    rng = np.random.default_rng(seed)
    w, d, h = (float(x) for x in rng.uniform((2.8, 3.4, 2.3), (5.0, 6.4, 2.8)))
    camera = draw_camera(rng, w, d, h)
    plan = FloorPlan(w, d, h)
    for space in view_space(camera, h):
        plan.reserved.append(space)
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
        exposure=float(rng.uniform(0.16, 0.32)),
        balance=(float(rng.uniform(0.88, 1.15)), 1.0, float(rng.uniform(0.85, 1.12))),
    )  # fmt: skip


def empty_room(width: float, depth: float, height: float, camera: Camera) -> Room:
    """A bare room with one lamp, for which every depth is known in closed form.

    Examples
    --------
    >>> empty_room(3.0, 4.0, 2.5, Camera((1.5, 0.5, 1.2))).parts[0].label
    0
    """
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
        others = [item for item in plan.items if item.name != "rug"] + plan.reserved
        rug = replace(fixtures.draw_rug(rng), x=float(rng.uniform(0.5, plan.width - 0.5)),
                      y=float(rng.uniform(0.4, 0.9) * plan.depth),
                      angle=np.pi + float(rng.choice([0.0, rng.uniform(-0.4, 0.4)])))  # fmt: skip
        plan.try_add(rug, ignore=others)
