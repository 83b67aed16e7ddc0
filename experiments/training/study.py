"""What a study is: its data, its settings and the folders of its results."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from experiments.datasets.sample import SampleSet

__all__ = ["TASKS", "JointRecipe", "SingleTaskRecipe", "Study"]

TASKS = ("depth", "segmentation")


@dataclass(frozen=True)
class SingleTaskRecipe:
    """AdamW with one warm-up and a cosine decay; the pretrained encoder learns more slowly.

    A picture is flipped with probability one half, its brightness, contrast and colour balance
    change by up to `colour`, and a window of 1 / `zoom` to 1 of its size is enlarged to the whole,
    which divides the depth by the enlargement (Eigen et al. 2014, section 3.4).
    """

    epochs: int = 20
    batch_size: int = 8
    rate: float = 1e-3
    encoder_rate: float = 5e-4
    weight_decay: float = 1e-2
    warm_up: float = 0.1
    colour: float = 0.2
    zoom: float = 1.4


@dataclass(frozen=True)
class JointRecipe:
    """Stochastic gradient descent as in arXiv 1702.08009, section IV-A.

    The paper fixes batch size, rate and momentum. The cosine decay to 0, the flips and the share
    of training images that is held out to watch the loss are ours.
    """

    epochs: int = 40
    batch_size: int = 1
    rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 0.0
    held_out: float = 0.1


@dataclass(frozen=True)
class Study:
    """One study: a data set, how its networks are trained, and where everything lies.

    Attributes
    ----------
    open_split
        Opens "train" or "test".
    work
        Caches and resumable training states; outside version control.
    results
        The study's own folder, for checkpoints and weights.
    reports
        The folder of the tables.
    folds
        The number of parts of the training images for cross-fitting; 1 gives in-sample
        predictions, as in the paper.
    """

    name: str
    open_split: Callable[[str], SampleSet]
    work: Path
    results: Path
    reports: Path
    height: int = 120
    width: int = 160
    folds: int = 3
    seed: int = 0
    trained_on: str = ""
    single_task: SingleTaskRecipe = field(default_factory=SingleTaskRecipe)
    joint: JointRecipe = field(default_factory=JointRecipe)
