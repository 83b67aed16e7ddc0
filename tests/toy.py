"""Tiny networks and data that many tests share."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from influence.data.dataset import Field
from influence.data.evaluation_writer import write_evaluation_file
from influence.metrics.metric import Metric, Prediction
from influence.network.joint_network import JointNetwork, Modality, Output

CLASSES = ("floor", "wall", "thing")


class Toy(nn.Module):
    """Depth and class probabilities from depth and class probabilities by one convolution."""

    def __init__(self, seed: int = 0, delay: float = 0.0) -> None:
        super().__init__()
        self.delay = delay
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        stream = torch.Generator().manual_seed(seed)
        for weights in self.parameters():
            nn.init.uniform_(weights, -1.0, 1.0, generator=stream)

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        time.sleep(self.delay)
        y = self.conv(torch.cat([depth, semantic], dim=1))  # (B, 4, H, W)
        return nn.functional.softplus(y[:, :1]) + 0.1, y[:, 1:].softmax(dim=1)


def joint(module: nn.Module, name: str = "toy", seed: int | None = 0) -> JointNetwork:
    """Declare a module's depth and semantic inputs and outputs."""
    return JointNetwork(
        module,
        inputs=[Modality("depth", "depth"), Modality("semantic", "probabilities")],
        outputs=[Output("depth", "depth"), Output("semantic", "probabilities", CLASSES)],
        name=name,
        seed=seed,
    )


def toy() -> JointNetwork:
    return joint(Toy())


def slow_toy() -> JointNetwork:
    return joint(Toy(delay=0.1))


def toy_arrays(count: int = 13, seed: int = 0) -> dict[str, Any]:
    """Draw inputs and targets of 5 x 6 pixels; some labels are 255 and some depths NaN."""
    stream = np.random.default_rng(seed)
    depth = stream.uniform(1, 5, (count, 1, 5, 6)).astype(np.float32)
    semantic = stream.dirichlet(np.ones(3), (count, 5, 6)).astype(np.float32).transpose(0, 3, 1, 2)
    labels = stream.integers(0, 3, (count, 5, 6)).astype(np.uint8)
    truth = stream.uniform(1, 5, (count, 5, 6)).astype(np.float32)
    labels[:, 0, :2], truth[:, -1, 3:] = 255, np.nan
    return {
        "inputs": {"depth": depth, "semantic": semantic},
        "targets": {"depth": truth, "semantic": labels},
    }


def write_toy_file(path: Path, count: int = 13, **options: Any) -> Path:
    """Write `toy_arrays` as an evaluation file."""
    known: dict[str, Any] = {"targets/semantic": {"ignore": 255}, "targets/depth": {"unit": "m"}}
    known |= options.pop("attributes", {})
    write_evaluation_file(path, **(toy_arrays(count) | options), attributes=known)
    return path


def batches() -> list[Any]:
    """Return `toy_arrays` as batches in memory, four samples each."""
    parts = {
        part: {name: torch.from_numpy(array) for name, array in arrays.items()}
        for part, arrays in toy_arrays().items()
    }
    labels = parts["targets"]["semantic"].long()
    parts["targets"]["semantic"] = torch.where(labels == 255, -1, labels)
    return [
        tuple({name: x[i : i + 4] for name, x in part.items()} for part in parts.values())
        for i in range(0, 13, 4)
    ]


def rows_of(
    metric: Metric, values: ArrayLike, target: ArrayLike, *, kind: str = "other", **field: Any
) -> NDArray[np.float64]:
    """Return a metric's rows for arrays with samples first."""
    guess, truth = torch.as_tensor(np.asarray(values)), torch.as_tensor(np.asarray(target))
    if not truth.is_floating_point():
        truth = truth.long()
    about = Field(tuple(truth.shape[1:]), not truth.is_floating_point(), **field)
    rows = metric.statistic.update(Prediction(guess, truth, Output("y", kind), about))
    assert rows.dtype == torch.float64
    return rows.numpy()


def score(metric: Metric, values: ArrayLike, target: ArrayLike, **options: Any) -> float:
    """Return a metric's value over all samples."""
    return float(metric.formula(rows_of(metric, values, target, **options).sum(0)))
