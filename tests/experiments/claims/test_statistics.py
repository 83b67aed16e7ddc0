"""Statistics of a few numbers, computed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from experiments.claims.statistics import (
    asymmetry,
    balance,
    gap_below,
    kendall,
    relative,
    spearman,
    vertices,
)


def test_rank_correlations_of_few_points() -> None:
    x, y = np.array([[1.0, 2.0, 3.0, 9.0]]), np.array([[0.0, 2.0, 1.0, 5.0]])
    assert spearman(x, y).tolist() == pytest.approx([0.8])
    assert kendall(x[:, :3], np.array([[0.0, 2.0, 5.0]])).tolist() == [1.0]


def test_influences_are_relative_balanced_and_asymmetric() -> None:
    assert relative(np.array([5.0]), np.array([-12.5]), "depth").tolist() == [0.4]
    balanced = balance(np.array([0.1, 0.1, -0.1]), np.array([0.2, 0.0, 0.2]))
    assert balanced.tolist() == [0.5, 0.0, -0.5]
    found = asymmetry(np.array([0.2, 0.1]), np.array([0.1, -0.1]))
    assert found.tolist() == pytest.approx([1 / 3, 1.0])


def test_the_envelope_has_corners_and_points_lie_below() -> None:
    assert vertices(np.array([2.0, 0.0, 1.0, 1.0]), np.array([1.0, 0.0, 3.0, 0.0])) == [1, 2, 0]
    assert gap_below(np.array([0.0, 1.0, 2.0]), np.array([0.0, -3.0, 0.0])) == 1.0
