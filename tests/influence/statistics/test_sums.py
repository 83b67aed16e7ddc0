"""Both sides of an omega, from sums."""

from __future__ import annotations

import numpy as np

from influence.plan.conditions import Condition
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows
from influence.statistics.sums import full_key
from tests.influence.statistics.test_bootstrap import FULL, LEFT, RIGHT, dense, rows_of


def test_sides_are_the_full_and_the_muted_one() -> None:
    full, left, right = np.random.default_rng(0).normal(size=(3, 6, 3))
    sums = Resampling(draws=7).sums(rows_of(full, left, right))
    weights, flips = dense(np.arange(6), 7)
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
    sums = Resampling(draws=9).sums(rows_of(full, full.copy(), groups=np.arange(50) % 11))
    for sides in (sums.observed(LEFT), sums.resampled(LEFT), sums.swapped(LEFT)):
        np.testing.assert_array_equal(sides[0], sides[1])


def test_conditions_are_listed_with_the_full_one_first() -> None:
    values = np.ones((3, 1))
    rows = rows_of(values, values, values)
    turned = {key: rows.values[key] for key in (RIGHT, LEFT, FULL)}
    found = Resampling(draws=1).sums(Rows(rows.ids, rows.groups, turned))
    assert found.conditions() == [FULL.condition, RIGHT.condition, LEFT.condition]


def test_full_key_keeps_output_and_statistic() -> None:
    both = RowKey(Condition("mean", frozenset({"left", "right"})), "z", "counts")
    assert full_key(both) == RowKey(Condition("none", frozenset()), "z", "counts")
