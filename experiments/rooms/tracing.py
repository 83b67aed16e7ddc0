"""Rooms in Mitsuba 3: how solids, materials and lamps are told to it, and what its rays return."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.rooms.layout import Part, mesh
from experiments.rooms.materials import Material, texture
from experiments.rooms.scene import Camera

__all__ = ["Hits", "cast", "load_scene", "trace"]

SAMPLES_PER_PIXEL = 8
MAX_PATH = 3  # light that is reflected twice on its way to the camera


@cache
def _mitsuba() -> Any:
    """Mitsuba with one thread; imported late because it takes a second."""
    import drjit
    import mitsuba

    mitsuba.set_variant("scalar_rgb")
    mitsuba.set_log_level(mitsuba.LogLevel.Error)
    drjit.set_thread_count(1)
    return mitsuba


def load_scene(parts: tuple[Part, ...]) -> Any:
    """Hand the solids to Mitsuba; each shape is named by the index of its part."""
    mi = _mitsuba()
    bsdfs: dict[Material, Any] = {}
    shapes: dict[str, Any] = {}
    for i, part in enumerate(parts):
        if part.material not in bsdfs:
            bsdfs[part.material] = _bsdf(part.material)
        shapes[f"{i:05d}"] = _shape(f"{i:05d}", part, bsdfs[part.material])
    return mi.load_dict({"type": "scene", **shapes})


def trace(scene: Any, camera: Camera, size: tuple[int, int], *, seed: int) -> NDArray[np.float32]:
    """Trace light paths; return the grainy radiance, shape (H, W, 3)."""
    mi = _mitsuba()
    path = mi.load_dict({"type": "path", "max_depth": MAX_PATH})
    return np.asarray(mi.render(scene, sensor=_sensor(camera, size), integrator=path, seed=seed))


@dataclass(frozen=True)
class Hits:
    """What the rays of a picture meet: arrays of shape (H, W, ...)."""

    depth: NDArray[np.float32]  # planar, metres
    part: NDArray[np.int64]  # index of the part
    normal: NDArray[np.float32]
    point: NDArray[np.float32]
    uv: NDArray[np.float32]


def cast(scene: Any, camera: Camera, size: tuple[int, int], within: tuple[float, float]) -> Hits:
    """Cast one ray through the place `within` (u, v in 0..1) of each pixel.

    Mitsuba's own "aov" integrator does the same at ten times the cost (version 3.9, scalar).
    """
    mi = _mitsuba()
    height, width = size
    half = np.tan(camera.fov / 2)
    u = (2 * (np.arange(width) + within[0]) / width - 1) * half
    v = (1 - 2 * (np.arange(height) + within[1]) / height) * half * height / width
    x, y = np.meshgrid(u, v)
    # directions of planar depth 1, so that the distance along the ray is the planar depth
    rays = np.stack([x, y, np.ones_like(x)], axis=-1) @ camera.axes
    origin = mi.Point3f(list(camera.position))
    rows = []
    for ray in rays.reshape(-1, 3).tolist():
        hit = scene.ray_intersect(mi.Ray3f(origin, mi.Vector3f(ray)))
        rows.append((hit.t, int(hit.shape.id()), *hit.sh_frame.n, *hit.uv))
    values = np.array(rows).reshape(height, width, 7)
    points = values[..., :1] * rays + camera.position
    single = values.astype(np.float32)
    return Hits(
        depth=single[..., 0],
        part=values[..., 1].astype(np.int64),
        normal=single[..., 2:5],
        point=points.astype(np.float32),
        uv=single[..., 5:7],
    )


def _bitmap(material: Material, scale: float = 1.0) -> dict[str, Any]:
    mi = _mitsuba()
    data = mi.TensorXf(texture(material) * np.float32(scale))
    return {"type": "bitmap", "data": data, "raw": True}


def _bsdf(material: Material) -> Any:
    kind: dict[str, Any] = {"type": "diffuse", "reflectance": _bitmap(material)}
    if material.gloss:
        kind = {"type": "principled", "base_color": _bitmap(material), "roughness": 0.3}
    return _mitsuba().load_dict({"type": "twosided", "material": kind})


def _radiance(part: Part) -> dict[str, Any]:
    """Only a panel may shine with a texture: to sample it, Mitsuba needs uv to be one to one."""
    if part.kind == "panel":
        return _bitmap(part.material, part.light)
    return {"type": "rgb", "value": [part.light * channel for channel in part.material.colour]}


def _shape(name: str, part: Part, bsdf: Any) -> Any:
    mi = _mitsuba()
    solid = mesh(part)
    props = mi.Properties()
    props["bsdf"] = bsdf
    if part.light > 0:
        props["emitter"] = mi.load_dict({"type": "area", "radiance": _radiance(part)})
    shape = mi.Mesh(
        name,
        len(solid.vertices),
        len(solid.faces),
        has_vertex_normals=solid.normals is not None,
        has_vertex_texcoords=True,
        props=props,
    )
    fields = mi.traverse(shape)
    fields["vertex_positions"] = solid.vertices.astype(np.float32).ravel()
    fields["faces"] = solid.faces.astype(np.uint32).ravel()
    span = part.size[::2] if part.kind == "panel" else part.material.span
    fields["vertex_texcoords"] = (solid.uv / span).astype(np.float32).ravel()
    if solid.normals is not None:
        fields["vertex_normals"] = solid.normals.astype(np.float32).ravel()
    fields.update()
    return shape


def _sensor(camera: Camera, size: tuple[int, int]) -> Any:
    mi = _mitsuba()
    origin = np.asarray(camera.position)
    view = mi.ScalarTransform4f().look_at(
        origin=origin.tolist(), target=(origin + camera.axes[2]).tolist(), up=[0, 0, 1]
    )
    pixels = {"rfilter": {"type": "box"}, "pixel_format": "rgb", "component_format": "float32"}
    lens = {"fov": float(np.degrees(camera.fov)), "fov_axis": "x", "near_clip": 0.01}
    return mi.load_dict(
        {
            "type": "perspective",
            **lens,
            "to_world": view,
            "film": {"type": "hdrfilm", "width": size[1], "height": size[0], **pixels},
            "sampler": {"type": "multijitter", "sample_count": SAMPLES_PER_PIXEL},
        }
    )
