"""The Joint Refinement Network of arXiv 1702.08009 (Jafari et al., ICRA 2017).

A predicted depth map and a predicted semantic map go in, better ones come out. Three branches look
at the inputs at 1/8, 1/4 and 1/2 of their resolution. Each turns both modalities into features,
fuses them early and passes on C channels; C and the kind of fusion tell the paper's five networks
apart (section III). What the paper leaves open is a field of `JRNConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

__all__ = ["JRN", "VARIANTS", "JRNConfig", "jrn_loss"]


@dataclass(frozen=True)
class JRNConfig:
    """A joint refinement network. The defaults are the readings that fit the paper best.

    Attributes
    ----------
    fusion
        The paper's `op`: concatenation or sum of the features of the two modalities. Gives C0.
    channels
        C, the channels that a branch passes on.
    classes
        k, the channels of the semantic map.
    features
        The features of one modality in one branch.
    pre_convs
        3x3 convolutions per modality before the fusion ("3x3 convolutions", III-A).
    post_convs
        3x3 convolutions after the fusion, which turn C0 into C.
    factors
        By how much each branch shrinks its inputs.
    share_scales
        Whether the branches share their weights; "the same architecture" does not say so.
    downsample
        How the inputs are shrunk. Area averages keep probabilities probabilities.
    head_width
        Channels of the convolution after the branches are concatenated.
    residual
        Whether the heads correct the inputs instead of predicting afresh.
    semantic_input
        Whether the network looks at the probabilities or at their logarithms.
    min_depth, max_depth
        The range that the depth is clamped to in eval mode, metres.
    positive_fusion
        Whether the channels of a branch start alive, by a change of sign of their filters. The
        fused features are rectified and vary little, so that a random channel is often negative,
        hence dead, everywhere: with C = 1 that is a whole branch.
    """

    fusion: Literal["cat", "sum"] = "cat"
    channels: int = 60
    classes: int = 5
    features: int = 20
    pre_convs: int = 1
    post_convs: int = 1
    factors: tuple[int, ...] = (8, 4, 2)
    share_scales: bool = False
    downsample: Literal["area", "bilinear"] = "area"
    head_width: int = 60
    residual: bool = False
    semantic_input: Literal["probabilities", "logarithms"] = "probabilities"
    min_depth: float = 1e-3
    max_depth: float = 10.0
    positive_fusion: bool = True


VARIANTS = {
    "cat60": JRNConfig(fusion="cat", channels=60),
    "sum60": JRNConfig(fusion="sum", channels=60),
    "cat10": JRNConfig(fusion="cat", channels=10),
    "cat5": JRNConfig(fusion="cat", channels=5),
    "cat1": JRNConfig(fusion="cat", channels=1),
}


class Scale(nn.Module):
    """One branch: (B, 1, h, w) and (B, k, h, w) -> (B, C, h, w)."""

    def __init__(self, config: JRNConfig) -> None:
        super().__init__()
        self.fusion = config.fusion
        width = config.features
        self.depth_features = _convolutions(1, width, config.pre_convs)
        self.semantic_features = _convolutions(config.classes, width, config.pre_convs)
        fused = 2 * width if config.fusion == "cat" else width  # C0
        self.fuse = _convolutions(fused, config.channels, config.post_convs)

    def forward(self, depth: Tensor, semantic: Tensor) -> Tensor:
        return cast(Tensor, self.fuse(self.fused(depth, semantic)))

    def fused(self, depth: Tensor, semantic: Tensor) -> Tensor:
        """Compute the fused features (B, C0, h, w)."""
        x = self.depth_features(depth)  # (B, 20, h, w)
        y = self.semantic_features(semantic)  # (B, 20, h, w)
        return torch.cat((x, y), dim=1) if self.fusion == "cat" else x + y


class JRN(nn.Module):
    """The network. In train mode it gives raw metres and class logits, for the loss; in eval mode
    metres within the configured range and class probabilities.

    Examples
    --------
    >>> network = JRN(VARIANTS["cat10"]).eval()
    >>> refined = network(torch.full((1, 1, 24, 32), 2.0), torch.full((1, 5, 24, 32), 0.2))
    >>> {name: tuple(x.shape) for name, x in refined.items()}
    {'depth': (1, 1, 24, 32), 'semantic': (1, 5, 24, 32)}
    """

    def __init__(self, config: JRNConfig = VARIANTS["cat60"]) -> None:
        super().__init__()
        self.config = config
        # scale1 is the coarsest branch; the modules are named as the paper's Fig. 2 names them.
        for number in range(1, len(config.factors) + 1):
            shared = config.share_scales and number > 1
            scale = self.get_submodule("scale1") if shared else Scale(config)
            self.add_module(f"scale{number}", scale)
        branches = config.channels * len(config.factors)
        self.trunk = _convolutions(branches, config.head_width, 1)
        self.depth_head = nn.Conv2d(config.head_width, 1, kernel_size=3, padding=1)
        self.semantic_head = nn.Conv2d(config.head_width, config.classes, kernel_size=3, padding=1)
        self._initialise()

    def forward(self, depth: Tensor, semantic: Tensor) -> dict[str, Tensor]:
        """Refine depth (B, 1, H, W), metres, and semantic (B, k, H, W), probabilities."""
        maps = self.raw(depth, semantic)
        if self.training:
            return maps
        return {
            "depth": maps["depth"].clamp(self.config.min_depth, self.config.max_depth),
            "semantic": maps["semantic"].softmax(dim=1),
        }

    def raw(self, depth: Tensor, semantic: Tensor) -> dict[str, Tensor]:
        """Compute unbounded metres (B, 1, H, W) and class logits (B, k, H, W)."""
        plain = self.config.semantic_input == "probabilities"
        seen = semantic if plain else _logarithm(semantic)
        branches = []  # of (B, C, H/8, W/8), (B, C, H/4, W/4), (B, C, H/2, W/2)
        for number, factor in enumerate(self.config.factors, start=1):
            scale = self.get_submodule(f"scale{number}")
            branches.append(scale(self._shrink(depth, factor), self._shrink(seen, factor)))

        finest = branches[self.config.factors.index(min(self.config.factors))]
        aligned = [x if x is finest else _scale_to(x, finest) for x in branches]
        x = self.trunk(torch.cat(aligned, dim=1))  # (B, 3C, H/2, W/2) -> (B, 60, H/2, W/2)
        metres = _scale_to(self.depth_head(x), depth)  # (B, 1, H, W)
        logits = _scale_to(self.semantic_head(x), depth)  # (B, k, H, W)
        if self.config.residual:
            metres, logits = depth + metres, _logarithm(semantic) + logits
        return {"depth": metres, "semantic": logits}

    def _shrink(self, x: Tensor, factor: int) -> Tensor:
        if self.config.downsample == "area":
            return functional.avg_pool2d(x, kernel_size=factor)
        size = (x.shape[-2] // factor, x.shape[-1] // factor)
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=False)

    def _initialise(self) -> None:
        """Keep the distribution of `torch.nn.Conv2d`, except for the signs after the fusion.

        Depth in metres is several times as large as probabilities, and so are its features. A start
        that makes both equally strong learns as fast, but then the depth rests on the constant sum
        of the probabilities and falls apart when they are muted by zeros.
        """
        if not self.config.positive_fusion:
            return
        classes = self.config.classes
        depth = torch.full((1, 1, 9, 9), 2.5)  # metres; a typical room, without any detail
        semantic = torch.full((1, classes, 9, 9), 1 / classes)
        with torch.no_grad():
            for scale in self.children():
                if isinstance(scale, Scale):
                    _turn_positive(scale.fuse, scale.fused(depth, semantic))


def jrn_loss(
    refined: dict[str, Tensor], depth: Tensor, labels: Tensor, *, ignore: int = 255
) -> Tensor:
    """Compute the loss of the paper's equation (1) on the raw outputs of train mode.

    The mean of (D' - D*)^2 / D* plus the mean cross-entropy, both over the n pixels of the batch
    that have a depth and a label.

    Parameters
    ----------
    refined
        "depth" (B, 1, H, W), metres, and "semantic" (B, k, H, W), logits.
    depth
        (B, H, W), metres; 0 where unknown.
    labels
        (B, H, W), integers; `ignore` where unknown.

    Examples
    --------
    >>> refined = {"depth": torch.full((1, 1, 1, 2), 3.0), "semantic": torch.zeros(1, 5, 1, 2)}
    >>> loss = jrn_loss(refined, torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[4, 4]]]))
    >>> round(float(loss), 4)  # (3 - 2)^2 / 2 + log 5
    2.1094
    """
    valid = (depth > 0) & (labels != ignore)
    count = valid.sum().clamp(min=1)
    target = torch.where(valid, depth, 1.0)
    relative = (refined["depth"][:, 0] - target).square() / target
    entropy = functional.cross_entropy(
        refined["semantic"], torch.where(valid, labels.long(), 0), reduction="none"
    )
    return torch.where(valid, relative + entropy, 0.0).sum() / count


def _convolutions(inputs: int, outputs: int, count: int) -> nn.Sequential:
    """Stack `count` convolutions 3x3 with stride 1 and padding 1, each with a rectifier."""
    layers: list[nn.Module] = []
    for number in range(count):
        layers += [
            nn.Conv2d(inputs if number == 0 else outputs, outputs, kernel_size=3, padding=1),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


def _turn_positive(layers: nn.Sequential, x: Tensor) -> None:
    """Change the signs of filters so that they answer x (1, C0, h, w) with a positive number."""
    for layer in layers:
        if isinstance(layer, nn.Conv2d):
            answer = layer(x)[0, :, x.shape[-2] // 2, x.shape[-1] // 2]
            sign = torch.where(answer < 0, -1.0, 1.0)
            layer.weight.mul_(sign[:, None, None, None])
            cast(Tensor, layer.bias).mul_(sign)
        x = layer(x)


def _logarithm(probabilities: Tensor) -> Tensor:
    """The logarithm, bounded from below: a muted map may be all zero."""
    return probabilities.clamp(min=1e-6).log()


def _scale_to(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
