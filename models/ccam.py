"""Depth and classes from one picture, with cross-channel attention between the two decoders.

A shared encoder and two decoders; at one resolution each decoder's features are answered by the
other's, channel by channel, in the manner of the Cross-Channel Attention Module of Bansal, Ji, Yuan
and Xu (WACV 2023, arXiv 2206.10562).

A reconstruction, not a reproduction: the abstract is all of that paper that could be read here. It
says that features are shared along each channel between the tasks, at a negligible number of
parameters. The formulas of `CrossChannelAttention` fill that sentence; they are ours.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from models.losses import class_loss, log_depth_loss
from models.trunks import Decoder, make_trunk, scale_to

__all__ = ["CCAMNet", "CCAMNetConfig", "CrossChannelAttention", "ccam_loss"]


@dataclass(frozen=True)
class CCAMNetConfig:
    """A network of this family.

    Attributes
    ----------
    outputs
        Both tasks, or one: the single-task twin.
    attention
        Whether the decoders answer each other; needs both tasks.
    affinity
        How scores become weights, see `CrossChannelAttention`.
    stride
        At which resolution of the decoders they do: one of the trunk's strides.
    classes, width
        Of the semantic head; channels of the decoders.
    trunk, pretrained
        See `models.trunks.make_trunk`.
    typical_depth
        Metres that the depth starts from.
    """

    inputs: ClassVar[tuple[str, ...]] = ("rgb",)

    outputs: tuple[str, ...] = ("depth", "semantic")
    attention: bool = True
    affinity: Literal["softmax", "sigmoid"] = "softmax"
    stride: int = 4
    classes: int = 5
    width: int = 64
    trunk: str = "efficientnet_lite0"
    pretrained: bool = False
    typical_depth: float = 2.5


class CCAMNet(nn.Module):
    """The network: picture (B, 3, H, W) of 0..255 -> "depth", metres, and "semantic".

    In train mode it gives "log_depth" (B, 1, H, W) and class logits (B, classes, H, W), for the
    loss; in eval mode metres between 5 cm and 20 m and class probabilities.

    Maps that were decoded down to `stride` are answered there, and decoded on. What one task tells
    the other are the edges ``attention.to_depth`` and ``attention.to_semantic``.

    Examples
    --------
    >>> maps = CCAMNet().eval()(torch.zeros(1, 3, 64, 96))
    >>> {name: tuple(x.shape) for name, x in maps.items()}
    {'depth': (1, 1, 64, 96), 'semantic': (1, 5, 64, 96)}
    """

    Config = CCAMNetConfig

    def __init__(self, config: CCAMNetConfig = CCAMNetConfig()) -> None:
        super().__init__()
        self.config = config
        self.encoder = make_trunk(config.trunk, pretrained=config.pretrained)
        if config.stride not in self.encoder.strides:
            strides = ", ".join(map(str, self.encoder.strides))
            raise ValueError(f"expected a stride of {config.trunk}: {strides}; not {config.stride}")
        self.met = self.encoder.strides.index(config.stride)
        channels = {"depth": 1, "semantic": config.classes}
        self.coarse = nn.ModuleDict({name: self._decoder(met=False) for name in config.outputs})
        self.fine = nn.ModuleDict({name: self._decoder(met=True) for name in config.outputs})
        self.heads = nn.ModuleDict(
            {
                name: nn.Conv2d(config.width, channels[name], kernel_size=3, padding=1)
                for name in config.outputs
            }
        )
        self.attention = (
            CrossChannelAttention(config.width, affinity=config.affinity)
            if config.attention and len(config.outputs) == 2
            else None
        )
        if "depth" in config.outputs:
            bias = cast(Tensor, self.heads["depth"].bias)
            nn.init.constant_(bias, math.log(config.typical_depth))

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        maps = self.raw(rgb)
        if self.training:
            return maps
        finished = {}
        if "log_depth" in maps:
            finished["depth"] = maps["log_depth"].exp()
        if "semantic" in maps:
            finished["semantic"] = maps["semantic"].softmax(dim=1)
        return finished

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        """Compute what train mode gives."""
        levels = self.encoder(rgb)  # (B, c, H/2, W/2) ... (B, c, H/32, W/32)
        features = {
            name: decoder(levels[self.met :])  # (B, width, H/4, W/4)
            for name, decoder in self.coarse.items()
        }
        if self.attention is not None:
            depth, semantic = self.attention(features["depth"], features["semantic"])
            features = {"depth": depth, "semantic": semantic}
        maps = {}
        for name, decoder in self.fine.items():
            x = decoder(levels[: self.met], coarser=features[name])
            maps[name] = scale_to(self.heads[name](x), rgb).float()  # (B, ., H, W)
        if "depth" in maps:
            maps["log_depth"] = maps.pop("depth").clamp(-3.0, 3.0)
        return maps

    def _decoder(self, *, met: bool) -> Decoder:
        channels = self.encoder.channels
        chosen = channels[: self.met] if met else channels[self.met :]
        return Decoder(chosen, width=self.config.width)


class CrossChannelAttention(nn.Module):
    """Two feature maps answer each other: 2 x (B, C, H, W) -> 2 x (B, C, H, W).

    Each map is gated, ``g(F) = sigmoid(conv F) * conv F`` with convolutions 3x3. The score of depth
    channel i and semantic channel j is the scaled product of the two over all N = HW pixels,
    ``A = a(g(F_D) g(F_S)^T / sqrt(N))``, (B, C, C), with `a` a softmax over the semantic channels,
    or a sigmoid. Then ``F_D + gamma_D A F_S`` and ``F_S + gamma_S A^T F_D`` go on. Both gammas
    start at 0: at first the module changes nothing. What a softmax gives a depth channel is a
    weighted mean of the semantic channels; what a semantic channel gets is a weighted sum. The
    scores are sums over all pixels before they are scaled: large maps need bfloat16, not float16.

    Examples
    --------
    >>> depth, semantic = torch.randn(2, 1, 8, 6, 5).unbind()
    >>> answered = CrossChannelAttention(8)(depth, semantic)
    >>> torch.equal(answered[0], depth), torch.equal(answered[1], semantic)
    (True, True)
    """

    def __init__(
        self, channels: int, *, affinity: Literal["softmax", "sigmoid"] = "softmax"
    ) -> None:
        super().__init__()
        self.affinity = affinity
        self.gate_depth = Gate(channels)
        self.gate_semantic = Gate(channels)
        self.to_depth = Message()
        self.to_semantic = Message()

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        scores = self.scores(depth, semantic)  # (B, C, C)
        weights = scores.softmax(dim=2) if self.affinity == "softmax" else scores.sigmoid()
        return (
            depth + self.to_depth(weights, semantic),
            semantic + self.to_semantic(weights.transpose(1, 2), depth),
        )

    def scores(self, depth: Tensor, semantic: Tensor) -> Tensor:
        """Compute the scores of all pairs of channels, before they become weights."""
        x = self.gate_depth(depth).flatten(2)  # (B, C, N)
        y = self.gate_semantic(semantic).flatten(2)
        return cast(Tensor, x @ y.transpose(1, 2) / math.sqrt(x.shape[2]))


class Gate(nn.Module):
    """Where to look, and what is there: (B, C, H, W) -> (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.where = nn.Conv2d(channels, channels, kernel_size=3, padding=1)
        self.what = nn.Conv2d(channels, channels, kernel_size=3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return cast(Tensor, self.where(x).sigmoid() * self.what(x))


class Message(nn.Module):
    """What one task's channels (B, C, H, W) tell the other's, by weights (B, C, C)."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, weights: Tensor, features: Tensor) -> Tensor:
        return self.gamma * (weights @ features.flatten(2)).view_as(features)


def ccam_loss(
    maps: dict[str, Tensor], depth: Tensor, labels: Tensor, *, ignore: int = 255
) -> Tensor:
    """Compute the mean absolute error of the logarithm of the depth plus the mean cross-entropy.

    Each over the pixels that have a depth, or a label; a network that lacks an output lacks its
    term. The paper's weights are unknown here.

    Parameters
    ----------
    maps
        Raw outputs: "log_depth" (B, 1, H, W) and "semantic" (B, k, H, W), logits.
    depth
        (B, H, W), metres; 0 where unknown.
    labels
        (B, H, W), integers; `ignore` where unknown.

    Examples
    --------
    >>> maps = {"log_depth": torch.zeros(1, 1, 1, 2), "semantic": torch.zeros(1, 5, 1, 2)}
    >>> depth, labels = torch.tensor([[[2.0, 0.0]]]), torch.tensor([[[4, 255]]])
    >>> round(float(ccam_loss(maps, depth, labels)), 4)  # log 2 + log 5
    2.3026
    """
    terms = []
    if "log_depth" in maps:
        terms.append(log_depth_loss(maps["log_depth"], depth))
    if "semantic" in maps:
        terms.append(class_loss(maps["semantic"], labels, ignore=ignore))
    return torch.stack(terms).sum()
