"""The evaluation files of a study: predicted inputs and ground truth, and their scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.datasets.sample import IGNORE
from experiments.training.single_task import predict_split
from experiments.training.study import SplitArrays, Study, load_split
from influence.data.evaluation_file import EvaluationFile
from influence.data.evaluation_writer import write_evaluation_file
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.plan.setups import NO_MUTE

__all__ = ["MILLIMETRE", "input_network", "input_scores", "quantise", "write_images", "write_set"]

MILLIMETRE = 1e-3


def write_set(study: Study, split: str, path: Path, *, compact: bool = False) -> None:
    """Write the evaluation file of the training or of the test images.

    Predicted depth is compared with the truth within a millimetre and the study's `max_depth`; a
    truth that is farther is unknown. Groups and names of the classes are the reader's.

    Parameters
    ----------
    split
        ``train``, with cross-fitted predictions, or ``test``.
    compact
        Store depth in millimetres and probabilities in steps of 1/255, as integers, and add the
        pictures: for a file that is published. Otherwise the predictions are stored as they are.
    """
    truth = load_split(study, split)
    maps = predict_split(study, split)
    depth: NDArray[Any] = maps.depth[:, None]
    semantic: NDArray[Any] = maps.semantic
    of_depth: dict[str, Any] = {"unit": "m"}
    of_semantic: dict[str, Any] = {"classes": list(truth.classes)}
    if compact:
        depth, semantic = quantise(depth, MILLIMETRE, np.uint16), quantise(semantic, 1 / 255)
        of_depth["scale"], of_semantic["scale"] = MILLIMETRE, 1 / 255
    write_images(
        path,
        truth,
        study.max_depth,
        inputs={"depth": depth, "semantic": semantic},
        attributes={"inputs/depth": of_depth, "inputs/semantic": of_semantic},
        images=truth.rgb if compact else None,
        name=study.name if split == "test" else f"{study.name}, {split}",
    )


def write_images(
    path: Path,
    truth: SplitArrays,
    max_depth: float,
    *,
    attributes: Mapping[str, Mapping[str, Any]],
    **content: Any,
) -> None:
    """Write an evaluation file of some images and their true depth and classes.

    Parameters
    ----------
    max_depth
        Metres, to which predictions of the depth are limited.
    attributes, content
        Of the inputs, and what else `write_evaluation_file` takes.
    """
    own = {
        "targets/depth": {
            "unit": "m", "ignore": 0, "scale": MILLIMETRE, "range": (MILLIMETRE, max_depth),
        },
        "targets/semantic": {"ignore": IGNORE, "classes": list(truth.classes)},
    }  # fmt: skip
    depth = quantise(truth.depth, MILLIMETRE, np.uint16)
    write_evaluation_file(
        path,
        targets={"depth": depth, "semantic": truth.labels},
        ids=truth.ids,
        groups=truth.groups,
        attributes={**attributes, **own},
        **content,
    )


def quantise(
    values: NDArray[np.floating[Any]], scale: float, kind: type[np.unsignedinteger[Any]] = np.uint8
) -> NDArray[np.unsignedinteger[Any]]:
    """Round to whole multiples of `scale`, within the range of the integers."""
    steps = np.rint(values.astype(np.float64) / scale)
    return steps.clip(0, np.iinfo(kind).max).astype(kind)


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
