from __future__ import annotations

import numpy as np
import pytest

from experiments.datasets.sample import Sample, resize
from influence.errors import InfluenceError


def sample(height: int, width: int) -> Sample:
    random = np.random.default_rng(0)
    return Sample(
        "x",
        random.integers(0, 256, (height, width, 3), dtype=np.uint8),
        random.random((height, width), dtype=np.float32),
        random.integers(0, 5, (height, width), dtype=np.uint8),
    )


def test_colours_are_means_and_depth_and_labels_are_single_pixels() -> None:
    big = sample(12, 16)
    small = resize(big, 3, 4)
    for row, column in np.ndindex(3, 4):
        block = big.rgb[4 * row : 4 * row + 4, 4 * column : 4 * column + 4].astype(float)
        assert np.abs(small.rgb[row, column] - block.mean(axis=(0, 1))).max() <= 0.5
        assert small.depth[row, column] == big.depth[4 * row, 4 * column]
        assert small.labels[row, column] == big.labels[4 * row, 4 * column]
    assert (small.rgb.dtype, small.depth.dtype, small.labels.dtype) == (
        np.dtype(np.uint8),
        np.dtype(np.float32),
        np.dtype(np.uint8),
    )


def test_the_same_size_changes_nothing() -> None:
    big = sample(6, 8)
    same = resize(big, 6, 8)
    np.testing.assert_array_equal(same.rgb, big.rgb)
    np.testing.assert_array_equal(same.depth, big.depth)


@pytest.mark.parametrize("size", [(5, 8), (6, 4), (12, 16)])
def test_a_size_that_does_not_divide_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(InfluenceError, match="divides both"):
        resize(sample(6, 8), *size)


def test_colours_are_averaged_and_labels_taken() -> None:
    grey = np.arange(16, dtype=np.uint8).reshape(4, 4)
    small = resize(Sample("a", np.stack([grey] * 3, axis=2), grey.astype(np.float32), grey), 2, 2)
    assert small.rgb[..., 0].tolist() == [[2, 4], [10, 12]]
    assert small.labels.tolist() == [[0, 2], [8, 10]]
