"""ScanNet: frames of indoor scans with depth, and labels projected from the labelled meshes.

Layout, units and lists are the authors' (Dai et al., CVPR 2017; github ScanNet/ScanNet: its README
and those of SensReader, BenchmarkScripts and Tasks). Two forms of a scan are read: the 25,000
frames that the authors prepared, whose `label` is of 8 bits and NYU-40 already, and what their
tools unpack from the recordings, whose `label-filt` holds the raw ids of ScanNet.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from experiments.datasets.nyuv2 import class_names, label_map
from experiments.datasets.sample import Sample
from experiments.datasets.source_files import (
    check_split,
    read_colours,
    read_labels,
    read_numbers,
    read_text,
)
from influence.errors import InfluenceError

__all__ = ["ScanNetFrames"]

TABLE = "scannetv2-labels.combined.tsv"
RAW, NYU40 = "label-filt", "label"
STRETCH = 0.02  # how far the proportions of two pictures of one frame may differ


class ScanNetFrames:
    """ROOT/SCAN/{color/N.jpg, depth/N.png} with label-filt/N.png or label/N.png.

    The split is the list scannetv2_train.txt or scannetv2_val.txt in ROOT, one scan a line. Depth
    is millimetres. Where a scan has `label-filt`, its ids are turned into NYU-40 by the table
    scannetv2-labels.combined.tsv in ROOT; else `label` is read.

    The colour picture (1296x968) and the labels are shrunk to the size of the depth map (640x480):
    a new colour is the mean of the pixels whose centres lie in it, a new label the one at its
    centre. The authors have aligned the two and say that resampling is enough (github
    ScanNet/ScanNet, issues 2 and 92); since the proportions differ by 0.4 %, it leaves up to a
    pixel at the upper and lower border.

    Attributes
    ----------
    ids
        Such as ``scene0191_00_000100``: the scan and the name of the frame in it.
    groups
        The place, such as ``scene0191``, of which there may be several scans.
    classes
        The names that `labels` is an index into.

    Raises
    ------
    InfluenceError
        If a file is missing, is not what its name says or does not fit the others.
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, classes: str = "nyu40") -> None:
        """Find the frames of a split.

        Parameters
        ----------
        root
            The folder of the scans and the lists.
        split
            "train" or "val".
        classes
            The name of a label map, such as "nyu40"; "wang" and "silberman" are the five classes,
            the former an approximation from 40.
        """
        label_set = f"geo5_{classes}" if classes in ("wang", "silberman") else classes
        self.classes = class_names(label_set)
        from_40 = dict(enumerate(label_map(label_set, source=40).tolist()))
        root = Path(root)
        self._files = [path for scan in _scans(root, split) for path in _label_files(root / scan)]
        scans = [path.parent.parent.name for path in self._files]
        self.ids = tuple(
            f"{scan}_{path.stem}" for scan, path in zip(scans, self._files, strict=True)
        )
        self.groups = tuple(scan.partition("_")[0] for scan in scans)
        self._tables = {NYU40: from_40}
        if any(path.parent.name == RAW for path in self._files):
            raw_to_40 = _raw_to_40(root / TABLE)
            self._tables[RAW] = {raw: from_40[label] for raw, label in raw_to_40.items()}

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        origin = self._files[index]
        kind, scan = origin.parent.name, origin.parent.parent
        millimetres = read_numbers(scan / "depth" / origin.name, bits=[16])
        # a `label` of 16 bits is not NYU-40 but raw ids before the authors filtered them
        labels = read_labels(origin, self._tables[kind], bits=[8] if kind == NYU40 else [8, 16])
        labels = nearest(labels, *_proportional(labels, millimetres, origin))
        origin = scan / "color" / f"{origin.stem}.jpg"
        rgb = read_colours(origin)
        height, width = _proportional(rgb, millimetres, origin)
        small = Image.fromarray(rgb).resize((width, height), Image.Resampling.BOX)
        return Sample(
            id=self.ids[index],
            rgb=np.array(small),
            depth=millimetres.astype(np.float32) / np.float32(1000),
            labels=labels,
        )


def nearest(numbers: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Resize a map of numbers: each new pixel takes the old one at its centre."""
    rows = (2 * np.arange(height) + 1) * numbers.shape[0] // (2 * height)
    columns = (2 * np.arange(width) + 1) * numbers.shape[1] // (2 * width)
    small: NDArray[Any] = numbers[rows[:, None], columns]
    return small


def _proportional(
    picture: NDArray[Any], depth: NDArray[np.uint16], origin: Path
) -> tuple[int, int]:
    """Return the height and width of the depth map, if the picture may be stretched to them."""
    (height, width), (rows, columns) = depth.shape, picture.shape[:2]
    if abs(columns * height / (rows * width) - 1) > STRETCH:
        raise InfluenceError(
            f"{origin} has {rows}x{columns} pixels, expected the proportions of its depth map of "
            f"{height}x{width}: one of the two is cropped or turned. Export both again"
        )
    return height, width


def _scans(root: Path, split: str) -> list[str]:
    """Read the names of the scans of a split."""
    check_split(split, "ScanNet")
    path = root / f"scannetv2_{split}.txt"
    if not path.is_file():
        raise InfluenceError(
            f"{path} is missing: expected the authors' list of scans, one a line (github "
            "ScanNet/ScanNet, Tasks/Benchmark). Copy it there"
        )
    scans = read_text(path).split()
    for scan in scans:
        if not re.fullmatch(r"scene\d{4}_\d{2}", scan):
            raise InfluenceError(
                f"{path}: expected names such as scene0191_00, got {scan!r:.40}. Copy it again"
            )
    if not scans:
        raise InfluenceError(f"{path} is empty: expected one scan a line. Copy it again")
    return scans


def _label_files(scan: Path) -> list[Path]:
    """List the label pictures of a scan in the order of time, `label-filt` if there are both."""
    for kind in (RAW, NYU40):
        if found := list((scan / kind).glob("*.png")):
            return sorted(found, key=lambda path: (len(path.stem), path.stem))
    raise InfluenceError(
        f"no labels in {scan}: expected {RAW}/N.png or {NYU40}/N.png. Unpack the scan, or take it "
        "out of the list of the split"
    )


def _raw_to_40(path: Path) -> dict[int, int]:
    """Read the columns id and nyu40id of the authors' table; 0 is unlabelled in both."""
    text = read_text(path)
    rows = csv.DictReader(StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    try:
        found = {_number(row, "id", below=2**16): _number(row, "nyu40id", below=41) for row in rows}
        if not found:
            raise ValueError("it has no rows")
    except (ValueError, csv.Error) as error:
        raise InfluenceError(
            f"{path}, line {rows.line_num}: expected a table with tabs and the columns id and "
            f"nyu40id ({error}). Copy it from the ScanNet release again"
        ) from error
    return found | {0: 0}


def _number(row: Mapping[str, str | None], column: str, *, below: int) -> int:
    text = row.get(column) or ""
    if not text.isdecimal() or int(text) >= below:
        raise ValueError(f"{column} is {text!r:.40}, not a whole number below {below}")
    return int(text)
