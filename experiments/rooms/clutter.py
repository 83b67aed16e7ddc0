"""Small things, and the art of putting them on a surface."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from experiments.rooms.layout import OBJECT, Part, Surface, moved
from experiments.rooms.materials import draw_colour, draw_finish, draw_material

__all__ = ["SMALL_THINGS", "book_row", "draw_plant", "scatter"]

Parts = tuple[Part, ...]
Range = tuple[float, float]


def scatter(
    rng: np.random.Generator,
    surface: Surface,
    count: int,
    *,
    things: dict[str, Callable[[np.random.Generator], Parts]] | None = None,
) -> Parts:
    """Put up to `count` small things on a surface, none over its edge and none into another."""
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
        x, y = rng.uniform(x0, x1), rng.uniform(y0, y1)
        if any(np.hypot(x - u, y - v) < reach + other for u, v, other in taken):
            continue
        taken.append((x, y, reach))
        turn = rng.uniform(-0.5, 0.5)
        result += [moved(part, x, y, turn, surface.z) for part in parts]
    return tuple(result)


def _reach(part: Part) -> float:
    return float(np.hypot(*part.centre[:2]) + max(1.0, part.taper) * np.hypot(*part.size[:2]) / 2)


def book_row(rng: np.random.Generator, surface: Surface) -> Parts:
    """Fill part of a shelf with upright books, backs at y0 + 2 cm, starting at x0."""
    books: list[Part] = []
    x = surface.x0 + 0.01
    end = surface.x0 + (surface.x1 - surface.x0) * rng.uniform(0.4, 1.0)
    deepest = surface.y1 - surface.y0 - 0.04
    while True:
        thick, tall = rng.uniform(0.03, 0.07), rng.uniform(0.65, 0.92) * min(surface.room, 0.34)
        if x + thick > end:
            return tuple(books)
        deep = rng.uniform(0.7, 1.0) * deepest
        centre = (x + thick / 2, surface.y0 + 0.02 + deep / 2, surface.z + tall / 2)
        cover = draw_finish(rng, "book cover")
        books.append(Part("box", centre, (thick - 0.004, deep, tall), OBJECT, cover))
        x += thick


def _box(rng: np.random.Generator) -> Parts:
    w, d, h = rng.uniform((0.08, 0.06, 0.05), (0.26, 0.2, 0.24)).tolist()
    return (Part("box", (0, 0, h / 2), (w, d, h), OBJECT, draw_finish(rng, "small thing")),)


def _ball(rng: np.random.Generator) -> Parts:
    d = rng.uniform(0.07, 0.2)
    return (Part("round", (0, 0, d / 2), (d, d, d), OBJECT, draw_finish(rng, "small thing")),)


def _can(rng: np.random.Generator, widths: Range, heights: Range) -> Part:
    d, h = rng.uniform(*widths), rng.uniform(*heights)
    return Part("cylinder", (0, 0, h / 2), (d, d, h), OBJECT, draw_finish(rng, "small thing"))


def _bottle(rng: np.random.Generator) -> Parts:
    body = _can(rng, (0.06, 0.09), (0.14, 0.22))
    d, _, h = body.size
    neck = Part("cylinder", (0, 0, h + 0.04), (d, d, 0.08), OBJECT, body.material, taper=0.35)
    return (body, neck)


def _cup(rng: np.random.Generator) -> Parts:
    return (_can(rng, (0.07, 0.11), (0.08, 0.13)),)


def _bowl(rng: np.random.Generator) -> Parts:
    d = rng.uniform(0.14, 0.26)
    fruit = draw_colour(rng, saturation=(0.6, 0.95), value=(0.3, 0.8))
    bowl = draw_finish(rng, "small thing")
    top = draw_material(rng, "plain", colour=fruit)
    return (
        Part("cylinder", (0, 0, 0.03), (d * 0.6, d * 0.6, 0.06), OBJECT, bowl, taper=1.6),
        Part("round", (0, 0, 0.07), (d * 0.8, d * 0.8, 0.09), OBJECT, top),
    )


def _book_pile(rng: np.random.Generator) -> Parts:
    books, z = [], 0.0
    for _ in range(int(rng.integers(1, 6))):
        w, d, h = rng.uniform((0.15, 0.2, 0.02), (0.22, 0.28, 0.05)).tolist()
        cover = draw_finish(rng, "book cover")
        centre, turn = (0.0, 0.0, z + h / 2), rng.uniform(-0.3, 0.3)
        books.append(Part("box", centre, (w, d, h), OBJECT, cover, angle=turn))
        z += h + 0.001
    return tuple(books)


def draw_plant(rng: np.random.Generator, *, scale: float = 1.0) -> Parts:
    """A pot with leaves around a stem, about 0.4 m high at scale 1, centred on the origin."""
    d = 0.14 * scale
    clay, leaf = draw_finish(rng, "pottery"), draw_finish(rng, "leaf")
    size = (d * 0.75, d * 0.75, 0.14 * scale)
    pot = Part("cylinder", (0, 0, 0.07 * scale), size, OBJECT, clay, taper=1.35)
    leaves = []
    for _ in range(int(rng.integers(9, 16))):
        r, a = rng.uniform(0.02, 0.1) * scale, rng.uniform(0, 2 * np.pi)
        h = rng.uniform(0.2, 0.42) * scale
        size = tuple((rng.uniform((0.015, 0.05, 0.12), (0.03, 0.09, 0.24)) * scale).tolist())
        centre = (float(r * np.cos(a)), float(r * np.sin(a)), h)
        lean = rng.uniform(-0.8, 0.8)
        leaves.append(Part("round", centre, size, OBJECT, leaf, angle=a, tilt=lean))
    return (pot, *leaves)


def _plant(rng: np.random.Generator) -> Parts:
    return draw_plant(rng, scale=rng.uniform(0.6, 1.0))


def _table_lamp(rng: np.random.Generator) -> Parts:
    h = rng.uniform(0.22, 0.34)
    foot = draw_finish(rng, "pottery")
    shade = draw_material(rng, "plain", colour=(0.9, 0.78, 0.58), contrast=0.1)
    light = float(rng.choice([0.0, 0.0, 8.0]))
    return (
        Part("cylinder", (0, 0, 0.01), (0.14, 0.14, 0.02), OBJECT, foot),
        Part("cylinder", (0, 0, h / 2 + 0.01), (0.04, 0.04, h - 0.02), OBJECT, foot),
        Part("cylinder", (0, 0, h + 0.1), (0.26, 0.26, 0.19), OBJECT, shade, taper=0.65,
             light=light),
    )  # fmt: skip


SMALL_THINGS: dict[str, Callable[[np.random.Generator], Parts]] = {
    draw.__name__.strip("_").replace("_", " "): draw
    for draw in (_box, _ball, _bottle, _cup, _bowl, _book_pile, _plant, _table_lamp)
}
