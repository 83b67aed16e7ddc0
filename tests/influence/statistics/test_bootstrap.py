"""Sums against dense weights, intervals and p-values against closed forms and enumeration."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from itertools import product
from typing import Any
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from influence.errors import InfluenceError
from influence.plan.setups import Condition
from influence.statistics import bootstrap
from influence.statistics.bootstrap import BLOCKS, Resampling, holm
from influence.statistics.rows import RowKey, Rows

Array = NDArray[np.float64]

FULL, LEFT, RIGHT = (
    RowKey(Condition(mute, frozenset(sites)), "y", "errors")
    for mute, sites in (("none", ()), ("zero", ("left",)), ("zero", ("right",)))
)


def rows_of(*values: Array, groups: NDArray[np.int64] | None = None) -> Rows:
    """Return rows under up to three conditions, the full one first."""
    count = len(values[0])
    return Rows(
        ids=[str(i) for i in range(count)],
        groups=np.arange(count) if groups is None else groups,
        values=dict(zip((FULL, LEFT, RIGHT), values, strict=False)),
    )


def dense(groups: NDArray[np.int64], draws: int, seed: int = 0) -> tuple[Array, Array]:
    """Return how often each sample is in each draw, and whether it is flipped: (draws, samples)."""
    count = groups.max() + 1
    streams = {
        purpose: np.random.Generator(np.random.Philox([seed, crc32(purpose)]))
        for purpose in (b"bootstrap", b"flips")
    }
    weights = streams[b"bootstrap"].multinomial(count, np.full(count, 1 / count), size=draws)
    flips = streams[b"flips"].integers(0, 2, size=(draws, count))
    return weights[:, groups].astype(np.float64), flips[:, groups].astype(np.float64)


def test_units_are_drawn_and_flipped_as_a_whole() -> None:
    full, left = np.random.default_rng(0).normal(size=(2, 6, 2))
    units = np.array([0, 1, 1, 2, 0, 2])
    rows = rows_of(full, left, groups=np.array([0, 1, 2, 3, 0, 4]))
    resampling = Resampling(40, seed=1)
    found = resampling.sums(replace(rows, units=units))
    expected = resampling.sums(replace(rows, groups=units))
    assert (found.n, found.groups) == (6, 3)
    for part in ("drawn", "exchanged"):
        for key, values in getattr(expected, part).items():
            assert np.array_equal(getattr(found, part)[key], values)


@pytest.mark.parametrize("block", [1, 100, 10**6])  # one draw at a time, some, all
@pytest.mark.parametrize("grouped", [False, True])
def test_sums_are_those_of_dense_weights(
    block: int, grouped: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "HELD", block)
    stream = np.random.default_rng(0)
    groups = np.r_[0:9, stream.integers(0, 9, 24)] if grouped else np.arange(33)
    full, left, right = stream.normal(size=(3, 33, 4))
    sums = Resampling(50, seed=7).sums(rows_of(full, left, right, groups=groups))
    weights, flips = dense(groups, 50, seed=7)
    for key, values in ((FULL, full), (LEFT, left), (RIGHT, right)):
        np.testing.assert_allclose(sums.totals[key], values.sum(0), rtol=1e-12)
        np.testing.assert_allclose(sums.drawn[key], weights @ values, rtol=0, atol=1e-12)
    for key, values in ((LEFT, left), (RIGHT, right)):
        np.testing.assert_allclose(sums.exchanged[key], flips @ (values - full), atol=1e-12)
    assert FULL not in sums.exchanged
    assert (sums.n, sums.groups) == (33, 9 if grouped else 33)


def test_counts_are_summed_to_the_last_bit() -> None:
    counts = np.random.default_rng(1).integers(0, 10**6, size=(40, 3)).astype(np.float64)
    groups = np.arange(40) % 7
    found = Resampling(30).sums(rows_of(counts, groups=groups)).drawn[FULL]
    expected = dense(groups, 30)[0].astype(np.int64) @ counts.astype(np.int64)
    np.testing.assert_array_equal(found, expected)


def test_every_draw_has_as_many_groups_as_the_set_and_draws_differ() -> None:
    # A row that is one in the first sample of each group, and zero in the others, counts groups.
    groups = np.array([0, 1, 1, 2, 2, 2, 3])
    first = np.array([1.0, 1, 0, 1, 0, 0, 1])
    one = np.eye(7)
    drawn = Resampling(200).sums(rows_of(np.c_[first, one], groups=groups)).drawn[FULL]
    assert (drawn[:, 0] == 4).all()
    np.testing.assert_array_equal(drawn[:, [2, 4, 4]], drawn[:, [3, 5, 6]])  # drawn whole
    assert len(np.unique(drawn, axis=0)) > 20


def test_memory_does_not_hold_draws_times_samples() -> None:
    values = np.ones((BLOCKS, 2))
    tracemalloc.start()
    sums = Resampling(5000).sums(rows_of(values, values))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (sums.drawn[FULL] == BLOCKS).all()
    assert peak < 70e6  # the weights alone would be 160 MB


def in_blocks(units: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the block of each unit."""
    stream = np.random.Generator(np.random.Philox([seed, crc32(b"blocks")]))
    return stream.permutation(units) % BLOCKS


