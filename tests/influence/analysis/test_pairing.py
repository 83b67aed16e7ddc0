"""Samples are matched by their ids, and both networks share every draw and every swap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from influence.analysis.pairing import draw_pair, match_samples
from influence.errors import InfluenceError
from influence.metrics.registry import METRICS
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows
from tests.runs_of_rows import Array, accuracy_rows, depth_rows, error_rows

NUMBERS = np.random.default_rng(0)
FULL, MUTED = NUMBERS.uniform(1, 2, (2, 12))
ROWS = error_rows(FULL, {("zero", "x"): MUTED}, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])


def reordered(rows: Rows, order: NDArray[np.int64]) -> Rows:
    return Rows(
        [rows.ids[i] for i in order],
        rows.groups[order],
        {key: values[order] for key, values in rows.values.items()},
    )


def test_another_order_is_put_right() -> None:
    found = match_samples(reordered(ROWS, NUMBERS.permutation(12)), ROWS)
    assert list(found.ids) == list(ROWS.ids)
    assert np.array_equal(found.groups, ROWS.groups)
    assert all(np.array_equal(found.values[key], values) for key, values in ROWS.values.items())


def test_groups_may_have_other_numbers() -> None:
    other = replace(ROWS, groups=(ROWS.groups + 1) % 4)
    assert np.array_equal(match_samples(other, ROWS).groups, ROWS.groups)


@pytest.mark.parametrize(
    ("ids", "common"),
    [
        ([f"t{i}" for i in range(12)], 0),
        ([f"s{i + 3}" for i in range(12)], 9),
        (["s0"] * 12, 1),
        ([f"s{i}" for i in range(11)], 11),
    ],
)
def test_other_samples_are_refused_with_the_number_that_match(ids: list[str], common: int) -> None:
    rows = reordered(ROWS, np.arange(len(ids)))
    message = f"{common} ids match, of 12 samples in the first run and {len(ids)} in the second"
    with pytest.raises(InfluenceError, match=message):
        match_samples(replace(rows, ids=ids), ROWS)


def test_other_exchanges_are_refused_where_both_runs_shuffle() -> None:
    units = [np.repeat(np.arange(6), 2), np.tile(np.arange(6), 2)]
    for mute, refused in (("shuffle", True), ("zero", False)):
        one, other = (replace(error_rows(FULL, {(mute, "x"): MUTED}), units=u) for u in units)
        moved = replace(reordered(one, np.arange(12)[::-1]), units=one.drawn_together[::-1])
        assert np.array_equal(match_samples(moved, one).drawn_together, units[0])
        if refused:
            with pytest.raises(InfluenceError, match=r"exchange their inputs .* the same --seed"):
                match_samples(other, one)
        else:
            assert np.array_equal(match_samples(other, one).drawn_together, units[0])


def test_other_groups_are_refused() -> None:
    for groups in (np.arange(12), np.zeros(12, dtype=np.int64), np.tile(np.arange(4), 3)):
        with pytest.raises(InfluenceError, match="grouped in another way"):
            match_samples(replace(ROWS, groups=groups), ROWS)


def test_rows_of_other_lengths_are_refused() -> None:
    short = replace(ROWS, values={key: v[:, :2] for key, v in ROWS.values.items()})
    with pytest.raises(InfluenceError, match="rows of 3 numbers and the second of 2"):
        draw_pair(ROWS, short, Resampling(draws=5))


def test_swaps_exchange_whole_groups_and_all_conditions_at_once() -> None:
    other = error_rows(2 * FULL, {("zero", "x"): 3 * MUTED}, groups=ROWS.groups.tolist())
    pair = draw_pair(ROWS, other, Resampling(draws=300))
    first, second = pair.swapped()
    full, muted = ROWS.values
    by_group = np.add.reduceat(ROWS.values[full], [0, 3, 6, 9])
    by_group_muted = np.add.reduceat(ROWS.values[muted], [0, 3, 6, 9])
    seen = set()
    for a, b, m in zip(first[full], second[full], first[muted], strict=True):
        flips = [
            f
            for f in np.ndindex(2, 2, 2, 2)
            if np.isclose(a[1], (by_group[:, 1] * (1 + np.array(f))).sum())
        ]
        assert len(flips) == 1
        assert m[1] == pytest.approx((by_group_muted[:, 1] * (1 + 2 * np.array(flips[0]))).sum())
        assert a + b == pytest.approx(pair.first.totals[full] + pair.second.totals[full])
        seen.add(flips[0])
    assert len(seen) == 16


def simulated(metric: str, performance: int, hard: Array, numbers: np.random.Generator) -> Rows:
    """Draw a network whose omega is the same at both levels of performance."""
    count = len(hard)
    if metric == "accuracy":  # omega 0.2
        right = (numbers.uniform(size=count) < (0.8, 0.6)[performance]).astype(float)
        kept = numbers.uniform(size=count) < (0.75, 2 / 3)[performance]
        return accuracy_rows(right, {("zero", "x"): right * kept})
    if metric == "mse":  # omega 0.5
        full = (1, 3)[performance] * hard + numbers.uniform(size=count)
        return error_rows(full, {("zero", "x"): full + numbers.uniform(size=count)})
    # rms of 1 and 2, or of 2 and 3: omega 1
    one, two = hard * numbers.uniform(0.8, 1.2, (2, count))
    return depth_rows((1, 4)[performance] * one, {("zero", "x"): (4, 9)[performance] * two})


@pytest.mark.parametrize("metric", ["mse", "accuracy", "rms"])
def test_intervals_cover_and_the_test_keeps_its_level(metric: str) -> None:
    """Simulate the null that matters: the same omega in networks of other performance."""
    numbers, resampling = np.random.default_rng(2), Resampling(draws=400)
    formula = METRICS[metric].formula
    covered, rejected = [], []
    for _ in range(400):
        hard = numbers.exponential(size=80)
        first, second = (simulated(metric, i, hard, numbers) for i in (0, 1))
        pair = draw_pair(first, second, resampling)
        full, muted = pair.first.totals
        difference, drawn, swapped = (
            formula(a[muted]) - formula(a[full]) - (formula(b[muted]) - formula(b[full]))
            for a, b in (pair.observed(), pair.resampled(), pair.swapped())
        )
        low, high = resampling.interval(drawn, 80)
        covered.append(low <= 0 <= high)
        rejected.append(resampling.p_value(difference, swapped, 80) < 0.05)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.033)  # three standard errors
    assert np.mean(rejected) <= 0.083
