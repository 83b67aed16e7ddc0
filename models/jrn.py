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
    depth_rms, semantic_rms
        Typical size of the inputs. The first convolutions start from He's distribution divided by
        it, so that features of both modalities start with the same strength.
    positive_fusion
        Whether the filters after the fusion start with positive sums (by a change of sign).
        Their inputs are rectified and vary little, so a filter with a negative sum is dead from
        the start almost everywhere: with C = 1, every second branch.
    head_std
        Standard deviation of the first weights of the two heads: nearly nothing, so that training
        starts from a constant map and not from a random one.
    typical_depth
        The first bias of the depth head, metres. From 0 the first steps of the depth loss are
        so large that they kill the rectified features.
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
    depth_rms: float = 3.0
    semantic_rms: float = 0.4
    positive_fusion: bool = True
    head_std: float = 1e-3
    typical_depth: float = 2.5


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
        x = self.depth_features(depth)  # (B, 20, h, w)
        y = self.semantic_features(semantic)  # (B, 20, h, w)
        fused = torch.cat((x, y), dim=1) if self.fusion == "cat" else x + y  # (B, C0, h, w)
        return cast(Tensor, self.fuse(fused))


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
        """He's initialisation; see `JRNConfig` for the first convolutions and the heads."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(cast(Tensor, module.bias))
        with torch.no_grad():
            for name, module in self.named_modules():
                if name.endswith("depth_features.0"):
                    cast(Tensor, module.weight).div_(self.config.depth_rms)
                elif name.endswith("semantic_features.0"):
                    cast(Tensor, module.weight).div_(self.config.semantic_rms)
                elif (
                    ".fuse." in name
                    and isinstance(module, nn.Conv2d)
                    and self.config.positive_fusion
                ):
                    sums = module.weight.sum(dim=(1, 2, 3), keepdim=True)
                    module.weight.mul_(torch.where(sums < 0, -1.0, 1.0))
        for head in (self.depth_head, self.semantic_head):
            nn.init.normal_(head.weight, std=self.config.head_std)
        start = 0.0 if self.config.residual else self.config.typical_depth
        nn.init.constant_(cast(Tensor, self.depth_head.bias), start)


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


def _logarithm(probabilities: Tensor) -> Tensor:
    """The logarithm, bounded from below: a muted map may be all zero."""
    return probabilities.clamp(min=1e-6).log()


def _scale_to(x: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
