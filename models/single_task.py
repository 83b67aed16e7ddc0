"""Depth from one picture, and five classes from one picture: the networks before the joint one.

arXiv 1702.08009 takes its inputs from two published networks (Eigen and Fergus 2015 for depth, an
FCN for semantics). Here both are the same small network, an ImageNet-trained EfficientNet-Lite0
with a feature-pyramid decoder, trained on the study's own training images.
"""

from __future__ import annotations

import math
from typing import Any, cast

from torch import Tensor, nn

from models.trunks import Decoder, EfficientNetLite0, scale_to

__all__ = ["DepthNetwork", "SegmentationNetwork"]


class Pyramid(Decoder):
    """Picture (B, 3, H, W) of 0..255 -> maps (B, outputs, H, W), computed at half resolution."""

    def __init__(self, outputs: int, *, width: int = 64, pretrained: bool = True) -> None:
        super().__init__(EfficientNetLite0.channels, width=width)
        self.trunk = EfficientNetLite0(pretrained=pretrained)
        self.head = nn.Conv2d(width, outputs, kernel_size=3, padding=1)
        self.register_load_state_dict_pre_hook(_into_trunk)

    def forward(self, rgb: Tensor) -> Tensor:
        features = self.decode(self.trunk(rgb))  # (B, width, H/2, W/2)
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


class SegmentationNetwork(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> class logits (B, classes, H, W)."""

    def __init__(self, *, classes: int = 5, pretrained: bool = True) -> None:
        super().__init__()
        self.pyramid = Pyramid(classes, pretrained=pretrained)

    def forward(self, rgb: Tensor) -> Tensor:
        return cast(Tensor, self.pyramid(rgb)).float()


def _into_trunk(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    """Accept weights whose stem and blocks lie beside the decoder, as the published ones do."""
    for name in [name for name in state if name.startswith((f"{prefix}stem.", f"{prefix}blocks."))]:
        state[f"{prefix}trunk.{name.removeprefix(prefix)}"] = state.pop(name)
