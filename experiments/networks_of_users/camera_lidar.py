"""Camera and LiDAR: clouds of points that differ in number, from memory or from a file."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["FILE", "KIND", "data", "network"]


class Fusion(nn.Module):
    """Classes of objects from a picture and a list with one cloud of points (n, 4) a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.camera = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.point = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8))
        self.head = nn.Linear(16, 3)

    def forward(self, camera: Tensor, points: list[Tensor]) -> Tensor:
        """Return logits (samples, 3)."""
        # A cloud without points has no maximum: zeros stand for it.
        found = [self.point(cloud) for cloud in points]
        clouds = [torch.cat([x, x.new_zeros(1, 8)]).amax(0) for x in found]
        both = torch.cat([self.camera(camera).flatten(1), torch.stack(clouds)], 1)
        logits: Tensor = 4 * self.head(both)
        return logits


def network() -> Fusion:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Fusion().eval()


def data(samples: int) -> list[Any]:
    """Return batches of pictures, clouds of 5 to 40 points, and labels."""
    stream = torch.Generator().manual_seed(6)
    batches = []
    for part in cut(samples, 8):
        lengths = torch.randint(5, 40, (len(part),), generator=stream).tolist()
        inputs = {
            "camera": torch.rand(len(part), 3, 16, 16, generator=stream),
            "points": [torch.randn(length, 4, generator=stream) for length in lengths],
        }
        labels = torch.randint(0, 3, (len(part),), generator=stream)
        batches.append((inputs, {"object": labels}))
    return batches


def user_code(network: Any, data: Any) -> Run:
    """Mute the camera, then all points."""
    inputs = [Modality("camera", "image"), Modality("points", "points")]
    net = influence.JointNetwork(network, inputs, [Output("object", "logits")])
    return influence.measure(net, data)


def user_code_with_a_file(network: Any, data: Any) -> Run:
    """Write the samples into an evaluation file, clouds as they are, and measure that."""
    inputs = [Modality("camera", "image"), Modality("points", "points")]
    net = influence.JointNetwork(network, inputs, [Output("object", "logits")])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "objects.h5"
        influence.write_evaluation_file(
            path,
            inputs={
                "camera": torch.cat([x["camera"] for x, _ in data]).numpy(),
                "points": [cloud.numpy() for x, _ in data for cloud in x["points"]],
            },
            targets={"object": torch.cat([y["object"] for _, y in data]).numpy()},
        )
        return influence.measure(net, path)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Name every object."""
    mean = torch.cat([inputs["camera"] for inputs, _ in data]).mean((0, 2, 3))
    right, loss, count = 0, 0.0, 0
    for inputs, targets in data:
        camera, points = inputs["camera"], inputs["points"]
        if source == "camera":
            blank = torch.zeros_like(camera)
            camera = blank + mean[:, None, None] if mute == "mean" else blank
        elif source == "points":
            points = [cloud[:0] for cloud in points]
        with torch.inference_mode():
            logits = network(camera, points).double()
        right += int((logits.argmax(1) == targets["object"]).sum())
        loss += float(nn.functional.cross_entropy(logits, targets["object"], reduction="sum"))
        count += len(logits)
    return {("object", "accuracy"): right / count, ("object", "cross_entropy"): -loss / count}


KIND = Kind(
    "camera and LiDAR, lists of points",
    (),
    network,
    data,
    user_code,
    score,
    inputs="picture, list of clouds (n, 4)",
    samples=40,
    note="clouds of 5 to 40 points; muted, a cloud has none",
)
FILE = Kind(
    "camera and LiDAR, evaluation file",
    ("h5py",),
    network,
    data,
    user_code_with_a_file,
    score,
    inputs="picture, list of clouds (n, 4)",
    samples=40,
    note="the same samples from a file of version 2, which holds clouds of any length",
)
