"""From a room to a picture, a depth map and a class map, with Mitsuba 3.

The grain of path tracing is removed without blurring textures or edges: by an edge-avoiding à-trous
wavelet filter (Dammertz et al., High-Performance Graphics 2010) on the light that falls on each
surface, guided by the exact geometry.
"""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import median_filter
from tqdm import tqdm

from experiments.datasets.sample import CLASSES, IGNORE, Sample
from experiments.datasets.source_files import read_picture
from experiments.rooms.layout import Part
from experiments.rooms.materials import texture
from experiments.rooms.scene import Room, draw_room
from experiments.rooms.tracing import Hits, cast, load_scene, trace
from influence.errors import InfluenceError, unknown
from influence.runtime.files import replace_on_success

__all__ = ["RoomsFolder", "denoise", "render_room", "render_scene", "render_split", "room_seed"]

Map = NDArray[np.float32]

KERNEL = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16
STEPS = (1, 2, 4)
CLAMP = 3.0  # a pixel brighter than this times the median around it is a firefly


def denoise(light: Map, albedo: Map, normals: Map, points: Map, shining: NDArray[np.bool_]) -> Map:
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


def _smooth(values: Map, normals: Map, points: Map, shining: NDArray[np.bool_], step: int) -> Map:
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


SPLITS = ("train", "test")
AMBIENT = 0.15  # light that is reflected more often, as a share of the typical light


def render_scene(seed: int, *, size: tuple[int, int] = (120, 160)) -> Sample:
    """Draw and render the room of a seed.

    Parameters
    ----------
    seed
        Of the room and of the light paths.
    size
        Height and width of the picture in pixels.
    """
    return render_room(draw_room(seed), size=size)


def render_room(room: Room, *, size: tuple[int, int] = (120, 160)) -> Sample:
    """Render a room: picture by path tracing, depth (m) and class at the centre of each pixel."""
    parts = room.parts
    scene = load_scene(parts)
    light = trace(scene, room.camera, size, seed=room.seed)
    # one ray through the centre of each pixel: a label or a depth is never a mixture of two
    centre = cast(scene, room.camera, size, (0.5, 0.5))
    around = [cast(scene, room.camera, size, within) for within in ((0.2, 0.7), (0.8, 0.3))]
    albedo = np.mean([_albedo(parts, hits) for hits in (centre, *around)], axis=0)
    lit = np.array([part.light > 0 for part in parts])[centre.part]
    clean = denoise(light, albedo, centre.normal, centre.point, lit)
    labels = np.array([part.label for part in parts], dtype=np.uint8)
    return Sample(
        id=str(room.seed),
        rgb=_develop(clean, albedo, room),
        depth=centre.depth,
        labels=labels[centre.part],
    )


def room_seed(split: str, index: int, *, seed: int = 0) -> int:
    """Seed of one room of a split: a hash of all three, so that no two rooms share one."""
    stream = np.random.SeedSequence((seed, SPLITS.index(split), index))
    return int(stream.generate_state(1)[0])


def render_split(
    root: Path,
    split: str,
    count: int,
    *,
    size: tuple[int, int] = (120, 160),
    seed: int = 0,
    processes: int = 2,
) -> None:
    """Render `count` rooms of a split into ROOT/SPLIT/{rgb,depth,labels}/NNNN.png.

    Files that exist are kept, so that an interrupted run goes on where it stopped. The processes
    import the calling script anew: call this under `if __name__ == "__main__"` there.

    Parameters
    ----------
    root
        The folder that holds the splits.
    split
        "train" or "test"; their rooms differ for every `seed`.
    count
        How many rooms.
    size
        Height and width in pixels.
    seed
        Of the whole data set.
    processes
        How many processes render at the same time.

    Raises
    ------
    InfluenceError
        If the split is unknown.
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    for kind in ("rgb", "depth", "labels"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    todo = [i for i in range(count) if not (root / split / "labels" / f"{i:04d}.png").exists()]
    work = partial(_render_file, root / split, split, seed, size)
    bar = partial(tqdm, total=count, initial=count - len(todo), desc=f"rooms {split}", unit="room")
    if not todo:
        return
    if processes == 1:
        list(bar(map(work, todo)))
        return
    # a forked process would inherit Mitsuba's pool without its threads, and wait for ever
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        list(bar(pool.map(work, todo)))


def _render_file(folder: Path, split: str, seed: int, size: tuple[int, int], index: int) -> None:
    sample = render_scene(room_seed(split, index, seed=seed), size=size)
    pictures: dict[str, NDArray[np.integer[Any]]] = {
        "rgb": sample.rgb,
        "depth": np.rint(sample.depth * 1000).astype(np.uint16),
        "labels": sample.labels,  # last: its presence says that the room is complete
    }
    for kind, picture in pictures.items():
        with replace_on_success(folder / kind / f"{index:04d}.png") as path:
            Image.fromarray(picture).save(path, format="png")


def _albedo(parts: tuple[Part, ...], hits: Hits) -> NDArray[np.float32]:
    """Reflectance at the hits, shape (H, W, 3)."""
    result = np.empty((*hits.part.shape, 3), np.float32)
    for index in np.unique(hits.part):
        seen = hits.part == index
        pixels = texture(parts[index].material)
        count = len(pixels)
        column, row = np.floor(hits.uv[seen] * count).astype(int).T % count
        result[seen] = pixels[row, column]
    return result


def _develop(
    light: NDArray[np.float32], albedo: NDArray[np.float32], room: Room
) -> NDArray[np.uint8]:
    """Add the light of longer paths, expose, compress the highlights and gamma-encode."""
    ambient = AMBIENT * np.median(light / (albedo + 0.02), axis=(0, 1))
    light = (light + ambient * albedo) * np.asarray(room.balance)
    luminance = light @ np.array([0.2126, 0.7152, 0.0722])
    typical = np.exp(np.mean(np.log(luminance + 1e-3)))
    x = light * (room.exposure / typical)
    x = x * (1 + x / 16) / (1 + x)  # Reinhard 2002, eq. 4, white at 4
    srgb = np.where(x <= 0.0031308, 12.92 * x, 1.055 * np.maximum(x, 1e-9) ** (1 / 2.4) - 0.055)
    encoded: NDArray[np.uint8] = np.rint(255 * np.clip(srgb, 0, 1)).astype(np.uint8)
    return encoded


class RoomsFolder:
    """DIR/{train,test}/{rgb,depth,labels}/NNNN.png.

    `rgb` is uint8, `depth` uint16 millimetres, `labels` the uint8 class 0..4 or 255.
    """

    def __init__(self, root: str | os.PathLike[str], split: str) -> None:
        self.root = Path(root) / split
        self.ids = tuple(path.stem for path in sorted((self.root / "labels").glob("*.png")))
        if not self.ids:
            raise InfluenceError(
                f"no rendered rooms in {self.root}: run `python -m experiments.rooms render` first"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        name = f"{self.ids[index]}.png"
        labels = read_picture(self.root / "labels" / name).astype(np.uint8, copy=False)
        if np.any((labels >= len(CLASSES)) & (labels != IGNORE)):
            raise InfluenceError(
                f"{self.root / 'labels' / name} holds label {labels[labels != IGNORE].max()}: "
                f"expected 0 to {len(CLASSES) - 1}, or {IGNORE} for no label"
            )
        return Sample(
            id=self.ids[index],
            rgb=read_picture(self.root / "rgb" / name).astype(np.uint8, copy=False)[..., :3],
            depth=read_picture(self.root / "depth" / name).astype(np.float32) / np.float32(1000),
            labels=labels,
        )