@pytest.mark.parametrize("samples_of_a_unit", [1, 2])
def test_many_units_are_drawn_and_flipped_in_blocks(samples_of_a_unit: int) -> None:
    units = np.repeat(np.arange(BLOCKS + 500), samples_of_a_unit)
    counts = np.random.default_rng(0).integers(0, 9, size=(2, len(units), 3)).astype(np.float64)
    sums = Resampling(20, seed=3).sums(rows_of(*counts, groups=units))
    assert (sums.n, sums.groups) == (len(units), BLOCKS + 500)
    blocks = in_blocks(BLOCKS + 500, seed=3)
    assert set(np.bincount(blocks)) == {1, 2}  # of equal size, as far as that goes
    by_block = np.zeros((2, BLOCKS, 3))
    for total, values in zip(by_block, counts, strict=True):
        np.add.at(total, blocks[units], values)
    draw, flip = (
        np.random.Generator(np.random.Philox([3, crc32(purpose)]))
        for purpose in (b"bootstrap", b"flips")
    )
    for part in range(20):
        chosen = draw.integers(0, BLOCKS, size=BLOCKS)
        np.testing.assert_array_equal(sums.drawn[FULL][part], by_block[0][chosen].sum(0))
        np.testing.assert_array_equal(sums.drawn[LEFT][part], by_block[1][chosen].sum(0))
    flips = flip.integers(0, 2, size=(20, BLOCKS), dtype=np.bool_)
    expected = flips @ (by_block[1] - by_block[0])
    np.testing.assert_array_equal(sums.exchanged[LEFT], expected)
    full, left = counts
    again = Resampling(20, seed=3).exchange({"left": (full, left)}, units)
    np.testing.assert_array_equal(again["left"], expected)


def test_as_many_units_as_blocks_are_drawn_one_by_one() -> None:
    counts = np.random.default_rng(0).integers(0, 9, size=(BLOCKS, 1)).astype(np.float64)
    found = Resampling(20).sums(rows_of(counts)).drawn[FULL]
    np.testing.assert_array_equal(found, dense(np.arange(BLOCKS), 20)[0] @ counts)


