"""Rows, their order of samples, and their sums: both sides of an omega."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from influence.data.dataset import group_numbers
from influence.errors import InfluenceError
from influence.plan.setups import Condition
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows, Sums, full_key, match_samples
from tests.influence.statistics.test_bootstrap import FULL, LEFT, RIGHT, dense, rows_of
from tests.runs_of_rows import error_rows

ERRORS, MUTED = np.random.default_rng(0).uniform(1, 2, (2, 12))
ROWS = error_rows(ERRORS, {("zero", "x"): MUTED}, groups=[0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3])


def test_groups_are_numbered_as_they_appear() -> None:
    assert group_numbers(np.array([b"b", b"a", b"b"]), 3).tolist() == [0, 1, 0]
    assert group_numbers(None, 3).tolist() == [0, 1, 2]


def reordered(rows: Rows, order: NDArray[np.int64]) -> Rows:
    return Rows(
        [rows.ids[i] for i in order],
        rows.groups[order],
        {key: values[order] for key, values in rows.values.items()},
    )


def test_another_order_is_put_right() -> None:
    found = match_samples(reordered(ROWS, np.random.default_rng(1).permutation(12)), ROWS)
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
        one, other = (replace(error_rows(ERRORS, {(mute, "x"): MUTED}), units=u) for u in units)
        moved = replace(reordered(one, np.arange(12)[::-1]), units=one.drawn_together[::-1])
        assert np.array_equal(match_samples(moved, one).drawn_together, units[0])
        if refused:
            with pytest.raises(InfluenceError, match=r"exchange their inputs .* the same seed"):
                match_samples(other, one)
        else:
            assert np.array_equal(match_samples(other, one).drawn_together, units[0])


def test_other_groups_are_refused() -> None:
    for groups in (np.arange(12), np.zeros(12, dtype=np.int64), np.tile(np.arange(4), 3)):
        with pytest.raises(InfluenceError, match="the same groups of samples"):
            match_samples(replace(ROWS, groups=groups), ROWS)


def test_sides_are_the_full_and_the_muted_one() -> None:
    full, left, right = np.random.default_rng(0).normal(size=(3, 6, 3))
    sums = Resampling(draws=10).sums(rows_of(full, left, right))
    weights, flips = dense(np.arange(6), 10)
    for key, muted in ((LEFT, left), (RIGHT, right)):
        np.testing.assert_allclose(sums.observed(key), [full.sum(0), muted.sum(0)])
        np.testing.assert_allclose(sums.resampled(key), [weights @ full, weights @ muted])
        # Written out: in a flipped sample the two rows change places.
        swapped = [
            np.where(flip[:, None], b, a).sum(0)
            for a, b in ((full, muted), (muted, full))
            for flip in flips.astype(bool)
        ]
        np.testing.assert_allclose(np.concatenate(sums.swapped(key)), swapped)


def test_sides_of_a_condition_that_changes_nothing_are_the_same() -> None:
    full = np.random.default_rng(0).normal(size=(50, 3))
    sums = Resampling(draws=10).sums(rows_of(full, full.copy(), groups=np.arange(50) % 11))
    for sides in (sums.observed(LEFT), sums.resampled(LEFT), sums.swapped(LEFT)):
        np.testing.assert_array_equal(sides[0], sides[1])


def test_conditions_are_listed_with_the_full_one_first() -> None:
    values = np.ones((3, 1))
    rows = rows_of(values, values, values)
    turned = {key: rows.values[key] for key in (RIGHT, LEFT, FULL)}
    found = Resampling(draws=10).sums(Rows(rows.ids, rows.groups, turned))
    assert found.conditions() == [FULL.condition, RIGHT.condition, LEFT.condition]


def test_full_key_keeps_output_and_statistic() -> None:
    both = RowKey(Condition("mean", frozenset({"left", "right"})), "z", "counts")
    assert full_key(both) == RowKey(Condition("none", frozenset()), "z", "counts")


def test_values_that_cannot_be_resampled_have_neither_interval_nor_p_value() -> None:
    sums = Sums.of_values({FULL: 3.0, LEFT: 1.0}, n=6)
    assert (sums.n, sums.draws) == (6, 0)
    assert [side.tolist() for side in sums.observed(LEFT)] == [[3.0], [1.0]]
    for ends in Resampling(draws=10).interval(sums.drawn[LEFT], sums.groups):
        assert np.isnan(ends).tolist() == [True]
    full, muted = sums.swapped(LEFT)
    assert np.isnan(Resampling(draws=10).p_value(np.array([2.0]), full - muted, sums.groups)).all()
