"""Draws: scores of stacked networks, on all images and on halves of them."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from experiments.claims.draws import CROSS, Designs, Quantity, Role, Score, draw_scores
from influence.errors import InfluenceError
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows

SAMPLES, UNITS, DRAWS, SPLITS = 40, 20, 200, 4
RESAMPLING = Resampling(draws=DRAWS, seed=3)
REL, IOU = Score("depth", "abs_rel"), Score("semantic", "mean_iou")
MUTED = Score("depth", "abs_rel", "zero")


def rows(seed: int, *, mute: bool = True) -> Rows:
    """Make rows of 1 pixel a sample, which exchange inputs in pairs."""
    stream = np.random.default_rng(seed)
    errors = stream.uniform(0, 1, (SAMPLES, 11))
    errors[:, 0] = 1
    counts = stream.uniform(1, 2, (SAMPLES, 15))
    values: dict[RowKey, NDArray[np.float64]] = {
        RowKey(Condition(NO_MUTE, FULL), "depth", "depth_errors"): errors,
        RowKey(Condition(NO_MUTE, FULL), "semantic", "class_counts"): counts,
    }
    if mute:
        key = RowKey(Condition("zero", frozenset({"semantic"})), "depth", "depth_errors")
        values[key] = errors * [1, *[2] * 10]
    ids = [f"{i}" for i in range(SAMPLES)]
    return Rows(ids, np.arange(SAMPLES), values, np.arange(SAMPLES) % UNITS)


def relative_errors(own: Rows) -> NDArray[np.float64]:
    return own.values[REL.key][:, 1]


def test_keys_name_the_other_modality() -> None:
    assert {target: str(Score(target, metric, "mean").key) for target, metric in
            (("depth", "rms"), ("semantic", "mean_iou"))} == {
        "depth": "mean(semantic)/depth/depth_errors",
        "semantic": "mean(depth)/semantic/class_counts",
    }  # fmt: skip
    assert CROSS[CROSS["depth"]] == "depth"


def test_whole_scores_are_those_of_the_library() -> None:
    own, other = rows(1), rows(2)
    found = draw_scores([own, other], [REL, IOU, MUTED], RESAMPLING, SPLITS)
    sums = RESAMPLING.sums(other)
    for score in (REL, IOU, MUTED):
        expected = score.value(np.vstack([sums.totals[score.key], sums.drawn[score.key]]))
        assert found[score].whole.shape == (1 + DRAWS, 2)
        assert found[score].whole[:, 1] == pytest.approx(expected)
    columns = np.split(own.values[IOU.key].sum(0), 3)
    iou = columns[0] / (columns[1] + columns[2] - columns[0])
    assert found[IOU].whole[0, 0] == pytest.approx(100 * iou.mean())  # shown in per cent
    assert found[REL].whole[0, 0] == pytest.approx(-relative_errors(own).mean())  # turned
    assert found[MUTED].whole == pytest.approx(2 * found[REL].whole)


def test_halves_are_the_two_parts_of_the_whole() -> None:
    found = draw_scores([rows(1)], [REL], RESAMPLING, SPLITS)[REL]
    assert found.halves.shape == (2, SPLITS + DRAWS, 1)
    observed = found.halves[:, :SPLITS, 0]
    assert observed.mean(axis=0) == pytest.approx(found.whole[0, 0])  # of equal size
    assert np.ptp(observed[0]) > 0  # the splits differ


def test_what_is_drawn_together_is_split_together() -> None:
    own = rows(1)
    sign = np.where(np.arange(SAMPLES) < UNITS, 1.0, -1.0)  # the two of a pair cancel
    own.values[REL.key][:, 1] = 5 + sign
    found = draw_scores([own], [REL], RESAMPLING, SPLITS)[REL]
    assert found.halves == pytest.approx(-5)
    assert found.whole == pytest.approx(-5)


def test_halves_have_nothing_in_common() -> None:
    """Twice the variance of the whole, and no covariance beside that of the splits."""
    found = draw_scores([rows(1)], [REL], Resampling(draws=4000, seed=1), SPLITS)[REL]
    observed, drawn = found.halves[:, :SPLITS, 0], found.halves[:, SPLITS:, 0]
    own = drawn - np.repeat(observed, drawn.shape[1] // SPLITS, axis=1)
    variance = found.whole[1:].var()
    assert own.var() / variance == pytest.approx(2, rel=0.2)
    assert abs(float(np.cov(own[0], own[1])[0, 1])) < 0.06 * own.var()


def test_networks_share_their_draws() -> None:
    found = draw_scores([rows(1), rows(1)], [REL], RESAMPLING, SPLITS)[REL]
    difference = found.combine(lambda values: values[..., :1] - values[..., 1:])
    assert not difference.whole.any()
    assert not difference.halves.any()
    assert isinstance(found - found, Quantity)


def test_a_mute_that_one_network_lacks_is_left_out() -> None:
    assert set(draw_scores([rows(1), rows(2, mute=False)], [REL, MUTED], RESAMPLING, 2)) == {REL}


def test_other_samples_are_refused() -> None:
    other = rows(2)
    renamed = Rows([f"x{i}" for i in range(SAMPLES)], other.groups, other.values, other.units)
    with pytest.raises(InfluenceError, match="same samples"):
        draw_scores([rows(1), renamed], [REL], RESAMPLING, SPLITS)


def test_quantities_are_combined_number_by_number() -> None:
    one = Quantity(np.ones((3, 2)), np.ones((2, 4, 2)))
    assert one.combine(np.add, one).whole.tolist() == [[2.0, 2.0]] * 3


Array = NDArray[np.float64]

MANY, TWO = 4000, 2
LABELS = ("a", "a", "a", "b", "c", "d")
VALUES = np.array([1.0, 2.0, 6.0, 4.0, 5.0, 8.0])
DESIGNS = Designs(LABELS, Resampling(draws=MANY), units=50)


def still(values: Array) -> Quantity:
    """Return numbers that no image changes."""
    return Quantity(
        np.broadcast_to(values, (1 + MANY, len(values))),
        np.broadcast_to(values, (2, TWO + MANY, len(values))),
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
    designs = Designs(tuple("abcdef"), Resampling(draws=MANY), units=50)

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
    halves = np.stack([np.full((TWO + MANY, 1), 2.0), np.full((TWO + MANY, 1), 3.0)])
    halves[:, 1] *= 10  # the second split
    own = Quantity(np.zeros((1 + MANY, 1)), halves)
    designs = Designs(("a",), Resampling(draws=MANY), units=50)

    def power(x: Array, y: Array) -> Array:
        return np.asarray((x**2 * y)[:, 0])

    found = designs.evaluate(power, Role(own, 0), Role(own, 1), images="halves", across=False)
    orders = (2**2 * 3 + 3**2 * 2) / 2
    assert found.value == pytest.approx(orders * (1 + 10**3) / 2)
    assert found.drawn == pytest.approx(orders)
    same = designs.evaluate(power, Role(own, 0), Role(own, 1), images="same", across=False)
    assert same.value == 0


def test_the_mean_of_designs_is_that_of_their_seeds_means() -> None:
    designs = Designs(("a", "a", "b"), Resampling(draws=4, confidence=0.5), units=9)
    quantity = Quantity(np.tile([1.0, 3.0, 5.0], (5, 1)), np.zeros((2, 5, 3)))
    found = designs.evaluate(lambda x: x.mean(-1), Role(quantity), images="same", across=True)
    assert found.value == 3.5
