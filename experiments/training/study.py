"""What a study is: its data, in memory and on disk, its settings and the folders of its results."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PositiveInt, StringConstraints
from tqdm import tqdm

from experiments.datasets.sample import CLASSES, SampleSet, resize
from experiments.training.recipe import Recipe
from influence.runtime.files import replace_on_success
from models.jrn import VARIANTS

__all__ = ["TASKS", "Settings", "SimpleName", "SplitArrays", "Study", "load_split", "read_arrays"]

TASKS = ("depth", "segmentation")

SimpleName = Annotated[
    str, StringConstraints(pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$", max_length=80)
]
"""A name that can be that of a file or of a folder."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The configuration file of a study, see `experiments.training.configuration`.

    Attributes
    ----------
    name
        ``python -m experiments.NAME`` is the study.
    trained_on
        The training data, in words.
    labels
        The label set, where the data has several.
    height, width
        The size of all maps; the pictures are shrunk to it.
    max_depth
        Metres. What is farther counts as unknown; at most what uint16 millimetres can hold.
    folds
        The number of parts of the training images for cross-fitting; 1 gives in-sample
        predictions, as in the paper.
    seed
        Of folds, starts, orders and random changes.
    variants
        The joint networks, names of `models.jrn.VARIANTS`.
    single_task, joint
        How the two kinds of networks are trained.
    """

    name: SimpleName
    single_task: Recipe
    joint: Recipe
    trained_on: str = ""
    labels: SimpleName = "own"
    height: PositiveInt = 120
    width: PositiveInt = 160
    max_depth: Annotated[float, Field(gt=0, le=65.535)] = 10.0
    folds: PositiveInt = 3
    seed: Annotated[int, Field(ge=0)] = 0
    variants: tuple[str, ...] = tuple(VARIANTS)


@dataclass(frozen=True, kw_only=True)
class Study(Settings):
    """One study: its settings, its data, and where everything lies.

    Attributes
    ----------
    open_split
        Opens "train" or "test".
    work
        Caches and resumable training states; outside version control.
    results
        The study's own folder, for checkpoints and weights.
    measured
        The run directory of its measurement; outside version control.
    reports
        The folder of the published tables.
    """

    open_split: Callable[[str], SampleSet]
    work: Path
    results: Path
    measured: Path
    reports: Path


PARTS = ("rgb", "depth", "labels")
PROBES = 8


@dataclass(frozen=True)
class SplitArrays:
    """The samples of one split.

    `rgb` is uint8 (N, H, W, 3), `depth` float32 (N, H, W) metres, `labels` uint8 (N, H, W), an
    index into `classes`. `groups` names for each sample what it shares with others, such as the
    place, if the reader knows.
    """

    ids: tuple[str, ...]
    rgb: NDArray[np.uint8]
    depth: NDArray[np.float32]
    labels: NDArray[np.uint8]
    classes: tuple[str, ...] = CLASSES
    groups: tuple[str, ...] | None = None

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of everything that a network learns from."""
        found = hashlib.sha256(repr((self.ids, self.classes, self.rgb.shape)).encode())
        for array in (self.rgb, self.depth, self.labels):
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


def load_split(study: Study, split: str) -> SplitArrays:
    """Read a split of a study, from its work folder where it was read before."""
    return read_arrays(
        study.open_split(split),
        study.work / f"{split}_{study.labels}_{study.width}x{study.height}.npz",
        height=study.height,
        width=study.width,
        max_depth=study.max_depth,
    )


def read_arrays(
    samples: SampleSet, cache: Path, *, height: int, width: int, max_depth: float
) -> SplitArrays:
    """Read all samples at a size, or from the cache if that holds the same.

    That is judged by the ids and by some whole samples, spread over the set: another label set,
    size or source is noticed, a change of a few pictures only if it meets one of these.

    Parameters
    ----------
    cache
        Written if it is not there, or of something else.
    max_depth
        Metres; what is farther becomes 0, unknown.
    """
    probes = np.unique(np.linspace(0, len(samples) - 1, PROBES).round().astype(int))
    seen = _stacked(samples, probes.tolist(), height, width)
    found = _cached(cache, samples.ids, probes, seen)
    if found is None:
        rows = tqdm(range(len(samples)), desc=cache.stem, unit="image", disable=None)
        found = _stacked(samples, rows, height, width)
        with replace_on_success(cache) as aside:
            np.savez(aside, ids=np.array(samples.ids), **found)  # type: ignore[arg-type]
    found["depth"] = np.where(found["depth"] <= max_depth, found["depth"], np.float32(0))
    return SplitArrays(
        samples.ids,
        **found,
        classes=tuple(getattr(samples, "classes", CLASSES)),
        groups=getattr(samples, "groups", None),
    )


def _stacked(
    samples: SampleSet, rows: Iterable[int], height: int, width: int
) -> dict[str, NDArray[Any]]:
    small = [resize(samples[row], height, width) for row in rows]
    return {name: np.stack([getattr(x, name) for x in small]) for name in PARTS}


def _cached(
    cache: Path, ids: tuple[str, ...], probes: NDArray[np.intp], seen: dict[str, NDArray[Any]]
) -> dict[str, NDArray[Any]] | None:
    """Read the cache, if its ids are these and its samples at `probes` are the ones seen."""
    if not cache.is_file():
        return None
    try:
        with open(cache, "rb") as file, np.load(file) as arrays:
            found = {name: arrays[name] for name in PARTS}
            same_ids = tuple(arrays["ids"].tolist()) == ids
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None  # damaged
    same = all(
        len(x) == len(ids) and np.array_equal(x[probes], seen[name]) for name, x in found.items()
    )
    return found if same_ids and same else None
