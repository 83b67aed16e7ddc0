"""Divisions against plain loops: each place is in one bin, and borders are where labels change."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from influence.divisions import DepthBins, Regions, parse_levels
from influence.errors import InfluenceError


def test_bins_hold_their_lower_edge() -> None:
    depth = torch.tensor([[[0.5, 1.0, 1.99, 2.0, 100.0]]])
    masks = DepthBins((1.0, 2.0)).masks(depth)
    assert {level: mask.squeeze().int().tolist() for level, mask in masks.items()} == {
        "depth:0-1": [1, 0, 0, 0, 0],
        "depth:1-2": [0, 1, 1, 0, 0],
        "depth:2-inf": [0, 0, 0, 1, 1],
    }


def test_place_without_a_positive_depth_is_in_no_bin() -> None:
    depth = torch.tensor([[[torch.nan, 0.0, -1.0]]])
    assert not any(mask.any() for mask in DepthBins().masks(depth).values())


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10**6), radius=st.integers(1, 3))
def test_regions_agree_with_scipy(seed: int, radius: int) -> None:
    stream = np.random.default_rng(seed)
    labels = stream.integers(0, 3, (2, 3, 4)).repeat(3, axis=1).repeat(4, axis=2)
    labels[stream.random(labels.shape) < 0.2] = -1

    def differs(window: np.ndarray) -> bool:
        centre = window[len(window) // 2]
        return bool(centre >= 0 and (window[window >= 0] != centre).any())

    size = (1, 2 * radius + 1, 2 * radius + 1)
    border = ndimage.generic_filter(labels.astype(float), differs, size=size, cval=-1) > 0
    masks = Regions(radius).masks(torch.from_numpy(labels))
    np.testing.assert_array_equal(masks["region:border"], border)
    np.testing.assert_array_equal(masks["region:interior"], (labels >= 0) & ~border)


def test_map_smaller_than_the_window() -> None:
    masks = Regions(5).masks(torch.tensor([[[1, 1]], [[1, 0]]]))
    assert masks["region:border"].any(dim=2).squeeze().tolist() == [False, True]


def test_levels_are_read_from_a_text_or_a_sequence() -> None:
    joined = parse_levels("depth=0.5, 2,region,group")
    assert joined == parse_levels(["depth=0.5,2", "region=2", "group"])
    assert list(joined) == ["depth=0.5,2", "region=2", "group"]
    assert list(parse_levels(())) == list(parse_levels("")) == []
    assert list(parse_levels("depth")) == ["depth=1,2,3,5"]


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("dept", "unknown level 'dept': did you mean 'depth'"),
        ("group=2", "unknown level 'group=2'"),
        ("depth,depth=1", r"levels that differ, got \['depth', 'depth'\]"),
        ("depth=2,1", r"increase, above 0, got \[2\.0, 1\.0\]"),
        ("depth=0,1", "increase, above 0"),
        ("depth=nan", "increase, above 0"),
        (["depth=1,x"], r"'depth=1,x': could not convert.*Such as depth=1,2,4"),
        ("region=0", "region=1 pixel or more, got 0"),
        ("region=1.5", "'region=1.5': invalid literal"),
    ],
)
def test_levels_that_cannot_be(wanted: str | list[str], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        parse_levels(wanted)


def test_window_of_any_size() -> None:
    labels = torch.tensor([[[0, 0, 0, 0, 0, 1], [-1] * 6]])
    border = Regions(10**12).masks(labels)["region:border"]
    assert border.squeeze().int().tolist() == [[1] * 6, [0] * 6]
