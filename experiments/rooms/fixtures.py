"""What hangs or stands lightly in a room: openings, pictures, lamps, seats and loose things."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.rooms.clutter import SMALL_THINGS, draw_plant
from experiments.rooms.layout import GROUND, OBJECT, VERTICAL, Item, Part, mirrored, moved
from experiments.rooms.materials import (
    Colour,
    Material,
    draw_colour,
    draw_finish,
    draw_material,
    draw_timber,
)

__all__ = [
    "draw_ceiling_lamp",
    "draw_chair",
    "draw_door",
    "draw_floor_lamp",
    "draw_loose_thing",
    "draw_picture",
    "draw_pillar",
    "draw_rug",
    "draw_window",
]

Range = tuple[float, float]

METAL = Material("plain", (0.45, 0.45, 0.45), (0.3, 0.3, 0.3))


def draw_door(rng: np.random.Generator) -> Item:
    """A closed door in its frame (vertical), with panels and a handle."""
    w, h = rng.uniform(0.75, 0.95), rng.uniform(1.98, 2.1)
    leaf, frame = draw_timber(rng), draw_timber(rng)
    post = Part("box", (w / 2 + 0.04, 0.035, h / 2), (0.08, 0.07, h), VERTICAL, frame)
    parts = [Part("box", (0, 0.02, h / 2), (w, 0.04, h), VERTICAL, leaf), *mirrored(post)]
    parts.append(Part("box", (0, 0.035, h + 0.04), (w + 0.16, 0.07, 0.08), VERTICAL, frame))
    for z, tall in ((0.55, 0.7), (1.45, 0.8)) if rng.random() < 0.6 else ():
        parts.append(Part("box", (0, 0.045, z), (w - 0.26, 0.012, tall), VERTICAL, leaf))
    parts.append(Part("box", (0.4 * w, 0.07, 1.02), (0.12, 0.03, 0.03), VERTICAL, METAL))
    return Item("door", tuple(parts), clearance=0.6)


def draw_window(rng: np.random.Generator, height: float, *, light: float) -> Item:
    """A window whose pane shines with radiance `light`, perhaps with curtains or blinds."""
    w = rng.uniform(0.8, 2.0)
    low, high = rng.uniform(0.75, 1.05), min(height - 0.25, rng.uniform(1.9, 2.3))
    h, z = high - low, (low + high) / 2
    white = draw_material(rng, "plain", colour=(0.8, 0.8, 0.78), contrast=0.1)
    frame = white if rng.random() < 0.6 else draw_timber(rng)
    sky = draw_colour(rng, hue=(0.5, 0.65), saturation=(0.0, 0.3), value=(0.85, 0.95))
    green = draw_colour(rng, hue=(0.05, 0.4), saturation=(0.1, 0.6), value=(0.2, 0.5))
    view = Material("outdoors", sky, green, max(w, h), seed=int(rng.integers(2**31)))
    parts = [
        Part("panel", (0, 0.01, z), (w, 0.0, h), OBJECT, view, light=light),
        Part("box", (0, 0.06, low - 0.02), (w + 0.16, 0.12, 0.04), OBJECT, frame),
        Part("box", (0, 0.03, high + 0.03), (w + 0.12, 0.06, 0.06), OBJECT, frame),
    ]
    bars = int(rng.integers(0, 3))
    for i in range(bars + 2):
        x = (i / (bars + 1) - 0.5) * (w + 0.05)
        parts.append(Part("box", (x, 0.03, z), (0.05, 0.05, h), OBJECT, frame))
    if rng.random() < 0.4:
        parts.append(Part("box", (0, 0.03, z), (w, 0.04, 0.04), OBJECT, frame))
    dressing = rng.random()
    if dressing < 0.45:
        parts += _curtains(rng, w, low, high)
    elif dressing < 0.7:
        drop, blind = rng.uniform(0.25, 0.8) * h, draw_finish(rng, "blind")
        size = (w + 0.04, 0.02, drop)
        parts.append(Part("box", (0, 0.075, high - drop / 2), size, VERTICAL, blind))
    return Item("window", tuple(parts))


def _curtains(rng: np.random.Generator, w: float, low: float, high: float) -> list[Part]:
    colour = draw_colour(rng, saturation=(0.0, 0.8), value=(0.2, 0.85))
    pattern = str(rng.choice(["fabric", "stripes", "plain"]))
    cloth = draw_material(rng, pattern, colour=colour, span=0.5)
    top, bottom = high + 0.12, 0.03 if rng.random() < 0.5 else low - 0.12
    share = rng.uniform(0.12, 0.3) * w
    parts = [Part("box", (0, 0.15, top + 0.01), (w + 0.5, 0.025, 0.025), OBJECT, METAL)]
    folds = max(3, round((share + 0.15) / 0.09))
    for side in (-1, 1):
        for i in range(folds):  # a curtain is a row of overlapping round folds
            x = side * (w / 2 + 0.15 - (i + 0.5) / folds * (share + 0.15))
            size = (1.35 * (share + 0.15) / folds, 0.07, top - bottom)
            centre = (x, 0.15 + 0.012 * (-1) ** i, (top + bottom) / 2)
            parts.append(Part("cylinder", centre, size, OBJECT, cloth))
    return parts


def draw_picture(rng: np.random.Generator) -> Item:
    """A framed picture on a wall (object)."""
    w, h, z = rng.uniform((0.25, 0.25, 1.45), (1.1, 0.8, 1.7)).tolist()
    frame = draw_timber(rng)
    image = draw_finish(rng, "painting", contrast=0.8, span=max(w, h))
    parts = (
        Part("box", (0, 0.012, z), (w, 0.024, h), OBJECT, frame),
        Part("box", (0, 0.026, z), (w - 0.07, 0.004, h - 0.07), OBJECT, image),
    )
    return Item("picture", parts)


def draw_pillar(rng: np.random.Generator, height: float) -> Item:
    """A chimney breast or a pillar from floor to ceiling (vertical), against a wall."""
    size = (rng.uniform(0.3, 1.2), d := rng.uniform(0.2, 0.5), height - 0.004)
    centre, surface = (0, d / 2, height / 2), draw_finish(rng, "pillar")
    return Item("pillar", (Part("box", centre, size, VERTICAL, surface),))


def draw_rug(rng: np.random.Generator) -> Item:
    """A rug or floor mat (ground)."""
    w, d = rng.uniform((0.6, 0.9), (2.4, 1.7)).tolist()
    cloth = draw_finish(rng, "rug")
    return Item("rug", (Part("box", (0, d / 2, 0.003), (w, d, 0.006), GROUND, cloth),))


def _warm_glass(rng: np.random.Generator, green: Range, blue: Range) -> Material:
    colour: Colour = (0.9, rng.uniform(*green), rng.uniform(*blue))
    return draw_material(rng, "plain", colour=colour, contrast=0.05)


def draw_ceiling_lamp(rng: np.random.Generator, height: float, *, light: float) -> Item:
    """A panel, a round lamp or a pendant under the ceiling (object) that shines downwards."""
    glass = _warm_glass(rng, (0.74, 0.9), (0.5, 0.9))
    kind = rng.choice(["panel", "round", "pendant"])
    if kind == "panel":
        w, d = float(rng.choice([0.6, 1.2])), float(rng.choice([0.3, 0.6]))
        parts = (
            Part("box", (0, d / 2, height - 0.02), (w + 0.05, d + 0.05, 0.03), OBJECT, METAL),
            Part("panel", (0, d / 2, height - 0.037), (w, 0.0, d), OBJECT, glass,
                 tilt=-np.pi / 2, light=light * 0.4),
        )  # fmt: skip
        return Item("ceiling lamp", parts)
    d = rng.uniform(0.3, 0.5)
    if kind == "round":
        # the lit plate is under a wider housing: lit ceilings close by would give grain
        size, plate = (d + 0.06, d + 0.06, 0.07), (d, d, 0.012)
        parts = (
            Part("cylinder", (0, d / 2, height - 0.04), size, OBJECT, METAL),
            Part("cylinder", (0, d / 2, height - 0.083), plate, OBJECT, glass, light=light),
        )
        return Item("ceiling lamp", parts)
    drop = rng.uniform(0.25, 0.55)
    parts = (
        Part("cylinder", (0, d / 2, height - drop / 2), (0.02, 0.02, drop - 0.01), OBJECT, METAL),
        Part("cylinder", (0, d / 2, height - drop - 0.1), (d, d, 0.22), OBJECT, glass, taper=0.6,
             light=light * 0.7),
    )  # fmt: skip
    return Item("ceiling lamp", parts)


def draw_floor_lamp(rng: np.random.Generator, *, light: float) -> Item:
    """A lamp on a pole (object)."""
    h, d = rng.uniform(1.3, 1.7), rng.uniform(0.3, 0.42)
    shade = _warm_glass(rng, (0.7, 0.82), (0.45, 0.65))
    parts = (
        Part("cylinder", (0, 0.2, 0.015), (0.28, 0.28, 0.03), OBJECT, METAL),
        Part("cylinder", (0, 0.2, h / 2 + 0.02), (0.04, 0.04, h - 0.06), OBJECT, METAL),
        Part("cylinder", (0, 0.2, h + 0.1), (d, d, 0.26), OBJECT, shade, taper=0.7, light=light),
    )
    return Item("floor lamp", parts)


def draw_chair(rng: np.random.Generator) -> Item:
    """A chair (object): four legs and a back, or an office chair on one leg."""
    w, d, h = 0.44, 0.44, rng.uniform(0.43, 0.48)
    top, frame = rng.uniform(0.8, 0.98), draw_timber(rng)
    seat = draw_finish(rng, "seat") if rng.random() < 0.5 else frame
    if rng.random() < 0.3:
        parts = [
            Part("round", (0, 0.26, h), (0.48, 0.46, 0.1), OBJECT, seat, roundness=0.4),
            Part("round", (0, 0.05, h + 0.32), (0.44, 0.09, 0.5), OBJECT, seat, roundness=0.4),
            Part("box", (0, 0.03, h + 0.08), (0.08, 0.04, 0.3), OBJECT, METAL),
            Part("cylinder", (0, 0.26, h / 2), (0.06, 0.06, h - 0.08), OBJECT, METAL),
        ]
        foot = Part("box", (0, 0.26, 0.06), (0.5, 0.05, 0.04), OBJECT, METAL)
        parts += [replace(foot, angle=turn + np.pi / 4) for turn in (0.0, np.pi / 2)]
        return Item("chair", tuple(parts))
    parts = [Part("box", (0, d / 2, h - 0.02), (w, d, 0.04), OBJECT, seat)]
    for x in (-w / 2 + 0.02, w / 2 - 0.02):
        for y, z, tall in ((0.02, top / 2, top), (d - 0.03, h / 2 - 0.02, h - 0.04)):
            parts.append(Part("box", (x, y, z), (0.04, 0.04, tall), OBJECT, frame))
    if rng.random() < 0.5:
        centre, size = (0, 0.02, (top + h + 0.12) / 2), (w - 0.08, 0.025, top - h - 0.12)
        parts.append(Part("box", centre, size, OBJECT, seat))
    else:
        for z in np.linspace(h + 0.15, top - 0.04, 3).tolist():
            parts.append(Part("box", (0, 0.02, z), (w - 0.08, 0.02, 0.07), OBJECT, frame))
    return Item("chair", tuple(parts))


def draw_loose_thing(rng: np.random.Generator) -> Item:
    """Something on the floor: a plant, a bin, a carton, a ball, books (object)."""
    kind = str(rng.choice(["plant", "plant", "bin", "carton", "ball", "book pile"]))
    if kind == "plant":
        parts = draw_plant(rng, scale=rng.uniform(1.5, 2.8))
    elif kind == "bin":
        d, h = rng.uniform(0.2, 0.32), rng.uniform(0.28, 0.45)
        shell = draw_finish(rng, "bin")
        parts = (Part("cylinder", (0, 0, h / 2), (d, d, h), OBJECT, shell, taper=1.2),)
    elif kind == "carton":
        w, d, h = rng.uniform((0.25, 0.2, 0.2), (0.6, 0.5, 0.5)).tolist()
        parts = (Part("box", (0, 0, h / 2), (w, d, h), OBJECT, draw_finish(rng, "carton")),)
    elif kind == "ball":
        d = rng.uniform(0.18, 0.6)
        parts = (Part("round", (0, 0, d / 2), (d, d, d), OBJECT, draw_finish(rng, "ball")),)
    else:
        parts = SMALL_THINGS["book pile"](rng)
    low = min(float(Item(kind, parts).extent[0, 1]), 0.0)
    return Item(kind, tuple(moved(part, 0.0, 0.01 - low, 0.0) for part in parts))
