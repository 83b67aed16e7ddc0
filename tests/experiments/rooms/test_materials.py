"""Textures: in range, repeatable and without a seam where they repeat."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.rooms.materials import (
    FINISHES,
    PATTERNS,
    Material,
    draw_colour,
    draw_finish,
    draw_material,
    draw_timber,
    texture,
)

SMOOTH = ["plain", "wood"]


@pytest.mark.parametrize("pattern", [*PATTERNS, "painting", "outdoors"])
def test_texture_is_a_reflectance_and_depends_on_its_seed(pattern: str) -> None:
    material = Material(pattern, (0.8, 0.5, 0.3), (0.2, 0.3, 0.4), seed=3)
    picture = texture(material)
    assert picture.dtype == np.float32
    assert picture.min() >= 0.02 - 1e-6
    assert picture.max() <= 0.95 + 1e-6
    texture.cache_clear()
    np.testing.assert_array_equal(picture, texture(material))
    assert (picture != texture(Material(pattern, (0.8, 0.5, 0.3), (0.2, 0.3, 0.4), seed=4))).any()


@pytest.mark.parametrize("pattern", SMOOTH)
def test_texture_repeats_without_a_seam(pattern: str) -> None:
    picture = texture(Material(pattern, (0.7, 0.6, 0.5), (0.3, 0.2, 0.1), seed=1))
    for axis in (0, 1):
        inner = np.abs(np.diff(picture, axis=axis)).mean()
        seam = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
        assert seam < 2.5 * inner


def test_checker_has_half_of_each_colour() -> None:
    picture = texture(Material("checker", (0.9, 0.9, 0.9), (0.1, 0.1, 0.1)))
    assert (picture[..., 0] > 0.5).mean() == pytest.approx(0.5)


def test_colours_stay_in_their_limits() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        colour = draw_colour(rng, saturation=(0.2, 0.4), value=(0.3, 0.6))
        assert 0.3 <= max(colour) <= 0.6
        assert 0.2 - 1e-9 <= 1 - min(colour) / max(colour) <= 0.4 + 1e-9


def test_contrast_zero_gives_one_colour() -> None:
    material = draw_material(np.random.default_rng(0), "wood", colour=(0.5, 0.4, 0.3), contrast=0)
    assert material.second == pytest.approx(material.colour)


def test_a_range_of_one_number_gives_that_number() -> None:
    grey = draw_colour(np.random.default_rng(0), saturation=(0, 0), value=(0.5, 0.5))
    assert grey == (0.5, 0.5, 0.5)


@pytest.mark.parametrize("name", FINISHES)
def test_a_finish_draws_one_of_its_patterns(name: str) -> None:
    material = draw_finish(np.random.default_rng(0), name)
    assert material.pattern in FINISHES[name].patterns
    texture(material)


def test_timber_is_wood_or_painted() -> None:
    rng = np.random.default_rng(0)
    assert {draw_timber(rng).pattern for _ in range(20)} == {"wood", "plain"}
