"""Judgement: verdicts from intervals, and bands that hold together."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments.claims.judgement import (
    CONTRADICTED,
    OPEN,
    SUPPORTED,
    adjust,
    asymmetry,
    balance,
    band_of_draws,
    band_of_rounding,
    combine,
    gap_below,
    judge,
    kendall,
    p_of,
    relative,
    spearman,
    vertices,
)
from influence.statistics.bootstrap import Resampling


def test_an_interval_decides_alone() -> None:
    assert judge(0.1, 1.0) == SUPPORTED
    assert judge(-1.0, -0.1) == CONTRADICTED
    assert judge(0.0, 0.0) == CONTRADICTED  # nothing is above the limit
    assert judge(-1.0, 1.0) == OPEN
    assert judge(0.1, 1.0, limit=0.5) == OPEN
    assert judge(np.nan, np.nan) == OPEN


def test_one_part_can_contradict_and_all_have_to_support() -> None:
    assert combine([SUPPORTED, SUPPORTED]) == SUPPORTED
    assert combine([SUPPORTED, OPEN]) == OPEN
    assert combine([OPEN, CONTRADICTED]) == CONTRADICTED


@pytest.mark.parametrize("groups", [5, 13, 300])
def test_p_value_and_interval_say_the_same(groups: int) -> None:
    drawn = np.random.default_rng(groups).normal(size=20000)
    low, high = Resampling(draws=20000).interval(drawn, groups)
    for limit in (float(low), float(high)):
        assert p_of(drawn, limit, groups) == pytest.approx(0.05, abs=0.002)


def test_p_value_of_many_groups_is_the_normal_one() -> None:
    drawn = np.random.default_rng(0).normal(2.0, 1.0, 20000)
    assert p_of(drawn, 0.0, 10**6) == pytest.approx(2 * stats.norm.sf(2), rel=0.1)


def test_holm_runs_within_a_condition_and_mute() -> None:
    frame = pd.DataFrame(
        {
            "condition": ["a", "a", "a", "b"],
            "mute": "zero",
            "p_value": [0.03, 0.01, np.nan, 0.03],
            "verdict": SUPPORTED,
        }
    )
    found = adjust(frame)
    assert found["p_holm"].tolist()[:2] == pytest.approx([0.03, 0.02])
    assert found["verdict_holm"].tolist() == [SUPPORTED] * 4
    doubled = adjust(frame.assign(p_value=[0.03, 0.04, np.nan, 0.03]))
    assert doubled["verdict_holm"].tolist() == [OPEN, OPEN, SUPPORTED, SUPPORTED]


def test_zeros_are_rarely_called_certain() -> None:
    stream, wrong = np.random.default_rng(0), 0
    for _ in range(300):
        seen = stream.normal(size=20)
        band = band_of_draws(np.vstack([seen, stream.normal(seen, 1, (400, 20))]), 0.95)
        wrong += bool(band.certain.any() or not band.possible.all())
    assert 3 <= wrong <= 27  # 15 are expected


def test_a_difference_without_error_is_certain() -> None:
    band = band_of_draws(np.tile([0.5, 0.0, -0.5], (10, 1)), 0.95)
    assert band.certain.tolist() == [True, False, False]
    assert band.possible.tolist() == [True, False, False]


def test_rounding_leaves_open_what_the_next_digit_could_change() -> None:
    gain = np.array([0.125 - 0.124, 0.125 - 0.125, 0.125 - 0.126])
    band = band_of_rounding(gain, np.full(3, 0.001))
    assert band.certain.tolist() == [True, False, False]
    assert band.possible.tolist() == [True, True, False]
    assert np.isnan(band.p_value(1.0))


def test_a_claim_is_supported_contradicted_or_open() -> None:
    assert judge(0.1, 0.3) == SUPPORTED
    assert judge(-0.1, 0.3) == judge(0.1, 0.3, p_value=0.1) == OPEN
    assert judge(-0.2, 0.0) == CONTRADICTED
    assert combine([SUPPORTED, OPEN]) == OPEN
    assert combine([SUPPORTED, CONTRADICTED]) == CONTRADICTED


def test_a_p_value_inverts_the_interval_of_draws() -> None:
    assert round(p_of(np.arange(-5.0, 94.0), 0.0, groups=1000), 2) == 0.14


def test_bands_say_what_is_above_zero() -> None:
    band = band_of_rounding(np.array([0.001, 0.0]), np.array([0.001, 0.001]))
    assert band.certain.tolist() == [True, False]
    assert band.possible.tolist() == [True, True]
    draws = np.random.default_rng(0).normal([0.0, 1.0, 0.1], 0.1, (2000, 3))
    band = band_of_draws(np.vstack([[[0.0, 1.0, 0.1]], draws]), 0.95)
    assert band.certain.tolist() == [False, True, False]
    assert band.possible.tolist() == [True, True, True]


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
