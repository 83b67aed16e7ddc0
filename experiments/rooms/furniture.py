"""Large furniture: beds, sofas, tables and desks (furniture), shelves and cabinets (vertical).

Every builder draws one item in its own frame: back at y = 0, front towards +y, standing on z = 0.
Things that lie on it (pillows, books, clutter) come with it and are objects.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np

from experiments.rooms.clutter import book_row, scatter
from experiments.rooms.layout import (
    FURNITURE,
    OBJECT,
    VERTICAL,
    Item,
    Part,
    Surface,
    mirrored,
    moved,
)
from experiments.rooms.materials import Material, draw_finish, draw_timber

__all__ = [
    "draw_bed",
    "draw_bookshelf",
    "draw_cabinet",
    "draw_coffee_table",
    "draw_desk",
    "draw_dining_table",
    "draw_kitchen",
    "draw_nightstand",
    "draw_sofa",
]


def draw_bed(rng: np.random.Generator) -> Item:
    """A single or double bed whose head is at the back."""
    w, d, h = float(rng.choice([0.95, 1.25, 1.6, 1.8])), 2.05, rng.uniform(0.28, 0.4)
    frame, sheet = draw_timber(rng), draw_finish(rng, "cloth", contrast=0.1)
    blanket = draw_finish(rng, "cloth")
    head = rng.uniform(0.7, 1.15)
    parts = [
        Part("box", (0, 0.03, head / 2), (w + 0.06, 0.06, head), FURNITURE, frame),
        Part("box", (0, d / 2 + 0.06, h / 2 + 0.03), (w, d, h - 0.06), FURNITURE, frame),
        Part("round", (0, d / 2 + 0.06, h + 0.08), (w, d, 0.24), FURNITURE, sheet, roundness=0.2),
    ]
    length = d * rng.uniform(0.55, 0.75)
    cover = (w + 0.06, length, 0.3)
    y = d + 0.09 - length / 2
    parts.append(Part("round", (0, y, h + 0.09), cover, FURNITURE, blanket, roundness=0.25))
    if rng.random() < 0.35:
        parts.append(Part("box", (0, d + 0.12, 0.32), (w + 0.06, 0.05, 0.64), FURNITURE, frame))
    pillow = draw_finish(rng, "cloth", contrast=0.2, span=0.3)
    size = (min(0.7, 0.46 * w), 0.42, 0.18)
    for x in (-w / 4, w / 4) if w > 1.2 else (0.0,):
        part = Part("round", (x, 0.32, h + 0.27), size, OBJECT, pillow, roundness=0.6)
        turn, lean = rng.uniform(-0.15, 0.15), rng.uniform(-0.5, 0.0)
        parts.append(replace(part, angle=turn, tilt=lean))
    if rng.random() < 0.35:
        surface = Surface(-w / 2, w / 2, y - length / 3, y + length / 3, h + 0.235, room=0.3)
        parts += scatter(rng, surface, 1)
    return Item("bed", tuple(parts), clearance=0.2)


def draw_sofa(rng: np.random.Generator, *, seats: int | None = None) -> Item:
    """An armchair or a sofa with up to three seats."""
    count = int(rng.choice([1, 2, 3], p=(0.3, 0.4, 0.3))) if seats is None else seats
    seat, arm = rng.uniform(0.58, 0.7), rng.uniform(0.12, 0.22)
    w, d = count * seat + 2 * arm, rng.uniform(0.8, 0.95)
    back, arm_height = rng.uniform(0.72, 0.92), rng.uniform(0.52, 0.64)
    cloth, soft = draw_finish(rng, "cloth"), rng.uniform(0.12, 0.3)
    parts = [
        Part("box", (0, d / 2, 0.15), (w - 0.04, d - 0.04, 0.22), FURNITURE, cloth),
        Part("round", (0, 0.13, back / 2 + 0.04), (w - arm, 0.26, back - 0.08), FURNITURE, cloth,
             roundness=soft),
    ]  # fmt: skip
    centre, size = ((w - arm) / 2, d / 2, arm_height / 2 + 0.02), (arm, d, arm_height - 0.04)
    parts += mirrored(Part("round", centre, size, FURNITURE, cloth, roundness=soft))
    for i in range(count):
        x = (i - (count - 1) / 2) * seat
        size = (seat - 0.01, d - 0.24, 0.2)
        parts.append(Part("round", (x, d / 2 + 0.14, 0.36), size, FURNITURE, cloth, roundness=soft))
        if rng.random() < 0.4:  # a pillow that leans on the back
            pillow = draw_finish(rng, "cloth", span=0.3, contrast=0.6)
            part = Part("round", (x, 0.34, 0.62), (0.44, 0.14, 0.4), OBJECT, pillow, tilt=0.3)
            parts.append(replace(part, roundness=0.5))
    return Item("sofa", tuple(parts), clearance=0.35)


def _table(rng: np.random.Generator, w: float, d: float, h: float, *, clutter: int) -> list[Part]:
    wood, top = draw_timber(rng), rng.uniform(0.025, 0.05)
    if rng.random() < 0.25 and abs(w - d) < 0.4:
        w = d = (w + d) / 2
        parts = [
            Part("cylinder", (0, d / 2, h - top / 2), (w, w, top), FURNITURE, wood),
            Part("cylinder", (0, d / 2, (h - top) / 2), (0.1, 0.1, h - top), FURNITURE, wood),
            Part("cylinder", (0, d / 2, 0.02), (w / 2, w / 2, 0.04), FURNITURE, wood),
        ]
        half = w * 0.35
        surface = Surface(-half, half, d / 2 - half, d / 2 + half, h)
    else:
        parts = [Part("box", (0, d / 2, h - top / 2), (w, d, top), FURNITURE, wood)]
        thick, tall = rng.uniform(0.04, 0.08), h - top
        for x, y in product((thick - w / 2, w / 2 - thick), (thick - d / 2, d / 2 - thick)):
            centre = (x, d / 2 + y, tall / 2)
            parts.append(Part("box", centre, (thick, thick, tall), FURNITURE, wood))
        surface = Surface(-w / 2, w / 2, 0, d, h)
    return [*parts, *scatter(rng, surface, int(rng.integers(0, clutter + 1)))]


def draw_dining_table(rng: np.random.Generator) -> Item:
    """A table of sitting height with things on it."""
    w, d, h = rng.uniform((0.8, 0.75, 0.71), (1.9, 1.0, 0.78)).tolist()
    return Item("dining table", tuple(_table(rng, w, d, h, clutter=6)))


def draw_coffee_table(rng: np.random.Generator) -> Item:
    """A low table."""
    w, d, h = rng.uniform((0.6, 0.5, 0.34), (1.2, 0.7, 0.5)).tolist()
    return Item("coffee table", tuple(_table(rng, w, d, h, clutter=4)))


def draw_desk(rng: np.random.Generator) -> Item:
    """A desk against a wall, with a screen or a laptop, and drawers on one side."""
    w, d, h = rng.uniform(1.0, 1.7), rng.uniform(0.6, 0.78), 0.74
    wood, side = draw_timber(rng), float(rng.choice([-1, 1]))
    parts = [
        Part("box", (0, d / 2, h - 0.015), (w, d, 0.03), FURNITURE, wood),
        Part("box", (-side * (w / 2 - 0.02), d / 2, (h - 0.03) / 2), (0.03, d - 0.04, h - 0.03),
             FURNITURE, wood),
        Part("box", (side * (w / 2 - 0.22), d / 2 - 0.01, (h - 0.03) / 2),
             (0.4, d - 0.05, h - 0.03), FURNITURE, wood),
        Part("box", (0, 0.03, h - 0.2), (w - 0.1, 0.02, 0.3), FURNITURE, wood),
    ]  # fmt: skip
    front = draw_timber(rng) if rng.random() < 0.4 else wood
    for i in range(3):
        centre = (side * (w / 2 - 0.22), d - 0.03, 0.14 + 0.23 * i)
        parts.append(Part("box", centre, (0.36, 0.02, 0.2), FURNITURE, front))
    x = rng.uniform(-0.2, 0.2)
    parts += _screen(rng, x, 0.2, h, rng.uniform(0.42, 0.62))
    parts += scatter(rng, Surface(-w / 2, x - 0.34, 0.02, d, h), 2)
    parts += scatter(rng, Surface(x + 0.34, w / 2, 0.02, d, h), 2)
    return Item("desk", tuple(parts), clearance=0.3)


def _screen(rng: np.random.Generator, x: float, y: float, z: float, w: float) -> list[Part]:
    black = Material("plain", (0.03, 0.03, 0.035), (0.06, 0.06, 0.06))
    glass, h = draw_finish(rng, "painting"), 0.58 * w
    shown = glass if rng.random() < 0.4 else black
    return [
        Part("box", (x, y, z + 0.01), (0.24, 0.18, 0.02), OBJECT, black),
        Part("box", (x, y - 0.02, z + 0.09), (0.06, 0.03, 0.18), OBJECT, black),
        Part("box", (x, y, z + 0.11 + h / 2), (w, 0.03, h), OBJECT, black),
        Part("box", (x, y + 0.016, z + 0.11 + h / 2), (w - 0.03, 0.004, h - 0.03), OBJECT, shown),
        Part("box", (x, y + 0.24, z + 0.012), (0.4, 0.14, 0.024), OBJECT, black),
    ]


def draw_bookshelf(rng: np.random.Generator) -> Item:
    """A shelf (vertical) with books and things in it (objects)."""
    w, d, h = rng.uniform((0.6, 0.26, 0.8), (1.3, 0.36, 2.1)).tolist()
    wood = draw_timber(rng)
    rows = max(2, round(h / rng.uniform(0.3, 0.42)))
    parts = [Part("box", (0, 0.01, h / 2), (w, 0.02, h), VERTICAL, wood)]
    centre = (w / 2 - 0.012, d / 2 + 0.01, h / 2)
    parts += mirrored(Part("box", centre, (0.024, d - 0.02, h), VERTICAL, wood))
    for i in range(rows + 1):
        z = 0.04 + i * (h - 0.052) / rows
        board = (w - 0.05, d - 0.03, 0.024)
        parts.append(Part("box", (0, d / 2 + 0.01, z), board, VERTICAL, wood))
        if i < rows:
            room = (h - 0.052) / rows - 0.03
            surface = Surface(-w / 2 + 0.03, w / 2 - 0.03, 0.03, d, z + 0.013, room)
            books = rng.random() < 0.65
            parts += book_row(rng, surface) if books else scatter(rng, surface, 3)
    if h < 1.6:
        parts += scatter(rng, Surface(-w / 2, w / 2, 0, d, h), 3)
    return Item("bookshelf", tuple(parts), clearance=0.3)


def draw_cabinet(rng: np.random.Generator) -> Item:
    """A wardrobe or a cupboard (vertical), or a chest of drawers (object, as NYU's 'dresser')."""
    tall = rng.random() < 0.6
    w, d = rng.uniform(0.7, 1.6), rng.uniform(0.4, 0.6)
    h = rng.uniform(1.7, 2.2) if tall else rng.uniform(0.7, 1.1)
    drawers = not tall and rng.random() < 0.5
    label = OBJECT if drawers else VERTICAL
    columns = max(1, round(w / 0.55))
    parts = _fronts(rng, w, d, h, columns, 4 if drawers else 1, label)
    if not tall:
        parts += scatter(rng, Surface(-w / 2, w / 2, 0, d, h), 4)
    return Item("cabinet", tuple(parts), clearance=0.35)


def _fronts(
    rng: np.random.Generator, w: float, d: float, h: float, columns: int, rows: int, label: int
) -> list[Part]:
    """A body with `columns` x `rows` doors or drawers, each with a knob."""
    body = draw_timber(rng)
    front = draw_timber(rng) if rng.random() < 0.3 else body
    metal = Material("plain", (0.5, 0.5, 0.5), (0.3, 0.3, 0.3))
    parts = [Part("box", (0, d / 2 - 0.01, h / 2), (w, d - 0.02, h), label, body)]
    dx, dz = w / columns, (h - 0.08) / rows
    for i in range(columns):
        for j in range(rows):
            x, z = (i + 0.5) * dx - w / 2, 0.06 + (j + 0.5) * dz
            size = (dx - 0.02, 0.018, dz - 0.02)
            parts.append(Part("box", (x, d - 0.01, z), size, label, front))
            knob = (x if rows > 1 else x + (0.4 - 0.8 * (i % 2)) * dx, d + 0.01, z)
            parts.append(Part("box", knob, (0.1 if rows > 1 else 0.02, 0.02, 0.03), label, metal))
    return parts


def draw_nightstand(rng: np.random.Generator) -> Item:
    """A small chest beside the bed (object), often with a lamp on it."""
    w, d, h = rng.uniform(0.38, 0.5), rng.uniform(0.35, 0.42), 0.5
    parts = _fronts(rng, w, d, h, 1, 2, OBJECT)
    parts += scatter(rng, Surface(-w / 2, w / 2, 0, d, h), 2)
    return Item("nightstand", tuple(parts))


def draw_kitchen(rng: np.random.Generator) -> Item:
    """Base and wall cabinets (vertical) with a counter top (object) and things on it."""
    w, d = rng.uniform(1.6, 2.8), 0.6
    columns = round(w / 0.55)
    parts = _fronts(rng, w, d, 0.86, columns, 1, VERTICAL)
    top = draw_timber(rng)
    parts.append(Part("box", (0, d / 2 + 0.01, 0.88), (w + 0.02, d + 0.04, 0.036), OBJECT, top))
    parts += scatter(rng, Surface(-w / 2, w / 2, 0.05, d, 0.898, room=0.45), 6)
    if rng.random() < 0.75:
        wall = _fronts(rng, w, 0.34, 0.66, columns, 1, VERTICAL)
        parts += [moved(part, 0, 0, 0, 1.42) for part in wall]
    return Item("kitchen", tuple(parts), clearance=0.5)
