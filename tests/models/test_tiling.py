from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from models.hybridnet import Edge
from models.tiling import Tiled
from tests.models.networks import by_hand, measured, pictures


class Blur(nn.Module):
    """Looks beyond a pixel, so that the borders of tiles matter."""

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        mean = functional.avg_pool2d(rgb, 3, stride=1, padding=1)
        return {"mean": mean, "first": rgb[:, :1]}


@settings(deadline=None, max_examples=30)
@given(
    rows=st.integers(1, 4),
    columns=st.integers(1, 5),
    height=st.integers(4, 13),
    width=st.integers(5, 13),
)
def test_tiles_are_put_together_where_they_were(
    rows: int, columns: int, height: int, width: int
) -> None:
    rgb = pictures(2, height, width)
    maps = Tiled(Blur(), rows, columns)(rgb)
    assert torch.equal(maps["first"], rgb[:, :1])
    edges = [
        np.cumsum([0, *map(len, np.array_split(range(length), parts))])
        for length, parts in ((height, rows), (width, columns))
    ]
    for top, bottom in zip(edges[0], edges[0][1:], strict=False):
        for left, right in zip(edges[1], edges[1][1:], strict=False):
            expected = Blur()(rgb[:, :, top:bottom, left:right])["mean"]
            assert torch.equal(maps["mean"][:, :, top:bottom, left:right], expected)


def test_the_pictures_of_the_paper_are_cut_into_18_near_squares() -> None:
    shown: list[tuple[int, ...]] = []

    class Notes(nn.Module):
        def forward(self, rgb: Tensor) -> dict[str, Tensor]:
            shown.append(tuple(rgb.shape[-2:]))
            return {"map": rgb[:, :1]}

    maps = Tiled(Notes(), 3, 6)(torch.empty(1, 3, 1024, 2048, device="meta"))
    assert maps["map"].shape == (1, 1, 1024, 2048)
    assert len(shown) == 18
    assert {side for tile in shown for side in tile} == {341, 342}
    # no 18 tiles would be equal
    for rows in (1, 2, 3, 6, 9, 18):
        assert 1024 % rows or 2048 % (18 // rows)


@pytest.mark.parametrize(("rows", "columns"), [(5, 1), (1, 7)])
def test_there_cannot_be_more_tiles_than_pixels(rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match=rf"4x6 pixels cannot be cut into {rows}x{columns} tiles"):
        Tiled(Blur(), rows, columns)(pictures(1, 4, 6))


class OneEdge(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.edge = Edge()

    def forward(self, rgb: Tensor) -> dict[str, Tensor]:
        return {"depth": rgb[:, :1], "semantic": self.edge(rgb).square()}


def test_edges_of_a_tiled_network_can_be_muted(tmp_path: Path) -> None:
    tiled, sites, inputs = (
        Tiled(OneEdge(), 2, 3).eval(),
        ["edge:network.edge"],
        {"rgb": pictures(7)},
    )
    live, filed = measured(tiled, inputs, sites, tmp_path)
    expected = by_hand(tiled, sites, inputs)
    assert live == pytest.approx(expected)
    assert filed == pytest.approx(expected)
    assert live[sites[0], "semantic"] != 0
    assert live[sites[0], "depth"] == 0
