"""Tiled evaluation: pictures that are larger than what a network was trained on, cut into tiles."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

__all__ = ["Tiled"]


class Tiled(nn.Module):
    """A network on the tiles of a picture, put together again.

    The tiles are shown one after the other. They are as equal as can be: where their number does
    not divide the picture, some are one pixel taller or wider. HybridNet's paper cuts 2048x1024
    pixels into 18 tiles and does not say how. No 18 equal tiles are whole pixels; 3 rows of 6,
    nearly squares of 341 or 342 pixels, are our reading.

    Parameters
    ----------
    network
        In eval mode. Gives maps by name, of the size of its picture.
    rows, columns
        Into how many tiles a picture (B, 3, H, W) is cut.

    Raises
    ------
    ValueError
        When it is called, if there are more rows or columns than pixels.

    Examples
    --------
    >>> class Invert(nn.Module):
    ...     def forward(self, rgb):
    ...         return {"negative": 255 - rgb}
    >>> picture = torch.rand(2, 3, 6, 12) * 255
    >>> torch.equal(Tiled(Invert(), 3, 6)(picture)["negative"], 255 - picture)
    True
    """

    def __init__(self, network: nn.Module, rows: int, columns: int) -> None:
        super().__init__()
        self.network, self.rows, self.columns = network, rows, columns

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        height, width = rgb.shape[-2:]
        if height < self.rows or width < self.columns:
            raise ValueError(
                f"{height}x{width} pixels cannot be cut into {self.rows}x{self.columns} tiles; "
                "take fewer tiles or a larger picture"
            )
        strips = [
            _side_by_side([self.network(tile) for tile in strip.tensor_split(self.columns, dim=3)])
            for strip in rgb.tensor_split(self.rows, dim=2)
        ]
        return _side_by_side(strips, dim=2)


def _side_by_side(maps: Sequence[dict[str, Tensor]], *, dim: int = 3) -> dict[str, Tensor]:
    return {name: torch.cat([own[name] for own in maps], dim=dim) for name in maps[0]}
