"""Polynomials of jointly Gaussian variables, with their expectation in closed form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Polynomial", "PolynomialNetwork", "expected_square", "moment"]

Array = NDArray[np.float64]
Polynomial = Mapping[tuple[int, ...], float]
"""A coefficient for each product of variables, named by their numbers; ``()`` is the constant."""


def moment(variables: Sequence[int], mean: Array, covariance: Array) -> float:
    """Return the expectation of a product of jointly Gaussian variables.

    Isserlis (Biometrika 1918), as a recursion: E[a g] = E[a] E[g] + sum over the factors b of g of
    cov(a, b) E[g / b], which is Stein's lemma.

    Parameters
    ----------
    variables
        Their numbers; one may occur several times.
    mean, covariance
        Of all variables, (k,) and (k, k).

    Examples
    --------
    >>> moment([0, 0, 0, 0], np.zeros(1), np.eye(1))
    3.0
    """
    if not variables:
        return 1.0
    first, rest = variables[0], list(variables[1:])
    found = mean[first] * moment(rest, mean, covariance)
    for place, other in enumerate(rest):
        if covariance[first, other]:
            left = rest[:place] + rest[place + 1 :]
            found += covariance[first, other] * moment(left, mean, covariance)
    return float(found)


def expected_square(polynomial: Polynomial, mean: Array, covariance: Array) -> float:
    """Return the expectation of the square of a polynomial.

    >>> expected_square({(): 1.0, (0,): 2.0}, np.zeros(1), np.eye(1))  # E[(1 + 2 x)^2]
    5.0
    """
    terms: dict[tuple[int, ...], float] = defaultdict(float)
    for (one, a), (other, b) in product(polynomial.items(), repeat=2):
        terms[tuple(sorted(one + other))] += a * b
    return sum(c * moment(variables, mean, covariance) for variables, c in terms.items())


class PolynomialNetwork(nn.Module):
    """A network that computes a polynomial of its inputs, place by place."""

    def __init__(self, polynomial: Polynomial) -> None:
        super().__init__()
        self.polynomial = dict(polynomial)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the value at each place; inputs and output are (samples, places)."""
        nothing = inputs[0] * 0.0
        return sum(
            (c * prod([inputs[i] for i in term], start=nothing + 1)
             for term, c in self.polynomial.items()),
            start=nothing,
        )  # fmt: skip
