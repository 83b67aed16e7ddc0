"""Depth from one picture, and five classes from one picture: the networks before the joint one.

arXiv 1702.08009 takes its inputs from two published networks (Eigen and Fergus 2015 for depth, an
FCN for semantics). Here both are the same small network, an ImageNet-trained EfficientNet-Lite0
with a feature-pyramid decoder, trained on the study's own training images.
"""

from __future__ import annotations

import math
from typing import Any, cast

from torch import Tensor, nn

from models.losses import class_loss, log_depth_loss
from models.trunks import Decoder, EfficientNetLite0, scale_to

__all__ = ["DepthNetwork", "SegmentationNetwork", "single_task_loss"]


class Pyramid(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> maps (B, outputs, H, W), computed at half resolution."""

    def __init__(self, outputs: int, *, width: int = 64, pretrained: bool = True) -> None:
        super().__init__()
        self.trunk = EfficientNetLite0(pretrained=pretrained)
        self.decoder = Decoder(self.trunk.channels, width=width)
        self.head = nn.Conv2d(width, outputs, kernel_size=3, padding=1)
        self.register_load_state_dict_pre_hook(_into_parts)  # type: ignore[no-untyped-call]

    def forward(self, rgb: Tensor) -> Tensor:
        features = self.decoder(self.trunk(rgb))  # (B, width, H/2, W/2)
        return scale_to(self.head(features), rgb)  # (B, outputs, H, W)


class DepthNetwork(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> depth (B, 1, H, W), metres, always positive."""

    def __init__(self, *, pretrained: bool = True, typical_depth: float = 2.5) -> None:
        super().__init__()
        self.pyramid = Pyramid(1, pretrained=pretrained)
        bias = self.pyramid.head.bias
        assert bias is not None
        nn.init.constant_(bias, math.log(typical_depth))

    def forward(self, rgb: Tensor) -> Tensor:
        return self.log_depth(rgb).exp()

    def log_depth(self, rgb: Tensor) -> Tensor:
        """The logarithm of the depth, for a loss in ratios. Between 5 cm and 20 m."""
        return cast(Tensor, self.pyramid(rgb)).float().clamp(-3.0, 3.0)

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        """Compute "log_depth" (B, 1, H, W), for the loss."""
        return {"log_depth": self.log_depth(rgb)}


class SegmentationNetwork(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> class logits (B, classes, H, W)."""

    def __init__(self, *, classes: int = 5, pretrained: bool = True) -> None:
        super().__init__()
        self.pyramid = Pyramid(classes, pretrained=pretrained)

    def forward(self, rgb: Tensor) -> Tensor:
        return cast(Tensor, self.pyramid(rgb)).float()

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        """Compute "semantic" (B, classes, H, W), logits, for the loss."""
        return {"semantic": self.forward(rgb)}


def single_task_loss(
    maps: dict[str, Tensor], depth: Tensor, labels: Tensor, *, ignore: int = 255
) -> Tensor:
    """Compute the loss of either network on its raw map.

    Depth: mean absolute error of the logarithm where the depth is known. Segmentation: mean
    cross-entropy where there is a label.

    Parameters
    ----------
    maps
        "log_depth" (B, 1, H, W), or "semantic" (B, k, H, W), logits.
    depth
        (B, H, W), metres; 0 where unknown.
    labels
        (B, H, W), integers; `ignore` where unknown.

    Examples
    --------
    >>> import torch
    >>> log_depth = torch.tensor([2.0, 9.0]).log().view(1, 1, 1, 2)
    >>> depth, labels = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[4, 255]]])
    >>> round(float(single_task_loss({"log_depth": log_depth}, depth, labels)), 4)  # log 2
    0.6931
    >>> round(float(single_task_loss({"semantic": torch.zeros(1, 5, 1, 2)}, depth, labels)), 4)
    1.6094
    """
    if "semantic" in maps:
        return class_loss(maps["semantic"], labels, ignore=ignore)
    return log_depth_loss(maps["log_depth"], depth)


def _into_parts(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Accept weights from before trunk and decoder were parts, as the published ones are."""
    parts = {"stem": "trunk", "blocks": "trunk", "lateral": "decoder", "smooth": "decoder"}
    for name in list(state):
        inner = name.removeprefix(prefix)
        if name.startswith(prefix) and (part := parts.get(inner.partition(".")[0])):
            state[f"{prefix}{part}.{inner}"] = state.pop(name)
