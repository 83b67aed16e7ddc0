"""Measuring the networks, and the trivial predictor that they have to beat, on the test images.

The runs are put together in the tables that are published, and pairs of networks compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from experiments.networks.study import NetworkStudy
from experiments.networks.training import export_network, load_network
from experiments.publishing.files import write_csv
from experiments.training.configuration import Plan, make_config
from experiments.training.evaluation_data import MILLIMETRE, quantise, write_images
from experiments.training.report_tables import TABLES, gather_losses, published_rows
from experiments.training.study import SplitArrays
from influence.analysis.comparison import COMPARISON_COLUMNS, compare
from influence.errors import InfluenceError, unknown
from influence.measurement.pipeline import measure
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.run_directory import Run, read_run
from influence.results.tables import read_table

__all__ = [
    "Trivial",
    "gather_comparisons",
    "gather_history",
    "gather_tables",
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
    write_images(
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


def gather_tables(study: NetworkStudy) -> Iterator[Path]:
    """Put the published rows of all runs together, in the order of the configuration files.

    Raises
    ------
    InfluenceError
        If a network has not been measured.
    """
    labels = dict.fromkeys(plan.labels for plan in study.plans.values())
    folders = [run_folder(study, f"trivial-{label}") for label in labels] + [
        run_folder(study, name, source)
        for name, plan in study.plans.items()
        for source in sources_of(plan)
    ]
    for folder in folders:
        if not (folder / "run.json").is_file():
            raise InfluenceError(
                f"{folder.name} is not measured: expected {folder / 'run.json'}. Run "
                "`python -m experiments.networks measure` first"
            )
    for name in TABLES:
        paths = [folder / f"{name}.csv" for folder in folders]
        frames = [read_table(path, name) for path in paths if path.is_file()]
        if frames:  # no network needs to have distances
            table = published_rows(pd.concat(frames, ignore_index=True))
            yield write_csv(table, study.reports / f"{name}.csv", digits=8)


def gather_comparisons(study: NetworkStudy) -> Path:
    """Compare each network with that which its plan names, on each source of the depth.

    A is the network that the plan names: the joint one, of a twin. A single-task twin needs no
    depth, and is compared with the joint network under every source.
    """
    frames = []
    for name, plan in study.plans.items():
        if plan.compared_with:
            theirs, own = _read(study, plan.compared_with), _read(study, name)
            for source, run in theirs.items():
                other = own.get(source, own["true"])
                found = compare(run, other, pairs=[(plan.compared_with, name)])
                frames.append(found[found["quantity"] == "performance"])
    nothing = [pd.DataFrame(columns=list(COMPARISON_COLUMNS))]
    table = pd.concat(frames or nothing, ignore_index=True)
    return write_csv(table, study.reports / "comparison.csv", digits=8)


def gather_history(study: NetworkStudy) -> Path:
    """Put the losses of all epochs together, of networks that were trained here."""
    runs = [({"network": name}, study.folder(name)) for name in study.plans]
    return gather_losses(study.reports / "training.csv", runs, ["train_loss"])


def _read(study: NetworkStudy, name: str) -> dict[str, Run]:
    return {
        source: read_run(run_folder(study, name, source), rows=True)
        for source in sources_of(study.plan(name))
    }
