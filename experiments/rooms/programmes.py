"""What a room is for, and the furniture that follows from it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from experiments.rooms import fixtures, furniture
from experiments.rooms.layout import FloorPlan, Item

__all__ = ["PROGRAMMES", "add_more"]


def _relative(anchor: Item, item: Item, x: float, y: float, turn: float) -> Item:
    """Place an item in the frame of another one."""
    c, s = float(np.cos(anchor.angle)), float(np.sin(anchor.angle))
    x, y = anchor.x + c * x - s * y, anchor.y + s * x + c * y
    return replace(item, x=x, y=y, angle=anchor.angle + turn)


def _add_chairs(plan: FloorPlan, rng: np.random.Generator, table: Item) -> None:
    """Put chairs of one kind around a table, pushed under it or drawn back."""
    (x0, y0, _), (x1, y1, _) = table.extent
    kind = int(rng.integers(2**31))
    places = []
    for x in (0.5,) if x1 - x0 < 1.4 else (0.25, 0.75):
        at = x0 + x * (x1 - x0)
        places += [(at, y0, 0.0, -1.0), (at, y1, 0.0, 1.0)]
    middle = (y0 + y1) / 2
    places += [(x0, middle, -1.0, 0.0), (x1, middle, 1.0, 0.0)]
    for x, y, nx, ny in places:
        if rng.random() < 0.25:
            continue
        chair = fixtures.draw_chair(np.random.default_rng(kind))
        out = chair.extent[1, 1] - rng.uniform(-0.2, 0.12)
        turn = float(np.arctan2(nx, -ny))
        plan.try_add(_relative(table, chair, x + nx * out, y + ny * out, turn), ignore=[table])


def _add_desk(plan: FloorPlan, rng: np.random.Generator) -> None:
    desk = plan.place_at_wall(furniture.draw_desk(rng), rng, gap=0.02)
    if desk is not None and rng.random() < 0.9:
        chair = fixtures.draw_chair(rng)
        x, y = rng.uniform(-0.25, 0.25), desk.extent[1, 1] + chair.extent[1, 1]
        y += rng.uniform(0.02, 0.25)
        chair = _relative(desk, chair, x, y, np.pi + rng.uniform(-0.3, 0.3))
        plan.try_add(chair, ignore=[desk])


def _add_sofa(plan: FloorPlan, rng: np.random.Generator) -> None:
    item = furniture.draw_sofa(rng)
    at_wall = rng.random() < 0.7
    sofa = plan.place_at_wall(item, rng, gap=0.03) if at_wall else plan.place_in_room(item, rng)
    if sofa is not None and rng.random() < 0.6:
        table = furniture.draw_coffee_table(rng)
        y = sofa.extent[1, 1] + rng.uniform(0.3, 0.5)
        plan.try_add(_relative(sofa, table, rng.uniform(-0.2, 0.2), y, 0.0), ignore=[sofa])


def _bedroom(plan: FloorPlan, rng: np.random.Generator) -> None:
    bed = plan.place_at_wall(furniture.draw_bed(rng), rng, gap=0.02, tries=60)
    if bed is not None:
        for side in (-1, 1):
            stand = furniture.draw_nightstand(rng)
            x = side * (bed.extent[1, 0] + stand.extent[1, 0] + rng.uniform(0.03, 0.12))
            if rng.random() < 0.7:
                plan.try_add(_relative(bed, stand, x, 0.0, 0.0))
    plan.place_at_wall(furniture.draw_cabinet(rng), rng, gap=0.02)
    if rng.random() < 0.5:
        _add_desk(plan, rng)
    if rng.random() < 0.5:
        plan.place_at_wall(furniture.draw_bookshelf(rng), rng, gap=0.02)
    if rng.random() < 0.3:
        plan.place_at_wall(furniture.draw_sofa(rng, seats=1), rng, gap=0.1)


def _living_room(plan: FloorPlan, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        _add_sofa(plan, rng)
    for _ in range(int(rng.integers(1, 3))):
        builder = furniture.draw_bookshelf if rng.random() < 0.6 else furniture.draw_cabinet
        plan.place_at_wall(builder(rng), rng, gap=0.02)
    if rng.random() < 0.4:
        _add_dining_table(plan, rng)


def _study(plan: FloorPlan, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 4))):
        _add_desk(plan, rng)
    for _ in range(int(rng.integers(1, 4))):
        plan.place_at_wall(furniture.draw_bookshelf(rng), rng, gap=0.02)
    if rng.random() < 0.5:
        plan.place_at_wall(furniture.draw_cabinet(rng), rng, gap=0.02)
    if rng.random() < 0.3:
        _add_sofa(plan, rng)


def _kitchen(plan: FloorPlan, rng: np.random.Generator) -> None:
    for _ in range(int(rng.integers(1, 3))):
        plan.place_at_wall(furniture.draw_kitchen(rng), rng, gap=0.02)
    for _ in range(int(rng.integers(1, 3))):
        _add_dining_table(plan, rng)
    if rng.random() < 0.5:
        plan.place_at_wall(furniture.draw_cabinet(rng), rng, gap=0.02)


def add_more(plan: FloorPlan, rng: np.random.Generator) -> None:
    """Add a few pieces that the room's purpose does not ask for."""
    for _ in range(int(rng.integers(2, 6))):
        kind = rng.integers(6)
        if kind == 0:
            plan.place_at_wall(furniture.draw_bed(rng), rng, gap=0.02)
        elif kind == 1:
            _add_desk(plan, rng)
        elif kind == 2:
            _add_dining_table(plan, rng)
        elif kind == 3:
            plan.place_in_room(furniture.draw_coffee_table(rng), rng)
        else:
            _add_sofa(plan, rng)


def _add_dining_table(plan: FloorPlan, rng: np.random.Generator) -> None:
    turn = 0.0 if rng.random() < 0.6 else np.pi
    table = plan.place_in_room(furniture.draw_dining_table(rng), rng, turn=turn)
    if table is not None:
        _add_chairs(plan, rng, table)


PROGRAMMES: tuple[Callable[[FloorPlan, np.random.Generator], None], ...] = (
    _bedroom,
    _living_room,
    _study,
    _kitchen,
)
