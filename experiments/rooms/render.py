"""From a room to a picture, a depth map and a class map, with Mitsuba 3."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from influence.runtime.files import replace_on_success
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from experiments.datasets.sample import Sample
from experiments.rooms.denoise import denoise
from experiments.rooms.materials import texture
from experiments.rooms.parts import Part
from experiments.rooms.scene import Room, draw_room
from experiments.rooms.tracing import Hits, cast, load_scene, trace
from influence.errors import unknown

__all__ = ["SPLITS", "render_room", "render_scene", "render_split", "room_seed"]

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

    Examples
    --------
    >>> sample = render_scene(3, size=(24, 32))
    >>> sample.rgb.shape, bool(sample.depth.min() > 0.5), int(sample.labels.max()) <= 4
    ((24, 32, 3), True, True)
    """
    return render_room(draw_room(seed), size=size)


def render_room(room: Room, *, size: tuple[int, int] = (120, 160)) -> Sample:
    """Render a room: picture by path tracing, depth (m) and class at the centre of each pixel.

    Examples
    --------
    >>> from experiments.rooms.camera import Camera
    >>> from experiments.rooms.scene import empty_room
    >>> bare = empty_room(3.0, 4.0, 2.5, Camera((1.5, 0.5, 1.2)))
    >>> round(float(render_room(bare, size=(24, 32)).depth[12, 16]), 3)
    3.5
    """
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
    """Seed of one room of a split: a hash of all three, so that no two rooms share one.

    Examples
    --------
    >>> room_seed("train", 0) != room_seed("test", 0)
    True
    """
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

    Examples
    --------
    >>> import tempfile
    >>> render_split(Path(tempfile.mkdtemp()), "test", 0)
    """
    if split not in SPLITS:
        raise unknown("split", split, SPLITS)
    for kind in ("rgb", "depth", "labels"):
        (root / split / kind).mkdir(parents=True, exist_ok=True)
    todo = [i for i in range(count) if not (root / split / "labels" / f"{i:04d}.png").exists()]
    work = partial(_render_file, root / split, split, seed, size)
    if not todo:
        return
    bar = partial(tqdm, total=count, initial=count - len(todo), desc=f"rooms {split}", unit="room")
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
