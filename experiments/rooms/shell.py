"""Floor, ceiling and walls."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from experiments.rooms.materials import Material, draw_colour, draw_material, draw_timber
from experiments.rooms.parts import CEILING, GROUND, VERTICAL, Part

__all__ = ["draw_shell"]


def draw_shell(
    rng: np.random.Generator, w: float, d: float, h: float, *, skirting: bool = True
) -> tuple[Part, ...]:
    """Draw floor, ceiling, four walls (one perhaps of another colour) and skirting boards.

    The inner faces lie at 0 and w, 0 and d, 0 and h metres.

    Examples
    --------
    >>> shell = draw_shell(np.random.default_rng(0), 4.0, 5.0, 2.5)
    >>> sorted({part.label for part in shell}) == [GROUND, VERTICAL, CEILING]
    True
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
        z, tall = 0.045, 0.09
        parts += [
            Part("box", (w / 2, d - 0.006, z), (w, 0.012, tall), VERTICAL, board),
            Part("box", (0.006, d / 2, z), (0.012, d, tall), VERTICAL, board),
            Part("box", (w - 0.006, d / 2, z), (0.012, d, tall), VERTICAL, board),
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
    kind = str(rng.choice(["planks", "tiles", "carpet", "checker"], p=(0.45, 0.2, 0.25, 0.1)))
    if kind == "planks":
        colour = draw_colour(rng, hue=(0.04, 0.1), saturation=(0.3, 0.65), value=(0.15, 0.6))
        return draw_material(rng, "planks", colour=colour, contrast=0.25, span=1.0,
                             gloss=bool(rng.random() < 0.4))  # fmt: skip
    colour = draw_colour(rng, saturation=(0.0, 0.4), value=(0.15, 0.7))
    if kind == "carpet":
        return draw_material(rng, "carpet", colour=colour, contrast=0.3, span=1.2)
    gloss, span = bool(rng.random() < 0.4), float(rng.uniform(1.0, 2.0))
    return draw_material(rng, kind, colour=colour, contrast=0.35, span=span, gloss=gloss)


def _draw_ceiling(rng: np.random.Generator) -> Material:
    if rng.random() < 0.1:
        return replace(draw_timber(rng), pattern="planks", span=1.0)
    pattern = str(rng.choice(["plain", "plaster", "tiles"], p=(0.5, 0.3, 0.2)))
    colour = draw_colour(rng, saturation=(0.0, 0.15), value=(0.6, 0.9))
    return draw_material(rng, pattern, colour=colour, contrast=0.15, span=2.4)
