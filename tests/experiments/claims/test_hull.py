"""The envelope against scipy's convex hull."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import ConvexHull

from experiments.claims.judgement import gap_below, gap_of_pairings, vertices

STREAM = np.random.default_rng(2)


@pytest.mark.parametrize("count", [5, 13, 40])
def test_vertices_are_the_upper_part_of_the_convex_hull(count: int) -> None:
    x, y = STREAM.normal(size=(2, count))
    found = vertices(x, y)
    hull = ConvexHull(np.column_stack([x, y]))
    chord = np.interp(x, [x.min(), x.max()], [y[x.argmin()], y[x.argmax()]])
    upper = {i for i in hull.vertices if y[i] >= chord[i] - 1e-12}
    assert set(found) == upper
    assert (np.diff(x[found]) > 0).all()


def test_gap_is_the_mean_distance_to_the_tightest_edges() -> None:
    x, y = STREAM.normal(size=(2, 15))
    hull = ConvexHull(np.column_stack([x, y]))
    upper = hull.equations[hull.equations[:, 1] > 1e-12]
    heights = (-(upper[:, :1] * x + upper[:, 2:]) / upper[:, 1:2]).min(axis=0)
    assert gap_below(x, y) == pytest.approx((heights - y).mean())


def test_points_on_a_concave_curve_lie_closer_than_their_pairings() -> None:
    x = np.linspace(-1, 1, 9)
    gap, pairings = gap_below(x, -(x**2)), gap_of_pairings(x, -(x**2), STREAM, 200)
    assert gap == pytest.approx(0)
    assert (pairings > gap).mean() > 0.99
