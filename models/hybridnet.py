"""HybridNet (Sanchez-Escobedo et al. 2018): depth and classes from one picture, by shared parts.

A features network serves both tasks. For the depth, a global network guesses the layout of the
scene on its own, and a refining network makes the depth map out of that guess, the picture and the
shared features. For the classes, an upsampling network (DeepLab's ASPP) reads the shared features
alone. Either half, with its own features network, is a single-task network: DepthNet without its
gradient network, and DeepLab-ASPP.

The paper names the parts but gives no sizes; they are those of the networks that it builds on,
Ivanecky's DepthNet and DeepLab with VGG-16. How the shared features enter the refining network is
not in the paper: here, as one more input beside picture and global depth, of as many channels as a
convolution there has. The paper evaluates on tiles of its pictures: see `models.tiling`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from models.losses import class_loss
from models.trunks import Trunk, make_trunk, scale_to

__all__ = ["HybridNet", "HybridNetConfig", "hybridnet_loss"]


@dataclass(frozen=True)
class HybridNetConfig:
    """A network of this family. The defaults are the published sizes, as far as they are known.

    Attributes
    ----------
    outputs
        Both tasks; ``("depth",)`` gives DepthNet, ``("semantic",)`` DeepLab-ASPP.
    classes
        Of the upsampling network; 19 in Cityscapes.
    trunk, pretrained
        The features network, see `models.trunks.make_trunk`. Levels coarser than 1/8 are added to
        the one at 1/8, with `feature_width` channels; VGG-16 has none, and stays as it is.
    global_width
        By how much the channels of the global network are multiplied; 1 is AlexNet. The products
        have to be even, for convolutions in two groups.
    global_grid
        The size (h, w) that its convolutions end with. DepthNet's picture of 298x218 gives (12, 17)
        here, where pools round down; Caffe's round up, to (13, 18).
    global_hidden
        Width of its hidden layer.
    global_map
        The size (h, w) of the depth that it guesses.
    stem_width, refine_width
        Channels of the refining network: of its view of the picture, and of its convolutions; the
        latter even.
    aspp_width, aspp_rates
        Channels and dilations of the branches of the upsampling network.
    typical_depth
        Metres that the depth starts from.
    min_depth, max_depth
        The range that the depth is clamped to in eval mode, metres.
    """

    inputs: ClassVar[tuple[str, ...]] = ("rgb",)

    outputs: tuple[str, ...] = ("depth", "semantic")
    classes: int = 19
    trunk: str = "vgg16"
    pretrained: bool = False
    feature_width: int = 256
    global_width: float = 1.0
    global_grid: tuple[int, int] = (12, 17)
    global_hidden: int = 1024
    global_map: tuple[int, int] = (27, 37)
    stem_width: int = 96
    refine_width: int = 64
    aspp_width: int = 1024
    aspp_rates: tuple[int, ...] = (6, 12, 18, 24)
    typical_depth: float = 2.5
    min_depth: float = 1e-3
    max_depth: float = 10.0


class HybridNet(nn.Module):
    """The network: picture (B, 3, H, W) of 0..255 -> "depth", metres, and "semantic".

    In train mode it gives raw metres at the size of the refining network (B, 1, H/4, W/4), the
    guess of the global network as "global_depth", and class logits (B, classes, H, W); in eval mode
    metres within the configured range and class probabilities, both at the size of the picture.

    What flows between its parts are the edges ``global_depth``, ``features_to_depth`` and
    ``features_to_semantic``.

    Examples
    --------
    >>> small = HybridNetConfig(trunk="efficientnet_lite0", classes=5, global_hidden=16)
    >>> maps = HybridNet(small).eval()(torch.zeros(1, 3, 96, 128))
    >>> {name: tuple(x.shape) for name, x in maps.items()}
    {'depth': (1, 1, 96, 128), 'semantic': (1, 5, 96, 128)}
    """

    Config = HybridNetConfig

    def __init__(self, config: HybridNetConfig = HybridNetConfig()) -> None:
        super().__init__()
        self.config = config
        self.features = Features(config)
        if "depth" in config.outputs:
            self.global_depth = GlobalDepth(config)
            self.features_to_depth = Edge()
            self.refine = Refine(self.features.channels, config)
        if "semantic" in config.outputs:
            self.features_to_semantic = Edge()
            self.aspp = ASPP(self.features.channels, config)

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        maps = self.raw(rgb)
        if self.training:
            return maps
        finished = {}
        if "depth" in maps:
            metres = scale_to(maps["depth"], rgb)
            finished["depth"] = metres.clamp(self.config.min_depth, self.config.max_depth)
        if "semantic" in maps:
            finished["semantic"] = maps["semantic"].softmax(dim=1)
        return finished

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        """Compute what train mode gives."""
        features = self.features(rgb)  # (B, C, H/8, W/8)
        maps = {}
        if "depth" in self.config.outputs:
            layout = self.global_depth(rgb).float()  # (B, 1, 27, 37)
            metres = self.refine(rgb, layout, self.features_to_depth(features))
            maps = {"depth": metres.float(), "global_depth": layout}  # (B, 1, H/4, W/4), ...
        if "semantic" in self.config.outputs:
            scores = self.aspp(self.features_to_semantic(features))  # (B, classes, H/8, W/8)
            maps["semantic"] = scale_to(scores, rgb).float()
        return maps


class Features(nn.Module):
    """The shared features: picture -> (B, channels, H/8, W/8)."""

    def __init__(self, config: HybridNetConfig) -> None:
        super().__init__()
        self.trunk: Trunk = make_trunk(config.trunk, pretrained=config.pretrained)
        self.ends_at_an_eighth = self.trunk.strides[-1] == 8
        if self.ends_at_an_eighth:
            self.channels = self.trunk.channels[-1]
        else:
            self.channels = config.feature_width
            self.first = self.trunk.strides.index(8)
            self.lateral = nn.ModuleList(
                nn.Conv2d(channels, self.channels, kernel_size=1)
                for channels in self.trunk.channels[self.first :]
            )
            self.normal = nn.BatchNorm2d(self.channels)

    def forward(self, rgb: Tensor) -> Tensor:
        levels = self.trunk(rgb)
        if self.ends_at_an_eighth:
            return cast(Tensor, levels[-1])
        sides = [one(x) for one, x in zip(self.lateral, levels[self.first :], strict=True)]
        total = sides[0]
        for side in sides[1:]:
            total = total + scale_to(side, total)
        return cast(Tensor, self.normal(total).relu())


class GlobalDepth(nn.Module):
    """The layout of a scene from its picture: AlexNet, and a linear map of depths, metres.

    Its hidden layer needs a grid of fixed size, to which the convolutions' result is averaged.
    """

    def __init__(self, config: HybridNetConfig) -> None:
        super().__init__()
        a, b, c = (round(width * config.global_width) for width in (96, 256, 384))
        height, width = config.global_map
        grid = config.global_grid
        self.convolutions = nn.Sequential(
            nn.Conv2d(3, a, kernel_size=11, stride=4),
            nn.ReLU(),
            nn.LocalResponseNorm(5),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.Conv2d(a, b, kernel_size=5, padding=2, groups=2),
            nn.ReLU(),
            nn.LocalResponseNorm(5),
            nn.Conv2d(b, c, kernel_size=3, padding=1),
            nn.ReLU(),
            nn.Conv2d(c, c, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.Conv2d(c, b, kernel_size=3, padding=1, groups=2),
            nn.ReLU(),
            nn.MaxPool2d(kernel_size=3, stride=2),
            nn.AdaptiveAvgPool2d(grid),
        )
        self.layout = nn.Sequential(
            nn.Flatten(),
            nn.Linear(b * grid[0] * grid[1], config.global_hidden),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(config.global_hidden, height * width),
            nn.Unflatten(1, (1, height, width)),
        )
        nn.init.constant_(cast(Tensor, self.layout[4].bias), config.typical_depth)

    def forward(self, rgb: Tensor) -> Tensor:
        return cast(Tensor, self.layout(self.convolutions(_standardised(rgb))))


class Refine(nn.Module):
    """Picture, layout and shared features -> depth (B, 1, H/4, W/4), metres.

    The layout is normalised first, as in DepthNet: only its shape counts, and any constant in its
    place means the same. Borders are padded so that the sizes are fourths, rounded up; DepthNet's
    54x74 of 218x298 pixels become 55x75.
    """

    def __init__(self, features: int, config: HybridNetConfig) -> None:
        super().__init__()
        stem, width = config.stem_width, config.refine_width
        self.stem = nn.Sequential(
            nn.Conv2d(3, stem, kernel_size=11, stride=2, padding=5),
            nn.ReLU(),
            nn.LocalResponseNorm(5),
            nn.MaxPool2d(kernel_size=2, stride=2, ceil_mode=True),
        )
        self.read_features = nn.Sequential(nn.Conv2d(features, width, kernel_size=1), nn.ReLU())
        self.convolutions = nn.Sequential(
            nn.Conv2d(stem + width + 1, width, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=5, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, width, kernel_size=5, padding=2, groups=2),
            nn.ReLU(),
            nn.Conv2d(width, 1, kernel_size=3, padding=1),
        )
        nn.init.constant_(cast(Tensor, self.convolutions[-1].bias), config.typical_depth)

    def forward(self, rgb: Tensor, layout: Tensor, features: Tensor) -> Tensor:
        seen = self.stem(_standardised(rgb))  # (B, 96, H/4, W/4)
        shared = scale_to(self.read_features(features), seen)  # (B, 64, H/4, W/4)
        guess = scale_to(normalise(layout), seen)  # (B, 1, H/4, W/4)
        return cast(Tensor, self.convolutions(torch.cat((seen, shared, guess), dim=1)))


class ASPP(nn.Module):
    """Shared features -> class scores (B, classes, H/8, W/8): atrous spatial pyramid pooling.

    Branches of different dilation, whose scores are summed (Chen et al., arXiv 1606.00915, 3.2).
    """

    def __init__(self, features: int, config: HybridNetConfig) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(features, config.aspp_width, 3, padding=rate, dilation=rate),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Conv2d(config.aspp_width, config.aspp_width, kernel_size=1),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Conv2d(config.aspp_width, config.classes, kernel_size=1),
            )
            for rate in config.aspp_rates
        )

    def forward(self, features: Tensor) -> Tensor:
        return torch.stack([branch(features) for branch in self.branches]).sum(dim=0)


class Edge(nn.Module):
    """A way between two parts that has a name, so that it can be muted; it changes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.ops.aten.alias(x)  # type: ignore[no-any-return]


