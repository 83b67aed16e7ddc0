"""What a surface looks like: a pattern, two colours and the length after which it repeats."""

from __future__ import annotations

import colorsys
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FINISHES",
    "PATTERNS",
    "Colour",
    "Finish",
    "Material",
    "draw_colour",
    "draw_finish",
    "draw_material",
    "draw_timber",
    "texture",
]

Colour = tuple[float, float, float]
Range = tuple[float, float]
Map = NDArray[np.float64]

TEXELS = 64


@dataclass(frozen=True)
class Material:
    """A surface: `pattern` blends from `colour` to `second` and repeats after `span` metres."""

    pattern: str
    colour: Colour
    second: Colour
    span: float = 1.0
    gloss: bool = False
    seed: int = 0


def draw_colour(
    rng: np.random.Generator,
    *,
    hue: Range = (0.0, 1.0),
    saturation: Range = (0.0, 0.7),
    value: Range = (0.15, 0.85),
) -> Colour:
    """Draw a linear RGB reflectance whose hue, saturation and value lie in the given ranges."""
    h, s, v = (rng.uniform(*limits) for limits in (hue, saturation, value))
    return colorsys.hsv_to_rgb(h % 1.0, s, v)


def draw_material(
    rng: np.random.Generator,
    pattern: str,
    *,
    colour: Colour | None = None,
    contrast: float = 0.35,
    span: float = 1.0,
    gloss: bool = False,
) -> Material:
    """Draw the second colour (`contrast`: how far from `colour`) and the seed of a material."""
    first = draw_colour(rng) if colour is None else colour
    other = np.asarray(draw_colour(rng, saturation=(0.0, 0.9), value=(0.05, 0.9)))
    second = tuple(((1 - contrast) * np.asarray(first) + contrast * other).tolist())
    return Material(pattern, first, second, span, gloss, int(rng.integers(2**31)))


@dataclass(frozen=True)
class Finish:
    """What a kind of thing is covered with; every such thing draws a material of its own.

    Parameters
    ----------
    patterns, weights
        One of `PATTERNS` or `PAINTINGS` is drawn, with these chances or evenly.
    hue, saturation, value
        The ranges of the first colour.
    contrast
        How far the second colour is from the first.
    span
        Metres after which the pattern repeats, or their range.
    gloss
        How often the surface is glossy.
    """

    patterns: tuple[str, ...] = ("plain",)
    weights: tuple[float, ...] | None = None
    hue: Range = (0.0, 1.0)
    saturation: Range = (0.0, 0.7)
    value: Range = (0.15, 0.85)
    contrast: float = 0.35
    span: float | Range = 1.0
    gloss: float = 0.0


FINISHES = {
    name: Finish(**fields)
    for name, fields in tomllib.loads(
        Path(__file__).with_name("finishes.toml").read_text(encoding="utf-8")
    ).items()
}
"""The finishes by name, from `finishes.toml`."""


def draw_finish(
    rng: np.random.Generator, name: str, *, contrast: float | None = None, span: float | None = None
) -> Material:
    """Draw a material of one of `FINISHES`, perhaps with another contrast or span than its own."""
    finish = FINISHES[name]
    pattern = finish.patterns[0]
    if len(finish.patterns) > 1:
        pattern = str(rng.choice(finish.patterns, p=finish.weights))
    colour = draw_colour(rng, hue=finish.hue, saturation=finish.saturation, value=finish.value)
    gloss = bool(finish.gloss and rng.random() < finish.gloss)
    length = finish.span if span is None else span
    return draw_material(
        rng,
        pattern,
        colour=colour,
        contrast=finish.contrast if contrast is None else contrast,
        span=length if isinstance(length, float) else rng.uniform(*length),
        gloss=gloss,
    )


def draw_timber(rng: np.random.Generator) -> Material:
    """Wood, painted wood or plastic, as cabinets and tables have it."""
    return draw_finish(rng, "wood" if rng.random() < 0.6 else "paint")


@lru_cache(maxsize=256)
def texture(material: Material) -> NDArray[np.float32]:
    """Return the material's reflectance map, shape (64, 64, 3), in 0.02..0.95; it tiles."""
    rng = np.random.default_rng(material.seed)
    if material.pattern in PAINTINGS:
        picture = PAINTINGS[material.pattern](material, rng)
    else:
        blend = PATTERNS[material.pattern](rng)[..., None]
        picture = (1 - blend) * np.asarray(material.colour) + blend * np.asarray(material.second)
    return np.clip(picture, 0.02, 0.95).astype(np.float32)


def _noise(rng: np.random.Generator, *, smooth: float = 1.0, stretch: float = 1.0) -> Map:
    """Periodic noise with spectrum 1/f^smooth, mean 0 and deviation 1; `stretch` along v."""
    f = np.fft.fftfreq(TEXELS) * TEXELS
    radius = np.hypot(f[None, :], stretch * f[:, None])
    radius[0, 0] = np.inf
    spectrum = np.fft.fft2(rng.standard_normal((TEXELS, TEXELS))) / radius**smooth
    field = np.fft.ifft2(spectrum).real
    return np.asarray(field / field.std())


def _grid(repeats: int) -> tuple[Map, Map]:
    """Texel coordinates (v, u) in units of one cell."""
    t = (np.arange(TEXELS) + 0.5) / TEXELS * repeats
    v, u = np.meshgrid(t, t, indexing="ij")
    return v, u


