"""Where a picture is taken from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.rooms.layout import Item
from experiments.rooms.materials import Material
from experiments.rooms.parts import OBJECT, Part

__all__ = ["Camera", "draw_camera", "view_space"]

NEAREST = 0.55  # metres: no wall, floor or ceiling in view comes nearer (planar depth)


@dataclass(frozen=True)
class Camera:
    """A pinhole camera: position in metres, angles in radians, `fov` the horizontal angle of view.

    At yaw 0 and pitch 0 it looks along +y; a positive yaw turns it to the left.

    Examples
    --------
    >>> Camera((0.0, 0.0, 1.5)).axes[2].tolist() == [0, 1, 0]
    True
    """

    position: tuple[float, float, float]
    yaw: float = 0.0
    pitch: float = 0.0
    fov: float = 1.0

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors right, up and forward in the room, shape (3, 3)."""
        cy, sy, cp, sp = np.cos(self.yaw), np.sin(self.yaw), np.cos(self.pitch), np.sin(self.pitch)
        forward = np.array([-sy * cp, cy * cp, sp])
        right = np.array([cy, sy, 0.0])
        return np.stack([right, np.cross(right, forward), forward])


def draw_camera(rng: np.random.Generator, w: float, d: float, h: float) -> Camera:
    """Draw a view of a room of w x d x h metres: from near y = 0, at eye height, into the room.

    Examples
    --------
    >>> 1.1 < draw_camera(np.random.default_rng(0), 4.0, 5.0, 2.5).position[2] < 1.8
    True
    """
    while True:
        x, y = rng.uniform((0.15 * w, 0.2), (0.85 * w, 0.5 + 0.15 * d))
        tx, ty = rng.uniform((0.1 * w, 0.6 * d), (0.9 * w, d))
        z = float(rng.uniform(1.15, min(1.75, h - 0.7)))
        yaw = float(np.arctan2(x - tx, ty - y))
        pitch = float(np.clip(np.radians(rng.normal(-9.5, 9.5)), -0.45, 0.25))
        fov = float(np.radians(rng.uniform(54, 72)))
        camera = Camera((float(x), float(y), z), yaw, pitch, fov)
        if _nearest_shell(camera, w, d, h) > NEAREST:
            return camera


def _nearest_shell(camera: Camera, w: float, d: float, h: float) -> float:
    """Smallest planar depth of the empty room over the view (a 4:3 picture)."""
    u, v = np.meshgrid(np.linspace(-1, 1, 17), np.linspace(-0.75, 0.75, 13))
    tangent = np.tan(camera.fov / 2)
    screen = np.stack([u * tangent, v * tangent, np.ones_like(u)], axis=-1)  # planar depth 1
    rays = screen @ camera.axes
    low, high = -np.asarray(camera.position), np.array([w, d, h]) - camera.position
    with np.errstate(divide="ignore"):
        depths = np.where(rays > 0, high, low) / rays
    return float(depths.min())


def view_space(camera: Camera, height: float) -> tuple[Item, Item]:
    """Spaces kept free: all around the camera, and in front of it from 0.8 m above the floor.

    Examples
    --------
    >>> [space.name for space in view_space(Camera((1.0, 1.0, 1.5)), 2.5)]
    ['camera', 'view']
    """
    air = Material("plain", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    x, y, _ = camera.position
    around = Part("box", (0, 0, height / 2), (1.5, 1.5, height), OBJECT, air)
    ahead = Part("box", (0, 1.0, height / 2 + 0.4), (1.2, 2.0, height - 0.8), OBJECT, air)
    return (
        Item("camera", (around,), x=x, y=y, angle=camera.yaw),
        Item("view", (ahead,), x=x, y=y, angle=camera.yaw),
    )
