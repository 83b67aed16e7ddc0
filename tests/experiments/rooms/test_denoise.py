"""The filter removes grain and keeps edges, textures and the mean."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.rooms.denoise import denoise

SHAPE = (32, 40)


def scene(corner: bool) -> tuple[np.ndarray, np.ndarray]:
    """Normals and points of a flat wall, or of two walls that meet in the middle column."""
    v, u = np.meshgrid(*(np.arange(n, dtype=np.float32) / 20 for n in SHAPE), indexing="ij")
    normals = np.zeros((*SHAPE, 3), np.float32)
    normals[..., 2] = 1
    points = np.stack([u, v, np.zeros_like(u)], axis=-1)
    if corner:
        normals[:, 20:] = (-1, 0, 0)
        points[:, 20:, 2] = u[:, 20:] - 1
        points[:, 20:, 0] = 1
    return normals, points


DARK = np.zeros(SHAPE, bool)


def test_grain_goes_and_the_mean_stays() -> None:
    rng = np.random.default_rng(0)
    noise = rng.gamma(4, 0.25, (*SHAPE, 1)).astype(np.float32) * np.ones(3, np.float32)
    albedo = np.full((*SHAPE, 3), 0.5, np.float32)
    clean = denoise(noise, albedo, *scene(False), DARK)
    assert clean.std() < noise.std() / 4
    assert clean.mean() == pytest.approx(noise.mean(), rel=0.02)


def test_light_does_not_leak_around_a_corner() -> None:
    light = np.ones((*SHAPE, 3), np.float32)
    light[:, 20:] = 0.1
    albedo = np.full((*SHAPE, 3), 0.5, np.float32)
    np.testing.assert_allclose(denoise(light, albedo, *scene(True), DARK), light, rtol=1e-4)


def test_texture_stays_sharp_under_even_light() -> None:
    albedo = np.random.default_rng(1).uniform(0.1, 0.9, (*SHAPE, 3)).astype(np.float32)
    light = 2 * (albedo + np.float32(0.02))
    np.testing.assert_allclose(denoise(light, albedo, *scene(False), DARK), light, rtol=1e-4)


def test_firefly_is_clamped_but_a_lamp_is_not() -> None:
    light, albedo = np.ones((*SHAPE, 3), np.float32), np.full((*SHAPE, 3), 0.5, np.float32)
    light[10, 10] = 1000
    shining = DARK.copy()
    assert denoise(light, albedo, *scene(False), shining).max() < 2
    shining[10, 10] = True
    clean = denoise(light, albedo, *scene(False), shining)
    assert clean[10, 10, 0] == pytest.approx(1000, rel=1e-3)
    assert np.delete(clean.reshape(-1, 3), 10 * SHAPE[1] + 10, axis=0).max() < 1.01
