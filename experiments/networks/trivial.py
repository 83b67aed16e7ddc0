"""What a network has to beat: the mean depth of every pixel, and the most frequent class."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from experiments.networks.study import NetworkStudy
from experiments.training.arrays import SplitArrays
from influence.network.joint_network import JointNetwork, Modality, Output

__all__ = ["Trivial", "trivial_network"]


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

    Examples
    --------
    >>> images = SplitArrays(
    ...     ids=("a", "b"),
    ...     rgb=np.zeros((2, 1, 2, 3), np.uint8),
    ...     depth=np.array([[[1.0, 2.0]], [[3.0, 0.0]]], np.float32),
    ...     labels=np.array([[[0, 1]], [[255, 1]]], np.uint8),
    ... )
    >>> maps = Trivial(images, classes=2)(torch.zeros(1, 3, 1, 2), torch.zeros(1, 1, 1, 2))
    >>> maps["depth"].tolist(), maps["semantic"].argmax(dim=1).tolist()
    ([[[[2.0, 2.0]]]], [[[1, 1]]])
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
