"""Expectations of polynomials against Gauss-Hermite quadrature, which is exact for them."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from experiments.ground_truth.gaussian import (
    Polynomial,
    PolynomialNetwork,
    expected_square,
    moment,
)

MEAN = np.array([0.5, -1.0, 2.0])
ROOT = np.array([[1.0, 0.0, 0.0], [0.6, 0.8, 0.0], [-0.3, 0.4, 0.5]])
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(12)


def quadrature(polynomial: Polynomial, power: int) -> float:
    """Integrate a power of a polynomial over the normal density with MEAN and ROOT ROOT'."""
    places = np.array(list(product(NODES, repeat=3)))
    weights = np.prod(list(product(WEIGHTS / WEIGHTS.sum(), repeat=3)), axis=1)
    columns = [torch.from_numpy(x) for x in (MEAN + places @ ROOT.T).T]
    return float(weights @ PolynomialNetwork(polynomial)(*columns).numpy() ** power)


@pytest.mark.parametrize("variables", [(), (1,), (0, 2), (1, 1, 2), (0, 0, 1, 1), (0, 1, 2, 2, 2)])
def test_moments_are_those_of_quadrature(variables: tuple[int, ...]) -> None:
    found = moment(variables, MEAN, ROOT @ ROOT.T)
    assert found == pytest.approx(quadrature({variables: 1.0}, 1), rel=1e-12)


def test_expected_square_is_that_of_quadrature() -> None:
    polynomial = {(): 1.5, (0,): -2.0, (1, 2): 0.7, (0, 0): 0.3}
    found = expected_square(polynomial, MEAN, ROOT @ ROOT.T)
    assert found == pytest.approx(quadrature(polynomial, 2), rel=1e-12)


def test_moments_of_one_normal_variable() -> None:
    assert moment([0, 0, 0, 0], np.zeros(1), np.eye(1)) == 3.0
    square = expected_square({(): 1.0, (0,): 2.0}, np.zeros(1), np.eye(1))
    assert square == 5.0  # E[(1 + 2 x)^2]
