"""A trunk of a few weights, for tests of the networks that are built on trunks."""

from __future__ import annotations

from torch import Tensor, nn

from models.trunks import Trunk


class SmallTrunk(Trunk):
    channels = (4, 6, 8, 8, 8)
    strides = (2, 4, 8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), nn.BatchNorm2d(outputs)
            )
            for inputs, outputs in zip((3, *self.channels), self.channels, strict=False)
        )

    def forward(self, rgb: Tensor) -> list[Tensor]:
        x, levels = (rgb - 127.0) / 128.0, []
        for layer in self.layers:
            x = layer(x).relu()
            levels.append(x)
        return levels
