"""NYU-Depth v2, 1449 labelled images: the official file, and a folder of pictures.

Both readers give the same samples under the same ids ("0001" to "1449", the official 1-based
index) and know the official split only: 795 images for training, 654 for the test.
"""

from __future__ import annotations

import os
from pathlib import Path

import h5py
import numpy as np
from scipy.io import loadmat

from experiments.datasets.label_maps import class_names, label_map
from experiments.datasets.sample import Sample, SampleSet
from experiments.datasets.source_files import read_label_table, read_picture
from influence.errors import InfluenceError

__all__ = ["NYUv2File", "NYUv2Folder", "official_split", "open_nyuv2"]

OFFICIAL_FILE = "nyu_depth_v2_labeled.mat"
OFFICIAL_SPLIT = "splits.mat"
SPLITS = ("train", "test")
LABELS = {"wang": "geo5_wang", "silberman": "geo5_silberman"}  # short names of the five classes


def official_split(split: str, root: str | os.PathLike[str] | None = None) -> list[int]:
    """Return the 1-based indices of the training or the test images.

    They come from the authors' `splits.mat` where `root` holds it, else from the copy of its
    content in `labels/`.
    """
    if split not in SPLITS:
        raise InfluenceError(f"the split is 'train' or 'test', not {split!r}")
    if root is not None and (Path(root) / OFFICIAL_SPLIT).is_file():
        indices = loadmat(os.fspath(Path(root) / OFFICIAL_SPLIT))[f"{split}Ndxs"]
        return [int(index) for index in indices.ravel()]
    rows = read_label_table("nyu_splits_1based.csv")
    return [int(row["index_1based"]) for row in rows if row["split"] == split]


def open_nyuv2(
    root: str | os.PathLike[str] | None, split: str, *, classes: str = "wang"
) -> SampleSet:
    """Open whichever of the two forms lies in a folder.

    Parameters
    ----------
    root
        A folder that holds `nyu_depth_v2_labeled.mat` (and `splits.mat`), or the folders `rgb`,
        `depth` and `label40`; `None` for the one that the environment variable NYUV2_ROOT names.
    split
        "train" or "test".
    classes
        "wang" or "silberman": the version of the five classes; or another set of `label_maps`.
    """
    root = root or os.environ.get("NYUV2_ROOT")
    if root is None:
        raise InfluenceError(
            "where is NYU-Depth v2? Name its folder with --data or in the environment variable "
            "NYUV2_ROOT"
        )
    root = Path(root)
    if (root / OFFICIAL_FILE).is_file():
        return NYUv2File(root, split, classes=classes)
    if (root / "rgb").is_dir():
        return NYUv2Folder(root, split, classes=classes)
    raise InfluenceError(
        f"no NYU-Depth v2 in {root}: expected {OFFICIAL_FILE} or the folders rgb, depth and "
        "label40. Name the folder with --data or in the environment variable NYUV2_ROOT"
    )


class NYUv2File:
    """The official `nyu_depth_v2_labeled.mat`, a MATLAB 7.3 file, that is HDF5 with axes reversed.

    `depth` is the in-filled `depths`; labels go from the 894 raw ones to five classes.
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, classes: str = "wang") -> None:
        self.path = Path(root) / OFFICIAL_FILE
        self.classes = class_names(LABELS.get(classes, classes))
        self._classes = label_map(LABELS.get(classes, classes), source=894)
        self._indices = official_split(split, root)
        self.ids = tuple(f"{index:04d}" for index in self._indices)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        row = self._indices[index] - 1
        try:
            # opened anew for each sample: a handle must not travel to other processes
            with h5py.File(self.path, "r") as file:
                rgb, depth, labels = (file[name][row] for name in ("images", "depths", "labels"))
        except (OSError, KeyError) as error:
            raise InfluenceError(
                f"{self.path} is not the official file, or it is damaged ({error}): expected "
                "HDF5 with images, depths and labels. Copy it again"
            ) from error
        return Sample(
            id=self.ids[index],
            rgb=np.ascontiguousarray(rgb.transpose(2, 1, 0)),
            depth=np.ascontiguousarray(depth.T.astype(np.float32)),
            labels=self._classes[labels.T],
        )


class NYUv2Folder:
    """A folder with rgb/NNNN.jpg, depth/NNNN.png (uint16 millimetres) and label40/NNNN.png.

    The labels are 40 classes, so that the five classes "wang" are the approximation from 40.
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, classes: str = "wang") -> None:
        self.root = Path(root)
        self.classes = class_names(LABELS.get(classes, classes))
        self._classes = label_map(LABELS.get(classes, classes), source=40)
        self.ids = tuple(f"{index:04d}" for index in official_split(split, root))

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Sample:
        name = self.ids[index]
        millimetres = read_picture(self.root / "depth" / f"{name}.png")
        return Sample(
            id=name,
            rgb=read_picture(self.root / "rgb" / f"{name}.jpg").astype(np.uint8, copy=False),
            depth=millimetres.astype(np.float32) / np.float32(1000),
            labels=self._classes[read_picture(self.root / "label40" / f"{name}.png")],
        )
