"""Intervals and p-values against closed forms and exact enumeration."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from scipy import stats

from influence.bootstrap import Resampling, holm
from influence.errors import InfluenceError


def test_every_draw_has_as_many_samples_as_the_set() -> None:
    weights = Resampling(np.arange(30), draws=50).weights
    assert (weights.sum(1) == 30).all()
    assert (weights == weights.astype(int)).all()
    assert len(np.unique(weights, axis=0)) == 50


def test_groups_are_drawn_whole() -> None:
    groups = np.array([0, 1, 1, 2, 2, 2])
    resampling = Resampling(groups, draws=200)
    for drawn in (resampling.weights, resampling.flips):
        assert (drawn[:, [1, 3, 3]] == drawn[:, [2, 4, 5]]).all()
        assert len(np.unique(drawn[:, [0, 1, 3]], axis=0)) > 4
    assert (resampling.weights[:, [0, 1, 3]].sum(1) == 3).all()


def test_sums_are_those_of_the_drawn_samples() -> None:
    rows = np.random.default_rng(0).normal(size=(5, 2))
    resampling = Resampling(np.arange(5), draws=3)
    drawn = [np.repeat(rows, w.astype(int), axis=0).sum(0) for w in resampling.weights]
    np.testing.assert_allclose(resampling.sums(rows), drawn)


@pytest.mark.parametrize("n", [10, 200])
def test_interval_of_a_mean_is_the_t_interval(n: int) -> None:
    # Normal scores: a sample without skew.
    rows = stats.norm.ppf((np.arange(n) + 0.5) / n)[:, None]
    resampling = Resampling(np.arange(n), draws=5000, confidence=0.9)
    low, high = resampling.interval(resampling.sums(rows)[:, 0] / n)
    expected = stats.t.interval(0.9, n - 1, scale=stats.sem(rows[:, 0]))
    assert (low, high) == pytest.approx(expected, rel=0.06)


def test_undefined_draws_are_left_out() -> None:
    resampling = Resampling(np.arange(100), draws=10)
    assert resampling.interval(np.array([np.nan, 2.0, np.nan])) == (2.0, 2.0)
    assert np.isnan(resampling.interval(np.array([np.nan]))).all()


def test_seed_decides_the_draws() -> None:
    first, same, other = (Resampling(np.arange(9), draws=5, seed=s) for s in (1, 1, 2))
    assert (first.weights == same.weights).all()
    assert (first.flips == same.flips).all()
    assert (first.weights != other.weights).any()


def test_p_value_agrees_with_all_sign_flips() -> None:
    difference = np.random.default_rng(5).normal(0.4, 1.0, 8)
    observed = difference.mean()
    signs = np.array(list(product([1, -1], repeat=8)))
    exact = float((np.abs(signs @ difference / 8) >= abs(observed) - 1e-12).mean())
    assert 0.02 < exact < 0.9
    resampling = Resampling(np.arange(8), draws=20_000)
    full, muted = resampling.swapped(difference[:, None], np.zeros((8, 1)))
    p = resampling.p_value(observed, (full - muted)[:, 0] / 8)
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_swapping_keeps_what_both_sides_hold_together() -> None:
    full, muted = np.random.default_rng(0).normal(size=(2, 6, 3))
    resampling = Resampling(np.arange(6), draws=7)
    swapped = resampling.swapped(full, muted)
    np.testing.assert_allclose(swapped[0] + swapped[1], np.tile((full + muted).sum(0), (7, 1)))
    flip = resampling.flips[0].astype(bool)[:, None]
    np.testing.assert_allclose(swapped[0][0], np.where(flip, muted, full).sum(0))


def test_p_values_are_uniform_where_muting_makes_no_difference() -> None:
    sims, n = 400, 25
    both = np.random.default_rng(2).gamma(2.0, 1.0, size=(2, n, sims))
    resampling = Resampling(np.arange(n), draws=999, seed=3)
    full, muted = resampling.swapped(both[0], both[1])
    observed = (both[0] - both[1]).sum(0)
    p = [resampling.p_value(o, f) for o, f in zip(observed, (full - muted).T, strict=True)]
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 < np.mean(np.array(p) <= 0.05) < 0.07


def test_p_value_counts_the_observation_and_is_never_zero() -> None:
    resampling = Resampling(np.arange(7), draws=2)
    flipped = np.array([0.1, -0.2, np.nan, 0.3, -3.0])
    assert resampling.p_value(2.0, flipped) == 2 / 5
    assert resampling.p_value(9.0, flipped) == 1 / 5
    assert resampling.p_value(0.0, np.zeros(7)) == 1.0
    assert np.isnan(resampling.p_value(float("nan"), flipped))


def test_holm_by_hand() -> None:
    # In order: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 1 x 0.04, which must not fall below the last.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02, float("nan"), 0.5]) == pytest.approx([0.04, np.nan, 0.5], nan_ok=True)
    assert holm([]) == []


@pytest.mark.parametrize(("draws", "confidence"), [(0, 0.95), (10, 0.0), (10, 1.0), (10, 95.0)])
def test_senseless_options_are_refused(draws: int, confidence: float) -> None:
    with pytest.raises(InfluenceError, match="draws of 1 or more and a confidence in"):
        Resampling(np.arange(3), draws=draws, confidence=confidence)


def test_one_group_tells_nothing_of_the_spread() -> None:
    resampling = Resampling(np.zeros(9, dtype=np.int64), draws=20)
    assert np.isnan(resampling.interval(np.arange(20.0))).all()
    assert np.isnan(resampling.p_value(1.0, np.arange(20.0)))
