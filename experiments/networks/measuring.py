"""Measuring the networks, and the trivial predictor that they have to beat, on the test images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from experiments.networks.study import NetworkStudy
from experiments.networks.training import export_network, load_network
from experiments.training.arrays import SplitArrays
from experiments.training.configuration import Plan, make_config
from experiments.training.evaluation_data import MILLIMETRE, quantise, write_with_truth
from influence.errors import unknown
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output

__all__ = [
    "DEPTH_SOURCES",
    "Trivial",
    "measure_network",
    "measure_trivial",
    "run_folder",
    "sources_of",
    "trivial_network",
    "write_test_file",
]

DEPTH_SOURCES = ("true", "predicted")
"""Where the depth input comes from: the sensor, or the network `PREDICTOR` from the picture."""

PREDICTOR = "fcrn-depth"
MAX_DEPTH = 10.0  # metres


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
    rgb = np.ascontiguousarray(arrays.rgb.transpose(0, 3, 1, 2))
    write_with_truth(
        path,
        arrays,
        MAX_DEPTH,
        inputs={"rgb": rgb, "depth": quantise(depth, MILLIMETRE, np.uint16)},
        attributes={"inputs/depth": {"unit": "m", "scale": MILLIMETRE}},
        name=f"NYU-Depth v2, {depth_source} depth",
    )
    return path


@torch.inference_mode()
def _predicted(study: NetworkStudy, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Predict the depth (N, 1, H, W), metres, of pictures (N, H, W, 3)."""
    network = load_network(study, PREDICTOR)
    batches = tqdm(range(0, len(rgb), 8), desc=PREDICTOR, unit="batch", disable=None)
    pictures = (torch.from_numpy(rgb[i : i + 8]).permute(0, 3, 1, 2).float() for i in batches)
    return torch.cat([network(picture)["depth"] for picture in pictures]).numpy()


class Trivial(nn.Module):
    """The same maps whatever picture (B, 3, H, W) and depth (B, 1, H, W) it is given.

    Depth is the mean of each pixel over the training images in which it is known, metres; the
    class is the most frequent one of all their pixels, with probability 1.

    Parameters
    ----------
    images
        The training images.
    classes
        How many there are; higher labels are none.
    """

    def __init__(self, images: SplitArrays, *, classes: int) -> None:
        super().__init__()
        known = images.depth > 0
        mean = np.where(known, images.depth, 0).sum(axis=0, dtype=np.float64)
        mean /= np.maximum(known.sum(axis=0), 1)
        counts = np.bincount(images.labels.ravel(), minlength=256)[:classes]
        self.register_buffer("depth", torch.from_numpy(mean.astype(np.float32))[None, None])
        self.register_buffer("classes", torch.eye(classes)[counts.argmax()].view(1, -1, 1, 1))

    def forward(self, rgb: Tensor, depth: Tensor) -> dict[str, Tensor]:
        maps = {"depth": self.get_buffer("depth"), "semantic": self.get_buffer("classes")}
        return {name: x.expand(len(rgb), -1, *rgb.shape[-2:]) for name, x in maps.items()}


def trivial_network(study: NetworkStudy, labels: str) -> JointNetwork:
    """Learn the trivial predictor of one label set from the training images."""
    images = study.load_split("train", labels)
    return JointNetwork(
        Trivial(images, classes=len(images.classes)).eval(),
        inputs=[Modality("rgb", "image"), Modality("depth", "depth", unit="m")],
        outputs=[Output("depth", "depth"), Output("semantic", "probabilities", images.classes)],
        name=f"trivial-{labels}",
    )


METRICS = {
    "depth": ("hybridnet", "log10"),
    "semantic": ("hybridnet",),
    "arora": ("arora", "hybridnet"),
}
"""The metrics of each output; `arora` instead of `semantic` for the label sets of Arora et al."""


def sources_of(plan: Plan) -> tuple[str, ...]:
    """Return the sources of the depth that a network is measured with; one if it takes none."""
    return DEPTH_SOURCES if "depth" in make_config(plan).inputs else DEPTH_SOURCES[:1]


def run_folder(study: NetworkStudy, name: str, source: str = "true") -> Path:
    """Return the folder of one run."""
    return study.work / "measured" / (f"{name}-{source}" if source != "true" else name)


def measure_network(study: NetworkStudy, name: str, options: Sequence[str] = ()) -> None:
    """Measure a trained network with every source of the depth; options go to the command."""
    from influence.cli import main

    plan = study.plan(name)
    checkpoint = export_network(study, name)
    outputs = make_config(plan).outputs
    asked = [f"{output}={metric}" for output in outputs for metric in _metrics(plan.labels, output)]
    for source in sources_of(plan):
        data = write_test_file(study, plan.labels, source)
        arguments = ["measure", str(checkpoint), "--data", str(data), "--mute", plan.mutes]
        arguments += [f"--site={site}" for site in plan.sites]
        arguments += [f"--metric={metric}" for metric in asked]
        out = run_folder(study, name, source)
        main([*arguments, "--out", str(out), *options], standalone_mode=False)


def measure_trivial(study: NetworkStudy, labels: str) -> None:
    """Measure the trivial predictor of a label set; its mute changes nothing."""
    asked = {output: _metrics(labels, output) for output in ("depth", "semantic")}
    data = write_test_file(study, labels, "true")
    network = trivial_network(study, labels)
    run = measure(network, data, metrics=asked, mutes=["zero"], meeting="off")
    run.write(run_folder(study, network.name))


def _metrics(labels: str, output: str) -> tuple[str, ...]:
    special = output == "semantic" and labels.startswith("arora")
    return METRICS["arora" if special else output]
