"""Rank correlations against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from experiments.claims.judgement import kendall, spearman

STREAM = np.random.default_rng(1)
X = STREAM.integers(0, 5, (20, 8)).astype(float)  # with ties
Y = X + STREAM.integers(0, 6, (20, 8)).astype(float)


def test_correlations_are_those_of_scipy() -> None:
    pairs = list(zip(X, Y, strict=True))
    rho = [stats.spearmanr(x, y).statistic for x, y in pairs]
    tau = [stats.kendalltau(x, y).statistic for x, y in pairs]
    assert spearman(X, Y) == pytest.approx(np.array(rho))
    assert kendall(X, Y) == pytest.approx(np.array(tau))


def test_equal_values_have_no_order() -> None:
    flat = np.ones((1, 4))
    for correlate in (spearman, kendall):
        assert np.isnan(correlate(flat, np.arange(4.0)[None])).all()
