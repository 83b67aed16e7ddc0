"""Rendered rooms: one folder per split with a picture, a depth map and a class map per scene."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from experiments.datasets.sample import CLASSES, IGNORE, Sample
from experiments.datasets.source_files import read_picture
from influence.errors import InfluenceError

__all__ = ["RoomsFolder"]


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