def hybridnet_loss(
    maps: dict[str, Tensor],
    depth: Tensor,
    labels: Tensor,
    *,
    alpha: float = 1000.0,
    global_weight: float = 1.0,
    ignore: int = 255,
) -> Tensor:
    """Compute ``L_H = alpha L_S + (L_DL + L_DN)`` (section 4), with Caffe's scales.

    L_S is the mean cross-entropy over the labelled pixels; the paper says sum, but Caffe's layer
    takes the mean, and with it alpha = 1000 balances the other two. L_DL is the Euclidean loss of
    the depth, ``1 / (2 B)`` times the sum of squares over all pixels of the depth map, and L_DN the
    same after each map was normalised to mean 0 and deviation 1. Both are sums over a map that is a
    fourth of the picture, so they grow with its size.

    The global network, which the paper trains beforehand as DepthNet's, with L_DN, here learns by
    that loss beside the others.

    Parameters
    ----------
    maps
        Raw outputs; a missing one takes its terms with it.
    depth
        (B, H, W), metres; 0 where unknown. Of it the pixels nearest to those of a map are compared.
    labels
        (B, H, W), integers; `ignore` where unknown.
    alpha
        Of L_S.
    global_weight
        Of the loss of the global network.

    Examples
    --------
    >>> maps = {"semantic": torch.zeros(1, 5, 1, 2)}
    >>> depth, labels = torch.zeros(1, 1, 2), torch.tensor([[[4, 255]]])
    >>> round(float(hybridnet_loss(maps, depth, labels)), 1)  # 1000 log 5
    1609.4
    """
    terms = []
    if "depth" in maps:
        terms += [euclidean(maps["depth"], depth), euclidean(maps["depth"], depth, normal=True)]
        terms.append(global_weight * euclidean(maps["global_depth"], depth, normal=True))
    if "semantic" in maps:
        terms.append(alpha * class_loss(maps["semantic"], labels, ignore=ignore))
    return torch.stack(terms).sum()


