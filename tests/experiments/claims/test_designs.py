"""Designs: means over seeds, and what is drawn at each level."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.claims.designs import Designs, Role
from experiments.claims.draws import Quantity
from influence.statistics.bootstrap import Resampling

Array = NDArray[np.float64]

DRAWS, SPLITS = 4000, 2
LABELS = ("a", "a", "a", "b", "c", "d")
VALUES = np.array([1.0, 2.0, 6.0, 4.0, 5.0, 8.0])
DESIGNS = Designs(LABELS, Resampling(draws=DRAWS), units=50)


def still(values: Array) -> Quantity:
    """Return numbers that no image changes."""
    return Quantity(
        np.broadcast_to(values, (1 + DRAWS, len(values))),
        np.broadcast_to(values, (2, SPLITS + DRAWS, len(values))),
    )


def mean(values: Array) -> Array:
    return np.asarray(values.mean(axis=-1))


def test_a_design_is_the_mean_of_its_seeds() -> None:
    assert DESIGNS.names == ("a", "b", "c", "d")
    assert DESIGNS.means(still(VALUES))[0] == pytest.approx([3, 4, 5, 8])


def test_seeds_are_drawn_where_there_are_several() -> None:
    drawn = DESIGNS.means(still(VALUES))[1:]
    assert drawn.var(axis=0)[1:] == pytest.approx(0)
    assert drawn[:, 0].var() == pytest.approx(VALUES[:3].var() / 3, rel=0.1)
    assert drawn[:, 0].mean() == pytest.approx(3, abs=0.1)


def test_drawing_designs_adds_the_variance_between_them() -> None:
    own = Role(still(VALUES))
    fixed = DESIGNS.evaluate(mean, own, images="same", across=False)
    across = DESIGNS.evaluate(mean, own, images="same", across=True)
    assert fixed.value == across.value == pytest.approx(5)
    assert (fixed.groups, across.groups) == (50, 4)
    within = VALUES[:3].var() / 3
    assert fixed.drawn.var() == pytest.approx(within / 16, rel=0.1)
    between = np.array([3.0, 4, 5, 8]).var() / 4
    assert across.drawn.var() == pytest.approx(between + within / 16, rel=0.15)


def test_departures_from_a_fit_are_drawn_at_their_own_scale() -> None:
    """The variance of a line's slope is that of least squares: s^2 / sum of squares of x."""
    stream = np.random.default_rng(0)
    x, y = np.arange(6.0) - 2.5, stream.normal(size=6)
    designs = Designs(tuple("abcdef"), Resampling(draws=DRAWS), units=50)

    def slope(x: Array, y: Array) -> Array:
        return np.asarray((x * y).sum(-1) / (x**2).sum(-1))

    found = designs.evaluate(
        slope, Role(still(x)), Role(still(y)), images="same", across=True,
        terms=lambda x: np.stack([np.ones_like(x), x], axis=-1),
    )  # fmt: skip
    residuals = y - np.polyval(np.polyfit(x, y, 1), x)
    assert found.value == pytest.approx(np.polyfit(x, y, 1)[0])
    assert found.drawn.mean() == pytest.approx(found.value, abs=0.05)
    assert found.drawn.var() == pytest.approx(residuals.var(ddof=2) / (x**2).sum(), rel=0.3)
    assert found.groups == 5  # four degrees of freedom


def test_halves_are_taken_in_both_orders_and_averaged_over_splits() -> None:
    halves = np.stack([np.full((SPLITS + DRAWS, 1), 2.0), np.full((SPLITS + DRAWS, 1), 3.0)])
    halves[:, 1] *= 10  # the second split
    own = Quantity(np.zeros((1 + DRAWS, 1)), halves)
    designs = Designs(("a",), Resampling(draws=DRAWS), units=50)

    def power(x: Array, y: Array) -> Array:
        return np.asarray((x**2 * y)[:, 0])

    found = designs.evaluate(power, Role(own, 0), Role(own, 1), images="halves", across=False)
    orders = (2**2 * 3 + 3**2 * 2) / 2
    assert found.value == pytest.approx(orders * (1 + 10**3) / 2)
    assert found.drawn == pytest.approx(orders)
    same = designs.evaluate(power, Role(own, 0), Role(own, 1), images="same", across=False)
    assert same.value == 0


def test_the_mean_of_designs_is_that_of_their_seeds_means() -> None:
    designs = Designs(("a", "a", "b"), Resampling(draws=4), units=9)
    quantity = Quantity(np.tile([1.0, 3.0, 5.0], (5, 1)), np.zeros((2, 5, 3)))
    found = designs.evaluate(lambda x: x.mean(-1), Role(quantity), images="same", across=True)
    assert found.value == 3.5