@pytest.mark.parametrize("skewed", [False, True])
def test_intervals_from_blocks_are_those_from_units(
    skewed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = np.random.default_rng(4)
    values = stream.normal(size=(9000, 2))
    rows = rows_of((values**4 if skewed else values) + 1)
    resampling = Resampling(4000, seed=1)

    def widths() -> Array:
        sums = resampling.sums(rows)
        low, high = resampling.interval(sums.drawn[FULL] / sums.n, sums.groups)
        centre = sums.totals[FULL] / sums.n
        return np.stack([centre - low, high - centre])

    blocks = widths()
    monkeypatch.setattr(bootstrap, "BLOCKS", 9000)
    # The ends have Monte Carlo errors of 2% each, and 4096 blocks add 1%.
    np.testing.assert_allclose(blocks, widths(), rtol=0.1)


def test_intervals_and_tests_from_blocks_keep_their_level(monkeypatch: pytest.MonkeyPatch) -> None:
    # Of 300 skewed samples in 100 blocks, both sides alike: each column is a study.
    monkeypatch.setattr(bootstrap, "BLOCKS", 100)
    studies, n = 1500, 300
    both = np.random.default_rng(6).gamma(2.0, 1.0, size=(2, n, studies))
    resampling = Resampling(999, seed=2)
    sums = resampling.sums(rows_of(*both))
    low, high = resampling.interval((sums.drawn[FULL] - sums.drawn[LEFT]) / n, sums.groups)
    error = 4 * np.sqrt(0.05 * 0.95 / studies)
    assert np.mean((low <= 0) & (high >= 0)) == pytest.approx(0.95, abs=error)
    full, left = sums.swapped(LEFT)
    p = resampling.p_value((both[0] - both[1]).sum(0), full - left, sums.groups)
    assert np.mean(p <= 0.05) == pytest.approx(0.05, abs=error)
    low, high = resampling.interval(sums.drawn[FULL] / n, sums.groups)
    assert np.mean((low <= 2) & (high >= 2)) == pytest.approx(0.95, abs=error)


@pytest.mark.parametrize("n", [10, 200])
def test_interval_of_a_mean_is_the_t_interval(n: int) -> None:
    # Normal scores: a sample without skew.
    values = stats.norm.ppf((np.arange(n) + 0.5) / n)[:, None]
    resampling = Resampling(5000, 0.9)
    sums = resampling.sums(rows_of(values))
    low, high = resampling.interval(sums.drawn[FULL][:, 0] / n, n)
    expected = stats.t.interval(0.9, n - 1, scale=stats.sem(values[:, 0]))
    assert (low, high) == pytest.approx(expected, rel=0.06)


def test_intervals_of_many_levels_are_those_of_each_alone() -> None:
    resampling = Resampling(draws=301)
    stream = np.random.default_rng(3)
    drawn = stream.normal(size=(301, 2, 3))
    drawn[stream.random(drawn.shape) < 0.2] = np.nan
    drawn[:, 1, 2] = np.nan
    low, high = resampling.interval(drawn, 40)
    reach = stats.t.ppf(0.975, 39) * np.sqrt(40 / 39)
    shares = stats.norm.cdf([-reach, reach])
    for i, j in product(range(2), range(3)):
        known = drawn[~np.isnan(drawn[:, i, j]), i, j]
        expected = np.quantile(known, shares) if len(known) else [np.nan, np.nan]
        np.testing.assert_allclose([low[i, j], high[i, j]], expected, rtol=1e-12)


def test_undefined_and_infinite_draws() -> None:
    resampling = Resampling(draws=10)
    drawn = np.array([[np.nan, np.nan, np.inf], [2.0, np.nan, np.inf]])
    for end in resampling.interval(drawn, 100):
        np.testing.assert_array_equal(end, [2.0, np.nan, np.inf])


def test_seed_decides_the_draws() -> None:
    rows = rows_of(*np.random.default_rng(0).normal(size=(2, 9, 1)))
    first, same, other = (Resampling(10, seed=s).sums(rows) for s in (1, 1, 2))
    np.testing.assert_array_equal(first.drawn[LEFT], same.drawn[LEFT])
    np.testing.assert_array_equal(first.exchanged[LEFT], same.exchanged[LEFT])
    assert (first.drawn[LEFT] != other.drawn[LEFT]).any()
    assert (first.exchanged[LEFT] != other.exchanged[LEFT]).any()


def test_p_value_agrees_with_all_sign_flips() -> None:
    difference = np.random.default_rng(5).normal(0.4, 1.0, 8)
    observed = difference.mean()
    signs = np.array(list(product([1, -1], repeat=8)))
    exact = float((np.abs(signs @ difference / 8) >= abs(observed) - 1e-12).mean())
    assert 0.02 < exact < 0.9
    resampling = Resampling(draws=20_000)
    sums = resampling.sums(rows_of(difference[:, None], np.zeros((8, 1))))
    full, muted = sums.swapped(LEFT)
    p = resampling.p_value(observed, (full - muted)[:, 0] / 8, 8)
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact * (1 - exact) / 20_000))


def test_p_values_are_uniform_where_muting_makes_no_difference() -> None:
    sims, n = 400, 25
    both = np.random.default_rng(2).gamma(2.0, 1.0, size=(2, n, sims))
    resampling = Resampling(draws=999, seed=3)
    full, muted = resampling.sums(rows_of(*both)).swapped(LEFT)
    p = resampling.p_value((both[0] - both[1]).sum(0), full - muted, n)
    assert p.shape == (sims,)
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert 0.03 < np.mean(p <= 0.05) < 0.07


