"""NYU-Depth v2, 1449 labelled images: its label sets, the official file, and a folder of pictures.

Both readers give the same samples under the same ids ("0001" to "1449", the official 1-based
index) and know the official split only: 795 images for training, 654 for the test.

894 raw labels become 40, 13, 4 or 5 classes by the tables in `labels/`. Sources: 40, 13 and 4
classes from the authors' and Gupta's mapping files (github ankurhanda/nyuv2-meta-data);
`geo5_wang`, the five classes of arXiv 1702.08009 after Wang et al. (CVPR 2015), from a third
party's list (github jackd/nyu), since neither paper prints it; `geo5_silberman` derived from the
four structural classes by splitting the ceiling off. From 40 classes `geo5_wang` is an
approximation: 14 raw labels end in the wrong class. `arora38` and `arora6` are those of Arora et
al.: the first 37, or 5, of the 40 classes, counted from 1, and 0 for everything else, also for
unlabelled pixels, as a class of its own. That the 6 classes are these is an inference ("most
frequent labels"); the 38 are in the authors' code.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat

from experiments.datasets.sample import IGNORE, Sample, SampleSet
from experiments.datasets.source_files import read_label_table, read_picture
from influence.errors import InfluenceError, unknown

__all__ = [
    "LABEL_MAPS",
    "NYUv2File",
    "NYUv2Folder",
    "class_names",
    "label_map",
    "official_split",
    "open_nyuv2",
]

# name -> (column of numbers in the table of 894, the same in the table of 40, column of names)
LABEL_MAPS = {
    "nyu40": ("label40", "label40", "name40"),
    "nyu13": ("label13", "label13", "name13"),
    "structure4": ("struct4", "struct4", "struct4_name"),
    "geo5_wang": ("geo5_wang_thirdparty", "geo5_wang_approx_from40", "geo5_wang_name"),
    "geo5_silberman": ("geo5_silberman_derived", "geo5_silberman_derived", "geo5_silberman_name"),
}

# name -> how many of the 40 classes are kept beside "other"
OTHER_FIRST = {"arora38": 37, "arora6": 5}


def label_map(name: str, *, source: int = 894) -> NDArray[np.uint8]:
    """Return the lookup table from the numbers in a label file to class indices.

    Parameters
    ----------
    name
        One of `LABEL_MAPS` or `OTHER_FIRST`.
    source
        894 for the raw labels of the official file, 40 for maps of 40 classes.

    Returns
    -------
    uint8 (source + 1,): entry i is the class, counted from 0, of label i; entry 0, which means
    unlabelled, is `IGNORE`, or the class "other" if there is one. Use it as an index:
    ``label_map("geo5_wang")[labels]``.
    """
    if name in OTHER_FIRST:
        classes = label_map("nyu40", source=source).astype(np.intp) + 1
        return np.where(classes <= OTHER_FIRST[name], classes, 0).astype(np.uint8)
    column = _columns(name)[0 if source == 894 else 1]
    numbers = [int(row[column]) - 1 for row in _table(source)]
    return np.array([IGNORE, *numbers], dtype=np.uint8)


def class_names(name: str) -> tuple[str, ...]:
    """Return the names of the classes of one label set, in the order of their indices."""
    if name in OTHER_FIRST:
        return ("other", *class_names("nyu40")[: OTHER_FIRST[name]])
    number, _, text = _columns(name)
    names = {int(row[number]): row[text].lower() for row in _table(894)}
    return tuple(names[key] for key in sorted(names))


def _columns(name: str) -> tuple[str, str, str]:
    if name not in LABEL_MAPS:
        raise unknown("label map", name, [*LABEL_MAPS, *OTHER_FIRST])
    return LABEL_MAPS[name]


@cache
def _table(source: int) -> list[dict[str, str]]:
    if source not in (894, 40):
        raise InfluenceError(f"label maps start from 894 raw labels or 40 classes, not {source}")
    return read_label_table(f"nyu{source}_maps.csv")


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
        "wang" or "silberman": the version of the five classes; or another of `LABEL_MAPS`.
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


class _Official:
    """Samples of the official split under a label set, whose files hold 894 or 40 labels."""

    def __init__(self, root: str | os.PathLike[str], split: str, classes: str, labels: int) -> None:
        self.root = Path(root)
        self.classes = class_names(LABELS.get(classes, classes))
        self._classes = label_map(LABELS.get(classes, classes), source=labels)
        self._indices = official_split(split, root)
        self.ids = tuple(f"{index:04d}" for index in self._indices)

    def __len__(self) -> int:
        return len(self.ids)


class NYUv2File(_Official):
    """The official `nyu_depth_v2_labeled.mat`, a MATLAB 7.3 file, that is HDF5 with axes reversed.

    `depth` is the in-filled `depths`; labels go from the 894 raw ones to five classes.
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, classes: str = "wang") -> None:
        super().__init__(root, split, classes, labels=894)
        self.path = self.root / OFFICIAL_FILE

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


class NYUv2Folder(_Official):
    """A folder with rgb/NNNN.jpg, depth/NNNN.png (uint16 millimetres) and label40/NNNN.png.

    The labels are 40 classes, so that the five classes "wang" are the approximation from 40.
    """

    def __init__(self, root: str | os.PathLike[str], split: str, *, classes: str = "wang") -> None:
        super().__init__(root, split, classes, labels=40)

    def __getitem__(self, index: int) -> Sample:
        name = self.ids[index]
        millimetres = read_picture(self.root / "depth" / f"{name}.png")
        return Sample(
            id=name,
            rgb=read_picture(self.root / "rgb" / f"{name}.jpg").astype(np.uint8, copy=False),
            depth=millimetres.astype(np.float32) / np.float32(1000),
            labels=self._classes[read_picture(self.root / "label40" / f"{name}.png")],
        )
