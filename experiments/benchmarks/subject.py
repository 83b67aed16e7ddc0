"""Subject: a network as its owner has it and as a file of ours holds it, with data both ways."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from experiments.benchmarks.data import (
    CountingFeed,
    CountingSet,
    MemoryBatch,
    example_maps,
    file_batches,
    memory_batches,
    write_data,
)
from experiments.benchmarks.scores import metrics_of
from influence.data.dataset import EvaluationSet, MemorySet
from influence.data.evaluation_file import EvaluationFile
from influence.measurement.pipeline import measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.network.joint_network import JointNetwork
from influence.results.run import Run

__all__ = ["SOURCES", "Source", "Subject", "prepared", "synchronise"]

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
        """Width and height of the inputs."""
        height, width = next(iter(self.memory[0][0].values())).shape[-2:]
        return f"{width}x{height}"

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
            memory=memory_batches(data, batch_size),
            batch_size=batch_size,
            device=device,
        )


def synchronise(device: str) -> None:
    """Wait until a device has done what it was asked to."""
    if device.startswith("cuda"):
        torch.cuda.synchronize(device)