def _plain(rng: np.random.Generator) -> Map:
    return 0.1 + 0.05 * _noise(rng, smooth=1.0)


def _plaster(rng: np.random.Generator) -> Map:
    return 0.25 + 0.08 * _noise(rng, smooth=1.6) + 0.05 * rng.standard_normal((TEXELS, TEXELS))


def _wood(rng: np.random.Generator) -> Map:
    _, u = _grid(int(rng.integers(3, 8)))
    rings = np.sin(2 * np.pi * (u + 0.35 * _noise(rng, smooth=1.8, stretch=6.0)))
    return 0.4 + 0.25 * rings + 0.12 * _noise(rng, smooth=0.6, stretch=12.0)


def _planks(rng: np.random.Generator) -> Map:
    count = int(rng.choice([4, 8]))
    v, u = _grid(count)
    plank = u.astype(int)
    along = (v / count + rng.random(count)[plank]) % 1.0
    tone = rng.uniform(0.0, 0.6, (count, 2))[plank, (along * 2).astype(int)]
    seam = (u % 1.0 < 1.2 * count / TEXELS) | (along % 0.5 < 1.0 / TEXELS)
    return np.where(seam, 1.0, tone + 0.1 * _noise(rng, smooth=0.7, stretch=10.0))


def _tiles(rng: np.random.Generator) -> Map:
    count = 4
    v, u = _grid(count)
    tone = rng.uniform(0.0, 0.3, (count, count))[v.astype(int), u.astype(int)]
    grout = (u % 1.0 < 0.06) | (v % 1.0 < 0.06)
    return np.where(grout, 1.0, tone + 0.06 * _noise(rng, smooth=1.3))


def _bricks(rng: np.random.Generator) -> Map:
    v, u = _grid(8)
    row = v.astype(int)
    u = (u / 2 + 0.5 * (row % 2)) % 4.0
    tone = rng.uniform(0.0, 0.5, (8, 4))[row, u.astype(int)]
    mortar = (u % 1.0 < 0.06) | (v % 1.0 < 0.14)
    return np.where(mortar, 1.0, tone + 0.08 * _noise(rng, smooth=0.8))


def _checker(rng: np.random.Generator) -> Map:
    v, u = _grid(4)
    black: Map = (u.astype(int) + v.astype(int)) % 2.0
    return black + 0.04 * _noise(rng, smooth=1.0)


def _stripes(rng: np.random.Generator) -> Map:
    _, u = _grid(int(rng.integers(3, 9)))
    return (u % 1.0 < rng.uniform(0.25, 0.6)) + 0.05 * _noise(rng, smooth=0.8)


def _dots(rng: np.random.Generator) -> Map:
    v, u = _grid(6)
    v = v + 0.5 * (u.astype(int) % 2)
    inside = np.hypot(u % 1.0 - 0.5, v % 1.0 - 0.5) < rng.uniform(0.2, 0.4)
    return inside + 0.05 * _noise(rng, smooth=0.8)


def _fabric(rng: np.random.Generator) -> Map:
    weave = rng.standard_normal((TEXELS, 1)) + rng.standard_normal((1, TEXELS))
    return 0.4 + 0.12 * weave + 0.1 * _noise(rng, smooth=1.2)


def _carpet(rng: np.random.Generator) -> Map:
    return 0.4 + 0.2 * _noise(rng, smooth=0.3) + 0.1 * _noise(rng, smooth=1.4)


def _slats(rng: np.random.Generator) -> Map:
    v, _ = _grid(16)
    return v % 1.0 + 0.05 * _noise(rng, smooth=0.8)


PATTERNS: dict[str, Callable[[np.random.Generator], Map]] = {
    draw.__name__.strip("_"): draw
    for draw in (_plain, _plaster, _wood, _planks, _tiles, _bricks, _checker, _stripes, _dots,
                 _fabric, _carpet, _slats)
}  # fmt: skip


def _paint(material: Material, rng: np.random.Generator) -> Map:
    """An abstract painting: a two-colour ground with a few coloured patches."""
    v, u = _grid(1)
    ramp = (0.5 + 0.3 * _noise(rng, smooth=1.8))[..., None]
    picture: Map = (1 - ramp) * np.asarray(material.colour) + ramp * np.asarray(material.second)
    for _ in range(int(rng.integers(1, 5))):
        cu, cv, ru, rv = *rng.uniform(0.1, 0.9, 2), *rng.uniform(0.06, 0.35, 2)
        power = rng.choice([2.0, 8.0])  # an ellipse or a rectangle
        patch = np.abs((u - cu) / ru) ** power + np.abs((v - cv) / rv) ** power < 1
        picture[patch] = draw_colour(rng, saturation=(0.2, 0.95), value=(0.1, 0.9))
    return picture


def _outdoors(material: Material, rng: np.random.Generator) -> Map:
    """A view out of a window: sky above (`colour`), trees or houses below (`second`)."""
    v, _ = _grid(1)
    skyline = rng.uniform(0.15, 0.55) + 0.08 * _noise(rng, smooth=1.6)[:1]
    ground = np.asarray(material.second) * (0.6 + 0.15 * _noise(rng, smooth=1.0)[..., None])
    sky = np.asarray(material.colour) * (0.85 + 0.05 * _noise(rng, smooth=1.8)[..., None])
    return np.where((v < skyline)[..., None], ground, sky)


PAINTINGS: dict[str, Callable[[Material, np.random.Generator], Map]] = {
    "painting": _paint,
    "outdoors": _outdoors,
}
