"""The envelope against a second derivation, and by its properties."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial import ConvexHull

from influence.display.plots.envelope import upper_envelope


@pytest.mark.parametrize("seed", range(20))
def test_it_is_the_upper_part_of_the_convex_hull_of_scipy(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(12, 2))
    corners = points[ConvexHull(points).vertices]
    left, right = corners[corners[:, 0].argmin()], corners[corners[:, 0].argmax()]
    chord = left[1] + (corners[:, 0] - left[0]) / (right[0] - left[0]) * (right[1] - left[1])
    upper = corners[corners[:, 1] >= chord - 1e-12]
    np.testing.assert_allclose(
        upper_envelope(*points.T), upper[upper[:, 0].argsort()], rtol=0, atol=1e-12
    )


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_its_height_is_that_of_the_highest_chord(points: list[tuple[int, int]]) -> None:
    envelope = upper_envelope(*zip(*points, strict=True))
    for x in {x for x, _ in points}:
        chords = [
            a[1] + (x - a[0]) / (b[0] - a[0]) * (b[1] - a[1])
            for a, b in combinations(sorted(points), 2)
            if a[0] < b[0] and a[0] <= x <= b[0]
        ]
        height = max([*chords, *(y for at, y in points if at == x)])
        assert np.interp(x, *envelope.T) == pytest.approx(height, abs=1e-12)


@given(st.lists(st.tuples(st.integers(-9, 9), st.integers(-9, 9)), min_size=1, max_size=9))
def test_it_is_strictly_concave_and_runs_from_left_to_right(points: list[tuple[int, int]]) -> None:
    steps = np.diff(upper_envelope(*zip(*points, strict=True)), axis=0)
    assert (steps[:, 0] > 0).all()
    assert (np.diff(steps[:, 1] / steps[:, 0]) < 0).all()


def test_points_that_are_not_numbers_are_left_out() -> None:
    assert upper_envelope([0, 1, 2], [0, np.nan, 0]).tolist() == [[0, 0], [2, 0]]
    assert upper_envelope([], []).shape == (0, 2)
