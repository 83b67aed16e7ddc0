"""Small things, and the art of putting them on a surface."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np

from experiments.rooms.layout import Surface
from experiments.rooms.materials import draw_colour, draw_material
from experiments.rooms.parts import OBJECT, Part, moved

__all__ = ["SMALL_THINGS", "book_row", "draw_plant", "scatter"]

Parts = tuple[Part, ...]


def scatter(
    rng: np.random.Generator,
    surface: Surface,
    count: int,
    *,
    things: dict[str, Callable[[np.random.Generator], Parts]] | None = None,
) -> Parts:
    """Put up to `count` small things on a surface, none over its edge and none into another.

    Examples
    --------
    >>> parts = scatter(np.random.default_rng(0), Surface(0, 1, 0, 1, 0.7), 3)
    >>> all(part.label == OBJECT and part.centre[2] > 0.7 for part in parts)
    True
    """
    choice = SMALL_THINGS if things is None else things
    names = list(choice)
    taken: list[tuple[float, float, float]] = []
    result: list[Part] = []
    for _ in range(count):
        parts = choice[str(rng.choice(names))](rng)
        reach = max(_reach(part) for part in parts)
        top = max(part.centre[2] + part.size[2] / 2 for part in parts)
        x0, x1 = surface.x0 + reach, surface.x1 - reach
        y0, y1 = surface.y0 + reach, surface.y1 - reach
        if x0 >= x1 or y0 >= y1 or top > surface.room:
            continue
        x, y = float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1))
        if any(np.hypot(x - u, y - v) < reach + other for u, v, other in taken):
            continue
        taken.append((x, y, reach))
        turn = float(rng.uniform(-0.5, 0.5))
        result += [moved(part, x, y, turn, surface.z) for part in parts]
    return tuple(result)


def _reach(part: Part) -> float:
    return float(np.hypot(*part.centre[:2]) + max(1.0, part.taper) * np.hypot(*part.size[:2]) / 2)


def book_row(rng: np.random.Generator, surface: Surface) -> Parts:
    """Fill part of a shelf with upright books, backs at y0 + 2 cm, starting at x0.

    Examples
    --------
    >>> len(book_row(np.random.default_rng(0), Surface(0, 0.6, 0, 0.3, 1, room=0.3))) > 3
    True
    """
    books: list[Part] = []
    x = surface.x0 + 0.01
    end = surface.x0 + (surface.x1 - surface.x0) * rng.uniform(0.4, 1.0)
    deepest = surface.y1 - surface.y0 - 0.04
    while True:
        thick, tall = rng.uniform(0.03, 0.07), rng.uniform(0.65, 0.92) * min(surface.room, 0.34)
        if x + thick > end:
            return tuple(books)
        deep = float(rng.uniform(0.7, 1.0) * deepest)
        centre = (x + thick / 2, surface.y0 + 0.02 + deep / 2, surface.z + tall / 2)
        cover = draw_material(rng, "plain", colour=draw_colour(rng, saturation=(0.1, 0.9)))
        books.append(Part("box", centre, (thick - 0.004, deep, tall), OBJECT, cover))
        x += float(thick)


def _upright(
    kind: Literal["box", "cylinder", "round"],
    rng: np.random.Generator,
    size: tuple[float, float, float],
) -> Part:
    pattern = str(rng.choice(["plain", "plain", "stripes", "dots", "checker"]))
    colour = draw_colour(rng, saturation=(0.0, 0.95), value=(0.08, 0.9))
    material = draw_material(rng, pattern, colour=colour, span=0.3, gloss=bool(rng.random() < 0.3))
    return Part(kind, (0.0, 0.0, size[2] / 2), size, OBJECT, material)


def _box(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform((0.08, 0.06, 0.05), (0.26, 0.2, 0.24))
    return (_upright("box", rng, (w, d, h)),)


def _ball(rng: np.random.Generator) -> Parts:
    d = float(rng.uniform(0.07, 0.2))
    return (_upright("round", rng, (d, d, d)),)


def _bottle(rng: np.random.Generator) -> Parts:
    d, h = float(rng.uniform(0.06, 0.09)), float(rng.uniform(0.14, 0.22))
    body = _upright("cylinder", rng, (d, d, h))
    neck = Part("cylinder", (0, 0, h + 0.04), (d, d, 0.08), OBJECT, body.material, taper=0.35)
    return (body, neck)


def _cup(rng: np.random.Generator) -> Parts:
    d, h = float(rng.uniform(0.07, 0.11)), float(rng.uniform(0.08, 0.13))
    return (_upright("cylinder", rng, (d, d, h)),)


def _bowl(rng: np.random.Generator) -> Parts:
    d = float(rng.uniform(0.14, 0.26))
    fruit = draw_colour(rng, saturation=(0.6, 0.95), value=(0.3, 0.8))
    bowl = _upright("cylinder", rng, (d * 0.6, d * 0.6, 0.06))
    top = draw_material(rng, "plain", colour=fruit)
    return (
        Part("cylinder", (0, 0, 0.03), (d * 0.6, d * 0.6, 0.06), OBJECT, bowl.material, taper=1.6),
        Part("round", (0, 0, 0.07), (d * 0.8, d * 0.8, 0.09), OBJECT, top),
    )


def _book_pile(rng: np.random.Generator) -> Parts:
    books, z = [], 0.0
    for _ in range(int(rng.integers(1, 6))):
        w, d, h = rng.uniform((0.15, 0.2, 0.02), (0.22, 0.28, 0.05))
        cover = draw_material(rng, "plain", colour=draw_colour(rng, saturation=(0.1, 0.9)))
        centre, turn = (0.0, 0.0, z + h / 2), float(rng.uniform(-0.3, 0.3))
        books.append(Part("box", centre, (w, d, h), OBJECT, cover, angle=turn))
        z += h + 0.001
    return tuple(books)


def draw_plant(rng: np.random.Generator, *, scale: float = 1.0) -> Parts:
    """A pot with leaves around a stem, about 0.4 m high at scale 1, centred on the origin.

    Examples
    --------
    >>> draw_plant(np.random.default_rng(0))[0].kind
    'cylinder'
    """
    d = 0.14 * scale
    pot = Part(
        "cylinder",
        (0, 0, 0.07 * scale),
        (d * 0.75, d * 0.75, 0.14 * scale),
        OBJECT,
        draw_material(rng, "plain", contrast=0.1),
        taper=1.35,
    )
    leaf = draw_material(
        rng, "plain", colour=draw_colour(rng, hue=(0.22, 0.4), saturation=(0.4, 0.8))
    )
    leaves = []
    for _ in range(int(rng.integers(9, 16))):
        r, a = rng.uniform(0.02, 0.1) * scale, rng.uniform(0, 2 * np.pi)
        h = rng.uniform(0.2, 0.42) * scale
        size = tuple(rng.uniform((0.015, 0.05, 0.12), (0.03, 0.09, 0.24)) * scale)
        centre = (float(r * np.cos(a)), float(r * np.sin(a)), float(h))
        lean = float(rng.uniform(-0.8, 0.8))
        sized = (float(size[0]), float(size[1]), float(size[2]))
        leaves.append(Part("round", centre, sized, OBJECT, leaf, angle=float(a), tilt=lean))
    return (pot, *leaves)


def _small_plant(rng: np.random.Generator) -> Parts:
    return draw_plant(rng, scale=float(rng.uniform(0.6, 1.0)))


def _table_lamp(rng: np.random.Generator) -> Parts:
    h = float(rng.uniform(0.22, 0.34))
    foot = draw_material(rng, "plain", contrast=0.1)
    shade = draw_material(rng, "plain", colour=(0.9, 0.78, 0.58), contrast=0.1)
    light = float(rng.choice([0.0, 0.0, 8.0]))
    return (
        Part("cylinder", (0, 0, 0.01), (0.14, 0.14, 0.02), OBJECT, foot),
        Part("cylinder", (0, 0, h / 2 + 0.01), (0.04, 0.04, h - 0.02), OBJECT, foot),
        Part("cylinder", (0, 0, h + 0.1), (0.26, 0.26, 0.19), OBJECT, shade, taper=0.65,
             light=light),
    )  # fmt: skip


SMALL_THINGS: dict[str, Callable[[np.random.Generator], Parts]] = {
    "box": _box,
    "ball": _ball,
    "bottle": _bottle,
    "cup": _cup,
    "bowl": _bowl,
    "book pile": _book_pile,
    "plant": _small_plant,
    "table lamp": _table_lamp,
}
