"""One labelled picture, and the interface that every data reader offers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from influence.errors import InfluenceError

__all__ = ["CLASSES", "IGNORE", "Sample", "SampleSet", "resize"]

CLASSES = ("ground", "vertical", "ceiling", "furniture", "object")
IGNORE = 255


@dataclass(frozen=True)
class Sample:
    """A picture with its depth map and its class map, all of the same height and width.

    Attributes
    ----------
    id
        The name of the sample, unique in its data set.
    rgb
        uint8 (H, W, 3).
    depth
        float32 (H, W), metres; 0 where it is unknown.
    labels
        uint8 (H, W), an index into `CLASSES`, or into the attribute `classes` of a reader that has
        one; `IGNORE` where there is no label.
    """

    id: str
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    labels: NDArray[np.uint8]


class SampleSet(Protocol):
    """What a reader is: a sequence of samples that knows their ids without reading them."""

    @property
    def ids(self) -> tuple[str, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


def resize(sample: Sample, height: int, width: int) -> Sample:
    """Shrink a sample by a whole factor.

    Colours are averaged over the area of a new pixel. Depth and labels take one old pixel, the
    upper left one, because the mean over an edge is a surface that does not exist.

    Raises
    ------
    InfluenceError
        If the old size is not a whole multiple of the new one, the same in both directions.
    """
    rows, columns = sample.labels.shape
    factor = rows // height
    if factor * height != rows or factor * width != columns:
        raise InfluenceError(
            f"sample {sample.id}: {rows}x{columns} pixels cannot be shrunk to {height}x{width}; "
            "choose a size that divides both by the same whole number"
        )
    blocks = sample.rgb.reshape(height, factor, width, factor, 3)
    return replace(
        sample,
        rgb=np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8),
        depth=np.ascontiguousarray(sample.depth[::factor, ::factor]),
        labels=np.ascontiguousarray(sample.labels[::factor, ::factor]),
    )
