"""Fits against numpy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.optimize import LinearConstraint, minimize

from experiments.claims.fits import (
    KINDS,
    Scale,
    bend,
    f_p_value,
    f_statistic,
    fit_curve,
    parabola,
    prediction_error,
)

STREAM = np.random.default_rng(0)
X = STREAM.uniform(0, 5, (4, 9))
Y = STREAM.normal(0, 1, (4, 9)) - 0.3 * X**2
SCALE = Scale.of(X)


@pytest.mark.parametrize("degree", [1, 2])
def test_coefficients_are_those_of_numpy(degree: int) -> None:
    expected = [np.polyfit(SCALE.unit(x), y, degree)[::-1] for x, y in zip(X, Y, strict=True)]
    assert parabola(X, Y, SCALE, degree) == pytest.approx(np.array(expected))


def test_too_few_omegas_determine_nothing() -> None:
    x = np.array([[1.0, 1.0, 2.0, 2.0]])
    assert np.isnan(parabola(x, x, SCALE)).all()
    assert np.isfinite(parabola(x, x, SCALE, 1)).all()


def test_bend_is_the_height_above_the_chord() -> None:
    x = np.linspace(1, 3, 5)[None]
    left, middle, right = 4.0, 7.0, 6.0
    y = np.array([np.polyval(np.polyfit([1, 2, 3], [left, middle, right], 2), x[0])])
    assert bend(x, y, Scale.of(x)) == pytest.approx(middle - (left + right) / 2)


def test_f_is_that_of_two_nested_fits() -> None:
    squares = [np.polyfit(X[0], Y[0], degree, full=True)[1][0] for degree in (1, 2)]
    expected = (squares[0] - squares[1]) / (squares[1] / (9 - 3))
    assert f_statistic(X, Y, SCALE)[0] == pytest.approx(expected)


def test_p_value_of_f_is_near_that_of_normal_errors() -> None:
    p_values = []
    for x, y in zip(X, Y + 0.3 * X**2, strict=True):
        found = f_statistic(x[None], y[None], SCALE)[0]
        p_values.append((f_p_value(x, y, SCALE), stats.f.sf(found, 1, 6)))
    for permuted, normal in p_values:
        assert permuted == pytest.approx(normal, abs=0.1)


def test_p_value_of_five_points_counts_all_pairings() -> None:
    x, y = np.arange(5.0), np.array([0.0, 3.0, 4.0, 3.1, 0.0])
    assert f_p_value(x, y, Scale.of(x)) * 120 == pytest.approx(
        round(f_p_value(x, y, Scale.of(x)) * 120)
    )


@pytest.mark.parametrize("concave", [False, True])
def test_prediction_error_is_that_of_leaving_each_point_out(concave: bool) -> None:
    y = np.where(np.arange(4)[:, None] % 2, Y, -Y)  # convex ones, too
    errors = np.empty(X.shape)
    for row in range(4):
        for left_out in range(9):
            keep = np.arange(9) != left_out
            fit = np.polyfit(X[row, keep], y[row, keep], 2 if concave else 1)
            if concave and fit[0] >= 0:
                fit = np.polyfit(X[row, keep], y[row, keep], 1)
            errors[row, left_out] = y[row, left_out] - np.polyval(fit, X[row, left_out])
    expected = np.sqrt((errors**2).mean(axis=1))
    assert prediction_error(X, y, SCALE, concave=concave) == pytest.approx(expected)


def test_concave_parabola_of_convex_points_is_the_line() -> None:
    x = np.linspace(0, 2, 6)[None]
    at, scale = np.array([0.3, 1.7]), Scale.of(x)
    convex, hollow = (x - 1) ** 2, -((x - 1) ** 2)
    assert fit_curve("concave", x, convex, at, scale) == pytest.approx(
        fit_curve("linear", x, convex, at, scale)
    )
    assert fit_curve("concave", x, hollow, at, scale) == pytest.approx(-((at - 1) ** 2)[None])


def test_free_curve_is_the_best_concave_one() -> None:
    x, y = np.sort(X[0]), Y[0][np.argsort(X[0])]
    found = fit_curve("free", x[None], y[None], x, SCALE)[0]
    steps = np.diff(x)
    slopes = np.diff(found) / steps
    assert (np.diff(slopes) < 1e-9).all()

    second = np.diff(np.diff(np.eye(9), axis=0) / steps[:, None], axis=0)

    def loss(values: NDArray[np.float64]) -> float:
        return float(((values - y) ** 2).sum())

    best = minimize(
        loss,
        np.polyval(np.polyfit(x, y, 1), x),
        method="SLSQP",
        constraints=LinearConstraint(second, -np.inf, 0),
        tol=1e-12,
    )
    assert loss(found) == pytest.approx(best.fun, rel=1e-3)


def test_all_kinds_agree_on_points_of_a_line() -> None:
    x = np.array([[0.0, 1.0, 3.0, 4.0]])
    for kind in KINDS:
        curve = fit_curve(kind, x, 2 - x, np.array([2.0, 3.5]), Scale.of(x))
        assert curve == pytest.approx(np.array([[0.0, -1.5]]), abs=1e-9)


def test_fits_of_few_points_are_known() -> None:
    x, y = np.array([[0.0, 1.0, 2.0]]), np.array([[0.0, 1.0, 0.0]])
    curves = [fit_curve(kind, x, y, np.array([1.0]), Scale.of(x)).item() for kind in KINDS]
    assert curves == pytest.approx([1 / 3, 1.0, 1.0])
    assert bend(x, np.array([[0.0, 3.0, 2.0]]), Scale.of(x)).round(9).tolist() == [2.0]
    x = np.array([[0.0, 1.0, 2.0, 3.0]])
    assert parabola(x, -((x - 1.5) ** 2), Scale.of(x)).round(9).tolist() == [[0.0, 0.0, -2.25]]
    f = f_statistic(x, np.array([[0.0, 2.0, 2.0, 1.0]]), Scale.of(x))
    assert f.round(3).tolist() == [45.0]
    errors = [prediction_error(x, x * (3 - x), Scale.of(x), concave=kind) for kind in (False, True)]
    assert np.round(errors, 2).tolist() == [[2.56], [0.0]]


def test_a_scale_maps_its_range_to_one() -> None:
    scale = Scale.of(np.array([1.0, 2.0, 5.0]))
    assert scale.unit(np.array([1.0, 3.0, 5.0])).tolist() == [-1.0, 0.0, 1.0]
