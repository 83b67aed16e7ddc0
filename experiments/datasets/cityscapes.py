"""Cityscapes: street scenes with fine labels, and depth from a stereo camera.

The layout, the meaning of the numbers in a disparity picture and the table
`labels/cityscapes_ids.csv` are the authors' (Cordts et al., CVPR 2016; github
mcordts/cityscapesScripts, its README and `helpers/labels.py`): 35 ids, of which 19 are classes of
the benchmark and the others void.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from experiments.datasets.sample import IGNORE, Sample
from experiments.datasets.source_files import (
    check_split,
    read_colours,
    read_label_table,
    read_labels,
    read_numbers,
    read_text,
)
from influence.errors import InfluenceError

__all__ = ["CITYSCAPES_CLASSES", "Cityscapes", "depth_of"]

PICTURE = "leftImg8bit"


def _table() -> dict[int, tuple[int, str]]:
    """Map each id to its class and name; -1, the licence plate, is 255 in a picture of 8 bits."""
    rows = read_label_table("cityscapes_ids.csv")
    return {int(row["id"]) % 256: (int(row["train_id"]) % 256, row["name"]) for row in rows}


TRAIN_IDS = {number: train_id for number, (train_id, _) in _table().items()}
CITYSCAPES_CLASSES = tuple(
    name for train_id, name in sorted(_table().values()) if train_id != IGNORE
)


class Cityscapes:
    """ROOT/{leftImg8bit,gtFine,disparity,camera}/{train,val}/CITY/CITY_SEQUENCE_FRAME_*.

    Depth is `depth_of` the disparity picture, without an upper limit: far away, where the
    disparity is a fraction of a pixel, it is kilometres and mostly noise.

    Attributes
    ----------
    ids
        Such as ``frankfurt_000000_000294``.
    groups
        City and sequence, such as ``frankfurt_000000``: its frames are seconds apart. Many
        sequences of one city come from one drive; group by the first word alone to allow for that.
    classes
        The 19 names that `labels` is an index into.

    Raises
    ------
    InfluenceError
        If a file is missing, is not what its name says or does not fit the others.
    """

    classes = CITYSCAPES_CLASSES

    def __init__(self, root: str | os.PathLike[str], split: str) -> None:
        check_split(split, "Cityscapes")
        self.root = Path(root)
        self.split = split
        found = (self.root / PICTURE / split).glob(f"*/*_{PICTURE}.png")
        self.ids = tuple(_id_of(path) for path in sorted(found))
        self.groups = tuple(name.rpartition("_")[0] for name in self.ids)
        if not self.ids:
            raise InfluenceError(
                f"no Cityscapes in {root}: expected pictures {PICTURE}/{split}/CITY/"
                f"*_{PICTURE}.png. Unpack the authors' archives into one folder and name it"
            )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        rgb = read_colours(self._path(index, PICTURE, f"{PICTURE}.png"))
        origin = self._path(index, "gtFine", "gtFine_labelIds.png")
        labels = _of_size(read_labels(origin, TRAIN_IDS, bits=[8]), rgb, origin)
        origin = self._path(index, "disparity", "disparity.png")
        disparity = _of_size(read_numbers(origin, bits=[16]), rgb, origin)
        baseline, focal = _camera(self._path(index, "camera", "camera.json"))
        depth = depth_of(disparity, baseline=baseline, focal=focal)
        return Sample(id=self.ids[index], rgb=rgb, depth=depth, labels=labels)

    def _path(self, index: int, kind: str, ending: str) -> Path:
        name = self.ids[index]
        return self.root / kind / self.split / name.rsplit("_", 2)[0] / f"{name}_{ending}"


def depth_of(
    disparity: NDArray[np.integer[Any]], *, baseline: float, focal: float
) -> NDArray[np.float32]:
    """Return the depth in metres of the numbers in a disparity picture, 0 where it is unknown.

    A number p > 0 stands for a disparity of (p - 1) / 256 pixels, and 0 for no measurement; depth
    is baseline * focal / disparity. A disparity of zero pixels, p = 1, gives no depth.

    Parameters
    ----------
    disparity
        uint16 (H, W).
    baseline
        Distance of the two cameras, metres.
    focal
        Focal length, pixels.
    """
    pixels = (disparity.astype(np.float32) - 1) / 256
    depth = np.zeros(disparity.shape, dtype=np.float32)
    return np.divide(np.float32(baseline * focal), pixels, out=depth, where=pixels > 0)


def _of_size(picture: NDArray[Any], rgb: NDArray[np.uint8], origin: Path) -> NDArray[Any]:
    """Return the picture, if it is as large as the colours."""
    rows, columns = rgb.shape[:2]
    if picture.shape != (rows, columns):
        raise InfluenceError(
            f"{origin} has {picture.shape[0]}x{picture.shape[1]} pixels, expected {rows}x{columns} "
            f"as in its {PICTURE}. Copy both again"
        )
    return picture


def _id_of(path: Path) -> str:
    """Return the name of a frame; its city is the folder's name."""
    name = path.name.removesuffix(f"_{PICTURE}.png")
    if not re.fullmatch(rf"{re.escape(path.parent.name)}_\d+_\d+", name):
        raise InfluenceError(
            f"{path}: expected the name {path.parent.name}_SEQUENCE_FRAME_{PICTURE}.png. Rename "
            "the file or take it out of the folder"
        )
    return name


def _camera(path: Path) -> tuple[float, float]:
    """Read the baseline in metres and the focal length in pixels."""
    try:
        camera = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InfluenceError(f"{path} is not JSON: {error}. Copy it again") from error
    return _field(path, camera, "extrinsic", "baseline"), _field(path, camera, "intrinsic", "fx")


def _field(path: Path, camera: Any, section: str, name: str) -> float:
    try:
        value = camera[section][name]
    except (KeyError, TypeError) as error:
        raise InfluenceError(
            f"{path} lacks {section}.{name}: expected the camera file of the authors. Copy it again"
        ) from error
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < 1e6:
        raise InfluenceError(
            f"{path}: expected a number above 0 in {section}.{name}, got {value!r:.40}. Copy the "
            "file again"
        )
    return float(value)
