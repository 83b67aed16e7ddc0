"""A detector with two streams: RGB and thermal, a set of boxes a picture."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

Boxes = dict[str, Tensor]


class TwoStream(nn.Module):
    """Finds objects on a grid: where the two streams together are bright enough."""

    def __init__(self) -> None:
        super().__init__()
        self.rgb, self.thermal = nn.Conv2d(3, 4, 4, stride=4), nn.Conv2d(1, 4, 4, stride=4)
        self.head = nn.Conv2d(4, 5, 1)

    def forward(self, rgb: Tensor, thermal: Tensor) -> list[Boxes]:
        """Return for each picture boxes (n, 4), scores (n,) and labels (n,)."""
        maps = self.head((self.rgb(rgb) + self.thermal(thermal)).relu())  # (B, 5, 4, 4)
        found = []
        for grid in maps:
            score, (rows, columns) = grid[0].sigmoid(), (torch.arange(4),) * 2
            y, x = torch.meshgrid(4.0 * rows, 4.0 * columns, indexing="ij")
            size = 3 + 2 * grid[1:].sigmoid()
            corners = torch.stack([x, y, x + size[0], y + size[1]], -1)  # (4, 4, 4)
            kept = score > 0.5
            boxes, scores = corners[kept], score[kept]
            found.append({"boxes": boxes, "scores": scores, "labels": (scores > 0.55).long()})
        return found


def network() -> TwoStream:
    """Make the network, with random weights."""
    torch.manual_seed(3)
    made = TwoStream().eval()
    with torch.no_grad():
        made.head.weight.mul_(3.0)
    return made


def data(samples: int) -> list[Any]:
    """Return pairs of pictures, and as truth two to four boxes a picture."""
    stream = torch.Generator().manual_seed(7)
    truth = []
    for _ in range(samples):
        count = int(torch.randint(2, 5, (), generator=stream))
        corner = 4.0 * torch.randint(0, 4, (count, 2), generator=stream)
        labels = torch.randint(0, 2, (count,), generator=stream)
        truth.append({"boxes": torch.cat([corner, corner + 4], 1), "labels": labels})
    rgb, thermal = (torch.randn(samples, c, 16, 16, generator=stream) for c in (3, 1))
    return [(rgb[i : i + 8], thermal[i : i + 8], truth[i : i + 8]) for i in range(0, samples, 8)]


def overlaps(one: Tensor, other: Tensor) -> Tensor:
    """Return intersection over union of every box with every other, (n, m)."""
    low = torch.maximum(one[:, None, :2], other[None, :, :2])
    high = torch.minimum(one[:, None, 2:], other[None, :, 2:])
    both = (high - low).clamp(min=0).prod(-1)
    areas = [(x[:, 2:] - x[:, :2]).prod(-1) for x in (one, other)]
    return both / (areas[0][:, None] + areas[1] - both)


def user_code(network: Any, data: Any) -> Run:
    """Mute RGB, then thermal; the score is the share of true boxes that were found."""

    @influence.metric(higher_is_better=True)
    def found(prediction: Boxes, truth: Boxes) -> Tensor:
        near = overlaps(truth["boxes"], prediction["boxes"]) > 0.5
        same = truth["labels"][:, None] == prediction["labels"]
        return (near & same).any(1).double().mean()

    inputs = [Modality("rgb", "image"), Modality("thermal", "image")]
    net = influence.JointNetwork(network, inputs, [Output("objects", "boxes")])
    fields = {"inputs/rgb": 0, "inputs/thermal": 1, "targets/objects": 2}
    return influence.measure(net, data, fields=fields, metrics={"objects": [found]})


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Match every true box with the boxes of its picture, one after the other."""
    means = {
        "rgb": torch.cat([rgb for rgb, _, _ in data]).mean((0, 2, 3)),
        "thermal": torch.cat([thermal for _, thermal, _ in data]).mean((0, 2, 3)),
    }
    shares = []
    for rgb, thermal, truth in data:
        inputs = {"rgb": rgb, "thermal": thermal}
        if source:
            blank = torch.zeros_like(inputs[source])
            mean = means[source][:, None, None]
            inputs[source] = blank + mean if mute == "mean" else blank
        with torch.inference_mode():
            predicted = network(**inputs)
        for own, guess in zip(truth, predicted, strict=True):
            hits = 0
            for box, label in zip(own["boxes"], own["labels"], strict=True):
                for other, name in zip(guess["boxes"], guess["labels"], strict=True):
                    w = min(box[2], other[2]) - max(box[0], other[0])
                    h = min(box[3], other[3]) - max(box[1], other[1])
                    both = float(w * h) if w > 0 and h > 0 else 0.0
                    sizes = [float((x[2] - x[0]) * (x[3] - x[1])) for x in (box, other)]
                    if both / (sum(sizes) - both) > 0.5 and label == name:
                        hits += 1
                        break
            shares.append(hits / len(own["boxes"]))
    return {("objects", "found"): sum(shares) / len(shares)}


KIND = Kind(
    "detector, RGB and thermal",
    (),
    network,
    data,
    user_code,
    score,
    inputs="RGB, thermal",
    samples=40,
    note="the output is a list with one dictionary of boxes a picture, and so is the truth",
)