def test_p_values_below_what_flips_can_count_bound_those_of_all_flips() -> None:
    difference = np.random.default_rng(8).normal(1.0, 0.2, 20)
    signs = np.array(list(product([1, -1], repeat=20)), dtype=np.int8)
    exact = float((np.abs(signs @ difference) >= difference.sum() - 1e-12).mean())
    resampling = Resampling(draws=500)
    full, muted = resampling.sums(rows_of(difference[:, None], np.zeros((20, 1)))).swapped(LEFT)
    p = float(resampling.p_value(difference.sum(), (full - muted)[:, 0], 20))
    assert exact == 2 / 2**20
    assert exact <= p < 1 / 501
    many = holm([p] * 150)  # such as 13 classes, 5 ranges of depth and 2 regions
    assert max(many) < 0.05
    few = resampling.p_value(difference.sum(), (full - muted)[:99, 0], 20)
    assert few == 1 / 100  # too few to tell their variance


def test_no_p_value_is_below_that_of_samples_that_all_change_alike() -> None:
    resampling = Resampling(draws=2000)
    flipped = np.random.default_rng(0).normal(size=2000)
    found = resampling.p_value(np.array(50.0), flipped, 20)
    assert float(found) == pytest.approx(2 * np.exp(-10))  # z^2 is 20, and all flips 2 / 2**20
    assert resampling.p_value(np.array(50.0), flipped, 5) == 1 / 2001


def test_p_value_counts_the_observation_and_is_never_zero() -> None:
    flipped = np.array([0.1, -0.2, np.nan, 0.3, -3.0])[:, None]
    observed = np.array([2.0, 9.0, np.nan, np.inf])
    found = Resampling(draws=10).p_value(observed, np.tile(flipped, 4), 7)
    assert found[:2].tolist() == [2 / 5, 1 / 5]
    assert np.isnan(found[2])
    assert found[3] == 1 / 5
    assert Resampling(draws=10).p_value(np.zeros(1), np.zeros((7, 1)), 7) == 1.0


def test_holm_by_hand() -> None:
    # In order: 4 x 0.005, 3 x 0.01, 2 x 0.03, and 1 x 0.04, which must not fall below the last.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([0.02, float("nan"), 0.5]) == pytest.approx([0.04, np.nan, 0.5], nan_ok=True)
    assert holm([]) == []


@pytest.mark.parametrize(("draws", "confidence"), [(0, 0.95), (10, 0.0), (10, 1.0), (10, 95.0)])
def test_senseless_options_are_refused(draws: int, confidence: float) -> None:
    with pytest.raises(InfluenceError, match="draws of 1 or more and a confidence in"):
        Resampling(draws=draws, confidence=confidence)


def test_one_group_shows_nothing_of_the_spread() -> None:
    resampling = Resampling(draws=20)
    drawn = np.arange(40.0).reshape(20, 2)
    assert np.isnan(resampling.interval(drawn, 1)).all()
    assert np.isnan(resampling.p_value(np.ones(2), drawn, 1)).all()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"draws": 1}, "needs 10 draws or more"),
        ({"draws": 10, "confidence": 0.999}, r"needs 500 draws .* got 10. Give draws=500"),
        ({"draws": 10.5}, "expected a whole number of draws, got 10.5"),
        ({"confidence": np.inf}, "a confidence in"),
        ({"confidence": np.nan}, "a confidence in"),
        ({"seed": -1}, "expected seed=0 or more, got -1"),
        ({"draws": 2**40}, r"of memory, of which .* Give at most draws="),
    ],
)
def test_draws_that_cannot_be_are_refused(arguments: dict[str, Any], expected: str) -> None:
    with pytest.raises(InfluenceError, match=expected):
        Resampling(**arguments)


def test_draws_for_which_memory_is_too_small_are_refused_before_any_is_made(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows = rows_of(np.ones((5, 3)), np.ones((5, 3)))
    monkeypatch.setattr("influence.statistics.bootstrap.available_memory", lambda: 24 * 9 * 100)
    assert Resampling(draws=100).sums(rows).drawn[FULL].shape == (100, 3)
    with pytest.raises(InfluenceError, match="Give at most draws=100, or fewer metrics"):
        Resampling(draws=101).sums(rows)
    with pytest.raises(InfluenceError, match="Give at most draws=100"):
        Resampling(draws=101).resample(rows.values, blocks=True)
