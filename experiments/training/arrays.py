"""A whole split in memory, at the size that a study works at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from experiments.datasets.sample import resize
from experiments.training.study import Study
from influence.files import replace_on_success

__all__ = ["SplitArrays", "load_split"]


@dataclass(frozen=True)
class SplitArrays:
    """The samples of one split.

    `rgb` is uint8 (N, H, W, 3), `depth` float32 (N, H, W) metres, `labels` uint8 (N, H, W).
    """

    ids: tuple[str, ...]
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    labels: NDArray[np.uint8]


def load_split(study: Study, split: str) -> SplitArrays:
    """Read a split at the study's size, from the work folder where it was read before."""
    samples = study.open_split(split)
    cache = study.work / f"{split}_{study.width}x{study.height}.npz"
    if cache.is_file():
        with np.load(cache) as file:
            if tuple(file["ids"]) == samples.ids:
                return SplitArrays(samples.ids, file["rgb"], file["depth"], file["labels"])
    small = [
        resize(samples[index], study.height, study.width)
        for index in tqdm(
            range(len(samples)), desc=f"{study.name} {split}", unit="image", disable=None
        )
    ]
    arrays = SplitArrays(
        samples.ids,
        np.stack([sample.rgb for sample in small]),
        np.stack([sample.depth for sample in small]),
        np.stack([sample.labels for sample in small]),
    )
    with replace_on_success(cache) as aside:
        np.savez(aside, ids=arrays.ids, rgb=arrays.rgb, depth=arrays.depth, labels=arrays.labels)
    return arrays
