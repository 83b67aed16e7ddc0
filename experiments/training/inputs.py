"""How good the inputs of the joint networks are: the single-task predictions, scored alone."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from torch import Tensor, nn

from experiments.publishing.files import write_csv
from influence.evaluation_file import EvaluationFile
from influence.measurement import measure
from influence.network import JointNetwork, Modality, Output
from influence.rows import NO_MUTE

__all__ = ["input_network", "input_scores", "score_inputs"]


class _Unchanged(nn.Module):
    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        return depth, semantic


def input_network(data: Path) -> JointNetwork:
    """Return a network `input` that hands the inputs of an evaluation file through."""
    classes = EvaluationFile(data).targets["semantic"].classes
    return JointNetwork(
        _Unchanged(),
        inputs=[Modality("depth", "depth", unit="m"), Modality("semantic", "probabilities")],
        outputs=[Output("depth", "depth"), Output("semantic", "probabilities", classes)],
        name="input",
    )


def input_scores(data: Path) -> pd.DataFrame:
    """Return the performance of the inputs of an evaluation file, as that of a network `input`.

    The frame has the columns of ``performance.csv``, and only rows in which nothing is muted.
    """
    performance = measure(input_network(data), data, mutes=["zero"]).performance
    return performance[performance["mute"] == NO_MUTE]


def score_inputs(data: Path, path: Path) -> Path:
    """Write the scores of the inputs of an evaluation file into a table."""
    return write_csv(input_scores(data), path)
