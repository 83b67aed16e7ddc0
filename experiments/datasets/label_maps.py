"""The label sets of NYU-Depth v2: 894 raw labels to 40, 13, 4 and 5 classes.

The tables are the data files in `labels/`. Sources: 40, 13 and 4 classes from the authors' and
Gupta's mapping files (github ankurhanda/nyuv2-meta-data); `geo5_wang`, the five classes of
arXiv 1702.08009 after Wang et al. (CVPR 2015), from a third party's list (github jackd/nyu), since
neither paper prints it; `geo5_silberman` derived from the four structural classes by splitting the
ceiling off. From 40 classes `geo5_wang` is an approximation: 14 raw labels end in the wrong class.
`arora38` and `arora6` are those of Arora et al.: the first 37, or 5, of the 40 classes, counted
from 1, and 0 for everything else, also for unlabelled pixels, as a class of its own. That the 6
classes are these is an inference ("most frequent labels"); the 38 are in the authors' code.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from experiments.datasets.sample import IGNORE
from experiments.datasets.source_files import read_label_table
from influence.errors import InfluenceError, unknown

__all__ = ["LABEL_MAPS", "class_names", "label_map"]

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
