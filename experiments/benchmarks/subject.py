"""Subject: a network as its owner has it and as a file of ours holds it, with data both ways.

Inputs are smooth and random, and targets are what the network makes of them, disturbed. So the
inputs matter to the outputs, as they do in a trained network, and every influence differs from
zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from experiments.benchmarks.scores import metrics_of
from experiments.training.evaluation_data import quantise
from influence.data.dataset import Batch, EvaluationSet, Field
from influence.data.evaluation_file import EvaluationFile
from influence.data.evaluation_writer import write_evaluation_file
from influence.data.memory import MemorySet
from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.results.run_directory import Run

__all__ = [
    "SOURCES",
    "VOCABULARY",
    "CountingFeed",
    "CountingSet",
    "MemoryBatch",
    "Source",
    "Subject",
    "draw_maps",
    "example_maps",
    "file_batches",
    "prepared",
    "synchronise",
    "write_data",
]

FARTHEST = 5.0  # metres
VOCABULARY = 1000  # ids of tokens, of which the first is padding
UNMAPPED = ("vector", "tokens")
"""The kinds of inputs that are no maps."""


def draw_maps(modality: Modality, samples: int, stream: torch.Generator) -> Tensor:
    """Draw smooth maps with some noise, (samples, *shape), in the range of the modality's kind.

    Depth lies in 0 to 5 m, probabilities sum to one over the channels, other maps are in 0 to 1.
    What is no map is drawn as it comes: numbers from a normal distribution, ids of tokens evenly.
    """
    assert modality.shape is not None, "the networks of the benchmark give their shapes"
    if modality.kind in UNMAPPED:
        shape = (samples, *(int(length or 1) for length in modality.shape))
        if modality.kind == "tokens":
            return torch.randint(1, VOCABULARY, shape, generator=stream)
        return torch.randn(shape, generator=stream)
    channels, height, width = (int(length or 1) for length in modality.shape)
    coarse = torch.randn(samples, channels, 4, 4, generator=stream)
    smooth = functional.interpolate(coarse, size=(height, width), mode="bilinear")
    values = smooth + 0.1 * torch.randn(smooth.shape, generator=stream)
    if modality.kind == "probabilities":
        return (2 * values).softmax(dim=1)
    return values.sigmoid() * (FARTHEST if modality.kind == "depth" else 1.0)


def example_maps(modalities: Sequence[Modality], samples: int = 16) -> list[Tensor]:
    """Draw the same few maps for each modality whenever it is called."""
    stream = torch.Generator().manual_seed(0)
    return [draw_maps(modality, samples, stream) for modality in modalities]


MemoryBatch = tuple[dict[str, Tensor], dict[str, Tensor]]
"""Inputs and targets by name, samples first."""

STEPS = {"depth": 1e-3, "probabilities": 1 / 255, "image": 1 / 255}
"""How finely inputs are stored, by kind: depth in millimetres, the rest in bytes."""
NO_LABEL, NO_DEPTH = 255, 0


def write_data(
    network: JointNetwork,
    path: Path,
    *,
    samples: int,
    batch_size: int = 16,
    unlabelled: float = 0.05,
    seed: int = 0,
) -> None:
    """Write an evaluation file that fits a network.

    Parameters
    ----------
    network
        Its inputs give their shapes; it is run once, on the CPU.
    path
        The file, in the layout in which the studies publish theirs: integers with a scale.
    unlabelled
        The share of places of a map that have no ground truth.
    """
    stream = torch.Generator().manual_seed(seed)
    stored: dict[str, NDArray[Any]] = {}
    attributes: dict[str, dict[str, Any]] = {}
    for modality in network.inputs:
        if modality.kind in UNMAPPED:
            stored[modality.name] = draw_maps(modality, samples, stream).numpy()
            continue
        step = STEPS[modality.kind]
        kind = np.uint16 if modality.kind == "depth" else np.uint8
        stored[modality.name] = quantise(draw_maps(modality, samples, stream).numpy(), step, kind)
        attributes[f"inputs/{modality.name}"] = {"scale": step, "unit": modality.unit}
    targets = {}
    predictions = _predict(network, stored, batch_size)
    for output in network.outputs:
        targets[output.name], facts = _target(output, predictions[output.name], unlabelled, stream)
        attributes[f"targets/{output.name}"] = facts
    write_evaluation_file(
        path, inputs=stored, targets=targets, name=network.name, attributes=attributes
    )


def _predict(
    network: JointNetwork, stored: Mapping[str, NDArray[Any]], batch_size: int
) -> dict[str, Tensor]:
    scales = {
        m.name: Field((), True, scale=STEPS[m.kind])
        for m in network.inputs
        if m.kind not in UNMAPPED
    }
    found: list[dict[str, Tensor]] = []
    with torch.inference_mode():
        for start in range(0, len(next(iter(stored.values()))), batch_size):
            part = slice(start, start + batch_size)
            inputs = {
                n: scales[n].decode(x[part]) if n in scales else torch.from_numpy(x[part])
                for n, x in stored.items()
            }
            found.append(network(inputs))
    return {name: torch.cat([batch[name] for batch in found]) for name in found[0]}


def _target(
    output: Output, prediction: Tensor, unlabelled: float, stream: torch.Generator
) -> tuple[NDArray[Any], dict[str, Any]]:
    """Disturb a prediction to make a ground truth, with holes where it is a map."""
    noise = torch.randn(prediction.shape, generator=stream)
    places = prediction.shape[:1] + prediction.shape[2:]
    nowhere = (torch.rand(places, generator=stream) < unlabelled).numpy()
    if output.kind in ("probabilities", "logits"):
        labels = (prediction + prediction.std() * noise).argmax(dim=1).numpy().astype(np.uint8)
        if labels.ndim > 1:
            labels = np.where(nowhere, np.uint8(NO_LABEL), labels)
        return labels, {"ignore": NO_LABEL, "classes": list(output.classes)}
    if output.kind == "depth":
        metres = (prediction * (0.1 * noise).exp())[:, 0].numpy()
        stored = np.where(nowhere, NO_DEPTH, quantise(metres, STEPS["depth"], np.uint16))
        return stored, {"ignore": NO_DEPTH, "scale": STEPS["depth"], "unit": "m"}
    return (prediction + prediction.std() * noise).numpy(), {}


def file_batches(path: Path, batch_size: int) -> Iterator[MemoryBatch]:
    """Open an evaluation file and read it batch by batch."""
    data = EvaluationFile(path)
    for start in range(0, len(data), batch_size):
        batch: Any = data.read(np.arange(start, min(start + batch_size, len(data))))
        yield batch.inputs, batch.targets


@dataclass
class CountingFeed:
    """Batches for a rival, from the start again whenever it iterates; counts samples handed out."""

    open: Callable[[], Iterator[MemoryBatch]]
    samples: int = 0

    def __iter__(self) -> Iterator[MemoryBatch]:
        for inputs, targets in self.open():
            self.samples += len(next(iter(inputs.values())))
            yield inputs, targets


@dataclass
class CountingSet:
    """An evaluation set that counts how often each sample is read."""

    data: EvaluationSet
    reads: dict[int, int] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.data, name)

    def __len__(self) -> int:
        return len(self.data)

    def read(self, indices: NDArray[np.int64]) -> Batch:
        for index in indices.tolist():
            self.reads[index] = self.reads.get(index, 0) + 1
        return self.data.read(indices)


Source = Literal["memory", "file"]
SOURCES: tuple[Source, ...] = ("memory", "file")


@dataclass(frozen=True)
class Subject:
    """What one case is measured on.

    Parameters
    ----------
    network
        The network as its owner has it; the rivals run this one.
    checkpoint
        The same, exported and loaded again, as users of `influence` have it.
    path, memory
        The data: an evaluation file, and the same samples as a list of batches.
    """

    network: JointNetwork
    checkpoint: JointNetwork
    path: Path
    memory: list[MemoryBatch]
    batch_size: int
    device: str

    @property
    def samples(self) -> int:
        """The number of samples."""
        return sum(len(next(iter(inputs.values()))) for inputs, _ in self.memory)

    @property
    def resolution(self) -> str:
        """Width and height of the inputs, or their length."""
        lengths = next(iter(self.memory[0][0].values())).shape[1:]
        return "x".join(str(length) for length in reversed(lengths[-2:]))

    def feed(self, source: Source) -> CountingFeed:
        """Return the batches for a rival."""
        if source == "memory":
            return CountingFeed(lambda: iter(self.memory))
        return CountingFeed(lambda: file_batches(self.path, self.batch_size))

    def opened(self, source: Source) -> EvaluationSet:
        """Return the data as `measure` opens it."""
        return MemorySet.collect(self.memory) if source == "memory" else EvaluationFile(self.path)

    def measure(self, source: Source | CountingSet, **options: Any) -> Run:
        """Measure as a user does: a file by its path, data in memory as a list of batches."""
        data: Any = source
        if source == "memory":
            data = self.memory
        elif source == "file":
            data = self.path
        return measure(
            self.checkpoint,
            data,
            metrics=metrics_of(self.network),
            batch_size=self.batch_size,
            device=self.device,
            **options,
        )


@contextmanager
def prepared(
    network: JointNetwork,
    *,
    samples: int,
    batch_size: int = 16,
    unlabelled: float = 0.05,
    device: str = "cpu",
) -> Iterator[Subject]:
    """Write a network's data and its checkpoint into a folder that goes when it is left."""
    with TemporaryDirectory() as folder:
        data, checkpoint = Path(folder) / "data.h5", Path(folder) / "network.pt2"
        write_data(network, data, samples=samples, batch_size=batch_size, unlabelled=unlabelled)
        names = [modality.name for modality in network.inputs]
        examples = dict(zip(names, example_maps(network.inputs, 2), strict=True))
        export_checkpoint(network, checkpoint, examples)
        yield Subject(
            network=network.to(device),
            checkpoint=load_checkpoint(checkpoint).to(device),
            path=data,
            memory=list(file_batches(data, batch_size)),
            batch_size=batch_size,
            device=device,
        )


def synchronise(device: str) -> None:
    """Wait until a device has done what it was asked to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