def euclidean(predicted: Tensor, depth: Tensor, *, normal: bool = False) -> Tensor:
    """Compute half the squared distance of two maps, a mean over the batch: Caffe's EuclideanLoss.

    Parameters
    ----------
    predicted
        (B, 1, h, w).
    depth
        (B, H, W), 0 where unknown; its nearest pixels are taken. Unknown pixels are left out.
    normal
        Normalise both maps to mean 0 and deviation 1 over the known pixels: L_DN, which does not
        change when depths are shifted, or scaled by a positive number.

    Examples
    --------
    >>> depth = torch.tensor([[[1.0, 2.0, 4.0, 0.0]]])
    >>> float(euclidean(depth[:, None] + 2, depth))  # 3 (2^2) / 2
    6.0
    >>> round(float(euclidean(3 * depth[:, None] + 2, depth, normal=True)), 4)
    0.0
    """
    target = functional.interpolate(depth[:, None], size=predicted.shape[-2:], mode="nearest")
    known = target > 0
    if normal:
        predicted, target = normalise(predicted, known), normalise(target, known)
    return torch.where(known, predicted - target, 0.0).square().sum() / (2 * len(depth))


def normalise(x: Tensor, known: Tensor | None = None) -> Tensor:
    """Shift and scale each map (B, 1, h, w) to mean 0 and deviation 1, over its known pixels.

    Unknown pixels, and flat maps, become 0. A thousandth of a metre is added to the deviation, in
    squares, so that nearly flat maps have a gradient.

    Examples
    --------
    >>> [round(x, 3) for x in normalise(torch.tensor([[[[1.0, 3.0, 5.0]]]])).flatten().tolist()]
    [-1.225, 0.0, 1.225]
    """
    known = torch.ones_like(x, dtype=torch.bool) if known is None else known
    count = known.sum((2, 3), keepdim=True).clamp(min=1)
    mean = torch.where(known, x, 0.0).sum((2, 3), keepdim=True) / count
    apart = torch.where(known, x - mean, 0.0)
    variance = apart.square().sum((2, 3), keepdim=True) / count
    return apart / (variance + 1e-6).sqrt()


def _standardised(rgb: Tensor) -> Tensor:
    return (rgb - 127.0) / 128.0
