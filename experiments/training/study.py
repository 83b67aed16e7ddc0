"""What a study is: its data, its settings and the folders of its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import Field, PositiveInt, StringConstraints

from experiments.datasets.sample import SampleSet
from experiments.training.recipe import Recipe
from models.jrn import VARIANTS

__all__ = ["TASKS", "Settings", "SimpleName", "Study"]

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
