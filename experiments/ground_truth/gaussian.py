"""Gaussian worlds: inputs are jointly normal, network and truth are polynomials of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from experiments.ground_truth.world import ANSWER, Draw
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.plan.setups import Setup

__all__ = ["GaussianWorld", "Polynomial", "PolynomialNetwork", "expected_square", "moment"]

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
    """Return the expectation of the square of a polynomial."""
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


LEVEL = 20.0
"""Added to network and truth, so that rms, a metric of depth, meets no value below zero."""

SHARES = (0.25, 0.2, 0.55)
"""How much of the variance a group, a sample and a place have each for themselves."""


@dataclass(frozen=True)
class GaussianWorld:
    """The truth is a polynomial of the inputs with noise; the network is another polynomial.

    Parameters
    ----------
    name, about
        What it is called, and what it shows.
    answer
        What the network computes.
    truth
        What it should be, before the noise.
    mean, correlation
        Of the inputs, (M,) and (M, M); their variances are one.
    noise
        Standard deviation of what no input tells.
    places
        How many places a sample has.
    """

    name: str
    about: str
    answer: Polynomial
    truth: Polynomial
    mean: tuple[float, ...]
    correlation: tuple[tuple[float, ...], ...]
    noise: float = 0.5
    places: int = 16
    metrics: tuple[str, ...] = ("mse", "rms")

    @property
    def sites(self) -> tuple[str, ...]:
        """The inputs: a, b, ..."""
        return tuple("abcdefgh"[: len(self.mean)])

    def network(self) -> JointNetwork:
        """Return the network of the world."""
        return JointNetwork(
            PolynomialNetwork({**self.answer, (): self.answer.get((), 0.0) + LEVEL}),
            [
                Modality(s, mean=(m,), std=(1.0,))
                for s, m in zip(self.sites, self.mean, strict=True)
            ],
            [Output(ANSWER, "depth")],
            name=self.name,
        )

    def draw(self, stream: np.random.Generator, groups: NDArray[np.int64]) -> Draw:
        """Draw inputs (samples, places) and the truth about every place.

        Groups and samples have a part of the variance in common; that changes no expectation.
        """
        sites, shape = len(self.sites), (len(groups), self.places)
        root = np.linalg.cholesky(np.array(self.correlation) + 1e-12 * np.eye(sites))
        parts = [
            stream.standard_normal((int(groups.max()) + 1, 1, sites + 1))[groups],
            stream.standard_normal((len(groups), 1, sites + 1)),
            stream.standard_normal((*shape, sites + 1)),
        ]
        drawn = sum(np.sqrt(share) * part for share, part in zip(SHARES, parts, strict=True))
        assert isinstance(drawn, np.ndarray)
        values = np.array(self.mean) + drawn[..., :sites] @ root.T
        inputs = [torch.from_numpy(values[..., i]) for i in range(sites)]
        truth = PolynomialNetwork(self.truth)(*inputs)
        noise = torch.from_numpy(self.noise * drawn[..., sites])
        return Draw(dict(zip(self.sites, inputs, strict=True)), LEVEL + truth + noise)

    def replacement(self, mute: str) -> tuple[Array, Array]:
        """Return mean and covariance of what a mute puts in the place of all inputs.

        It is independent of the inputs. What shuffle puts there comes from one other sample, so
        that it keeps its correlations; noise has only the moments.
        """
        count = len(self.sites)
        correlation, nothing = np.array(self.correlation), np.zeros((count, count))
        if mute.startswith("constant:"):
            return np.full(count, float(mute.removeprefix("constant:"))), nothing
        return {
            "zero": (np.zeros(count), nothing),
            "mean": (np.array(self.mean), nothing),
            "shuffle": (np.array(self.mean), correlation),
            "noise": (np.array(self.mean), np.eye(count)),
        }[mute]

    def value(self, metric: str, mute: str, setup: Setup) -> float:
        """Return the mean squared error, or its root.

        The error is a polynomial of the inputs, their replacements and the noise, which are
        jointly Gaussian.
        """
        count = len(self.sites)
        shown = [i + count if site in setup else i for i, site in enumerate(self.sites)]
        error: dict[tuple[int, ...], float] = {(2 * count,): -self.noise}
        for term, coefficient in self.answer.items():
            place = tuple(shown[i] for i in term)
            error[place] = error.get(place, 0.0) + coefficient
        for term, coefficient in self.truth.items():
            error[term] = error.get(term, 0.0) - coefficient
        own_mean, own_covariance = self.replacement(mute)
        mean = np.concatenate([self.mean, own_mean, [0.0]])
        covariance = np.zeros((2 * count + 1, 2 * count + 1))
        covariance[:count, :count] = self.correlation
        covariance[count : 2 * count, count : 2 * count] = own_covariance
        covariance[-1, -1] = 1.0
        square = expected_square(error, mean, covariance)
        return {"mse": square, "rms": float(np.sqrt(square))}[metric]
