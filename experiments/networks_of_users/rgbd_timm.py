"""Segmentation of RGB-D at 480x640 with a trunk of timm, which takes four channels."""

from __future__ import annotations

from typing import Any

import timm
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

HEIGHT, WIDTH, CLASSES, VOID = 480, 640, 5, 255


class Segmenter(nn.Module):
    """Class maps at an eighth of the size from pictures (B, 4, H, W)."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = timm.create_model(
            "resnet18", pretrained=False, in_chans=4, features_only=True, out_indices=(2,)
        )
        self.head = nn.Conv2d(128, CLASSES, 1)

    def forward(self, rgbd: Tensor) -> Tensor:
        """Return logits (B, classes, H / 8, W / 8)."""
        logits: Tensor = self.head(self.trunk(rgbd)[0])
        return logits


def network() -> Segmenter:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Segmenter().eval()


def data(samples: int) -> list[Any]:
    """Return batches of two, depth as the fourth channel; 255 means no label."""
    stream = torch.Generator().manual_seed(11)
    batches = []
    for part in cut(samples, 2):
        shape = (len(part), HEIGHT, WIDTH)
        labels = torch.randint(0, CLASSES, shape, generator=stream)
        labels[torch.rand(shape, generator=stream) < 0.1] = VOID
        pictures = torch.rand(len(part), 4, HEIGHT, WIDTH, generator=stream)
        batches.append((pictures, labels.to(torch.uint8)))
    return batches


def user_code(network: Any, data: Any) -> Run:
    """Mute the colours, then the depth, which are parts of one tensor."""
    rgb = Modality("rgb", "image", tensors=("rgbd",), slice=(1, 0, 3))
    depth = Modality("depth", "depth", tensors=("rgbd",), slice=(1, 3, 4))
    out = Output("label", "logits", resize="bilinear", ignore=VOID)
    net = influence.JointNetwork(network, [rgb, depth], [out])
    return influence.measure(net, data, fields={"inputs/rgbd": 0, "targets/label": 1})


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Segment every picture at full size."""
    channels = {"rgb": slice(0, 3), "depth": slice(3, 4)}
    mean = torch.cat([pictures for pictures, _ in data]).double().mean((0, 2, 3)).float()
    counts = torch.zeros(CLASSES, CLASSES, dtype=torch.float64)  # truth, prediction
    for pictures, truth in data:
        rgbd = pictures.clone()
        if source:
            own = channels[source]
            rgbd[:, own] = mean[own, None, None] if mute == "mean" else 0.0
        with torch.inference_mode():
            logits = network(rgbd)
        labels = interpolate(logits, (HEIGHT, WIDTH), mode="bilinear", align_corners=False).argmax(
            1
        )
        known = truth != VOID
        places = CLASSES * truth[known].long() + labels[known]
        counts += torch.bincount(places, minlength=CLASSES**2).reshape(CLASSES, CLASSES)
    right, union = counts.diag(), counts.sum(0) + counts.sum(1) - counts.diag()
    iou = (right / union)[union > 0]
    return {
        ("label", "mean_iou"): float(iou.mean()),
        ("label", "pixel_accuracy"): float(right.sum() / counts.sum()),
    }


KIND = Kind(
    "RGB-D segmentation, timm",
    ("timm",),
    network,
    data,
    user_code,
    score,
    inputs="RGB and depth, parts of one tensor (4, 480, 640)",
    samples=4,
    note="480x640; RGB and depth are parts of one tensor; class maps of 60x80 are resized",
)
