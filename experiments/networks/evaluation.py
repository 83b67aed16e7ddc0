"""The test images as evaluation files: pictures, a depth map as an input, and the ground truth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from experiments.datasets.sample import IGNORE
from experiments.networks.study import NetworkStudy
from experiments.networks.training import load_network
from experiments.training.evaluation_data import quantise
from influence.data.evaluation_file import write_evaluation_file
from influence.errors import unknown

__all__ = ["DEPTH_SOURCES", "write_test_file"]

DEPTH_SOURCES = ("true", "predicted")
"""Where the depth input comes from: the sensor, or the network `PREDICTOR` from the picture."""

PREDICTOR = "fcrn-depth"
MILLIMETRE = 1e-3
DEPTH_RANGE = (MILLIMETRE, 10.0)  # metres


def write_test_file(study: NetworkStudy, labels: str, depth_source: str) -> Path:
    """Write the evaluation file of the test images.

    Parameters
    ----------
    labels
        A label set of the study's plans.
    depth_source
        One of `DEPTH_SOURCES`.
    """
    if depth_source not in DEPTH_SOURCES:
        raise unknown("source of the depth", depth_source, DEPTH_SOURCES)
    path = study.work / "data" / f"test-{labels}-{depth_source}.h5"
    arrays = study.load_split("test", labels)
    true = arrays.depth[:, None]
    depth = true if depth_source == "true" else _predicted(study, arrays.rgb)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_evaluation_file(
        path,
        inputs={
            "rgb": np.ascontiguousarray(arrays.rgb.transpose(0, 3, 1, 2)),
            "depth": quantise(depth, MILLIMETRE, np.uint16),
        },
        targets={"depth": quantise(arrays.depth, MILLIMETRE, np.uint16), "semantic": arrays.labels},
        ids=arrays.ids,
        name=f"NYU-Depth v2, {depth_source} depth",
        attributes={
            "inputs/depth": {"unit": "m", "scale": MILLIMETRE},
            "targets/depth": {"unit": "m", "ignore": 0, "scale": MILLIMETRE, "range": DEPTH_RANGE},
            "targets/semantic": {"ignore": IGNORE, "classes": list(arrays.classes)},
        },
    )
    return path


@torch.inference_mode()
def _predicted(study: NetworkStudy, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Predict the depth (N, 1, H, W), metres, of pictures (N, H, W, 3)."""
    network = load_network(study, PREDICTOR)
    batches = tqdm(range(0, len(rgb), 8), desc=PREDICTOR, unit="batch", disable=None)
    pictures = (torch.from_numpy(rgb[i : i + 8]).permute(0, 3, 1, 2).float() for i in batches)
    return torch.cat([network(picture)["depth"] for picture in pictures]).numpy()
