"""A joint network as the README of the study says how to add one, of a few hundred weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class MineConfig:
    inputs: ClassVar[tuple[str, ...]] = ("rgb",)
    outputs: tuple[str, ...] = ("depth", "semantic")
    classes: int = 5


class Mine(nn.Module):
    Config: ClassVar[type[MineConfig]] = MineConfig

    def __init__(self, config: MineConfig) -> None:
        super().__init__()
        self.config = config
        channels = {"depth": 1, "semantic": config.classes}
        self.encoder = nn.Conv2d(3 * len(config.inputs), 6, kernel_size=3, padding=1)
        self.decoder = nn.Sequential(nn.ReLU(), nn.Conv2d(6, 6, kernel_size=3, padding=1))
        self.heads = nn.ModuleDict({x: nn.Conv2d(6, channels[x], 1) for x in config.outputs})

    def raw(self, rgb: Tensor) -> dict[str, Tensor]:
        return self._maps(rgb / 255)

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return _finished(self.raw(rgb))

    def _maps(self, x: Tensor) -> dict[str, Tensor]:
        features = self.decoder(self.encoder(x))
        maps = {name: head(features) for name, head in self.heads.items()}
        if "depth" in maps:
            maps["depth"] = functional.softplus(maps["depth"] + 2)
        return maps


@dataclass(frozen=True)
class GuidedConfig(MineConfig):
    inputs: ClassVar[tuple[str, ...]] = ("rgb", "depth")


class Guided(Mine):
    Config = GuidedConfig

    def raw(self, rgb: Tensor, depth: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return self._maps(torch.cat((rgb / 255, depth.expand(-1, 3, -1, -1) / 10), dim=1))

    def forward(self, rgb: Tensor, depth: Tensor) -> dict[str, Tensor]:  # type: ignore[override]
        return _finished(self.raw(rgb, depth))


def _finished(maps: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: x.softmax(dim=1) if name == "semantic" else x for name, x in maps.items()}


def mine_loss(maps: dict[str, Tensor], depth: Tensor, labels: Tensor) -> Tensor:
    loss = depth.new_zeros(())
    if "depth" in maps:
        loss = loss + (maps["depth"][:, 0] - depth)[depth > 0].abs().mean()
    if "semantic" in maps:
        loss = loss + functional.cross_entropy(maps["semantic"], labels.long(), ignore_index=255)
    return loss
