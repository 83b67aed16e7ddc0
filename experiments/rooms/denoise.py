"""Remove the grain of path tracing without blurring textures or edges.

An edge-avoiding à-trous wavelet filter (Dammertz et al., High-Performance Graphics 2010) on the
light that falls on each surface, guided by the exact geometry.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

__all__ = ["denoise"]

Image = NDArray[np.float32]

KERNEL = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16
STEPS = (1, 2, 4)
CLAMP = 3.0  # a pixel brighter than this times the median around it is a firefly


def denoise(
    light: Image, albedo: Image, normals: Image, points: Image, shining: NDArray[np.bool_]
) -> Image:
    """Return the filtered radiance, shape (H, W, 3).

    Parameters
    ----------
    light
        Noisy radiance, (H, W, 3).
    albedo
        Reflectance, (H, W, 3): it is divided out before the filter and multiplied in after it.
    normals, points
        Unit normal and position (m) of the surface at the centre of each pixel, (H, W, 3).
    shining
        Pixels of lamps and windows, (H, W); they exchange nothing with the others.

    Examples
    --------
    >>> wall = np.tile(np.float32([0, 0, 1]), (8, 8, 1))
    >>> flat = np.full((8, 8, 3), 0.5, np.float32)
    >>> np.allclose(denoise(flat, flat, wall, 0 * wall, np.zeros((8, 8), bool)), 0.5)
    True
    """
    reflectance = albedo + np.float32(0.02)
    incoming = light / reflectance
    brightness = incoming.mean(axis=2)
    usual = median_filter(brightness, size=5)
    excess = np.where(shining, 1, np.minimum(1, CLAMP * usual / np.maximum(brightness, 1e-6)))
    incoming = (incoming * excess[..., None]).astype(np.float32)
    for step in STEPS:
        incoming = _smooth(incoming, normals, points, shining, step)
    return incoming * reflectance


def _smooth(
    values: Image, normals: Image, points: Image, shining: NDArray[np.bool_], step: int
) -> Image:
    total, weights = np.zeros_like(values), np.zeros(values.shape[:2], np.float32)
    for i, a in enumerate(KERNEL):
        for j, b in enumerate(KERNEL):
            near = [_shifted(x, (i - 2) * step, (j - 2) * step) for x in (values, normals, points)]
            same = shining == _shifted(shining, (i - 2) * step, (j - 2) * step)
            facing = np.maximum((normals * near[1]).sum(axis=2), 0) ** 32
            off_plane = np.abs((normals * (near[2] - points)).sum(axis=2))
            weight = a * b * same * facing * np.exp(-off_plane / 0.03)
            if step > 1:  # after the first pass a difference in light is a shadow, not grain
                ratio = np.log(near[0].mean(axis=2) + 1e-3) - np.log(values.mean(axis=2) + 1e-3)
                weight = weight * np.exp(-(ratio**2))
            total += weight[..., None] * near[0]
            weights += weight
    total /= np.maximum(weights, np.float32(1e-6))[..., None]
    return total


def _shifted(values: NDArray[Any], rows: int, columns: int) -> NDArray[Any]:
    height, width = values.shape[:2]
    i = np.clip(np.arange(height) + rows, 0, height - 1)
    j = np.clip(np.arange(width) + columns, 0, width - 1)
    return values[i[:, None], j]
