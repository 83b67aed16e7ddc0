"""Discrete worlds: inputs are symbols, the network looks its answer up in a table."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from torch import Tensor, nn

from experiments.ground_truth.world import ANSWER, Draw
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.plan.setups import Setup

__all__ = ["DiscreteWorld", "TableNetwork"]

Array = NDArray[np.float64]

SPREAD = 2.0
"""Concentration of the Dirichlet law of samples: the less, the more samples differ."""

SHARED = 0.8
"""How often a sample follows the law of its group and not one of its own."""


class TableNetwork(nn.Module):
    """Looks up the class of every place by the symbols that the inputs show there."""

    table: Tensor

    def __init__(self, table: NDArray[np.int64], classes: int) -> None:
        super().__init__()
        self.register_buffer("table", torch.eye(classes)[torch.from_numpy(table)])

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return logits (samples, classes, places), or (samples, classes) for one place.

        Any number shows the nearest symbol, which is how a network reads a muted input.
        """
        sizes = self.table.shape[:-1]
        symbols = [x.round().clamp(0, k - 1).long() for x, k in zip(inputs, sizes, strict=True)]
        logits = self.table[tuple(symbols)].movedim(-1, 1)
        return logits[..., 0] if logits.shape[-1] == 1 else logits


@dataclass(frozen=True)
class DiscreteWorld:
    """Symbols and the true class have a joint distribution; the network is a table.

    Parameters
    ----------
    name, about
        What it is called, and what it shows.
    chances
        Their joint probabilities, (symbols of each input ..., classes).
    answers
        The network's answer to the symbols of each input, (symbols of each input ...).
    places
        How many places a sample has; one for labels of whole samples.
    """

    name: str
    about: str
    chances: Array = field(repr=False)
    answers: NDArray[np.int64] = field(repr=False)
    places: int = 1
    metrics: tuple[str, ...] = ("accuracy",)

    @property
    def sites(self) -> tuple[str, ...]:
        """The inputs: a, b, ..."""
        return tuple("abcdefgh"[: self.answers.ndim])

    def moments(self) -> tuple[Array, Array]:
        """Return mean and standard deviation of the symbols of every input, (M,) each."""
        symbols = self.chances.sum(-1)
        axes = [np.arange(k) for k in symbols.shape]
        alone = [symbols.sum(tuple(set(range(symbols.ndim)) - {i})) for i in range(symbols.ndim)]
        mean = np.array([p @ x for p, x in zip(alone, axes, strict=True)])
        square = np.array([p @ x**2 for p, x in zip(alone, axes, strict=True)])
        return mean, np.sqrt(square - mean**2)

    def network(self) -> JointNetwork:
        """Return the network of the world."""
        mean, std = self.moments()
        return JointNetwork(
            TableNetwork(self.answers, self.chances.shape[-1]),
            [
                Modality(site, mean=(float(m),), std=(float(s),))
                for site, m, s in zip(self.sites, mean, std, strict=True)
            ],
            [Output(ANSWER, "probabilities")],
            name=self.name,
        )

    def draw(self, stream: np.random.Generator, groups: NDArray[np.int64]) -> Draw:
        """Draw symbols (samples, places) and the true classes.

        A sample follows a law of its own or of its group; on average these are the world's.
        """
        chances = self.chances.ravel()
        shared = stream.random(len(groups)) < SHARED
        own = groups.max() + 1 + np.arange(len(groups))
        laws, followed = np.unique(np.where(shared, groups, own), return_inverse=True)
        # What follows a gamma law each, over their sum, follows a Dirichlet law.
        weights = stream.standard_gamma(SPREAD * chances, (len(laws), len(chances)))
        limits = np.cumsum(weights, axis=1)[followed]
        chosen = stream.random((len(groups), self.places, 1)) * limits[:, None, -1:]
        states = (chosen >= limits[:, None, :]).sum(-1)
        # Flat: NumPy 2.4 unravels long arrays of shape (n, 1) wrongly.
        unravelled = np.unravel_index(states.ravel(), self.chances.shape)
        *symbols, target = (torch.from_numpy(x.copy()).reshape(states.shape) for x in unravelled)
        inputs = [s.float() for s in symbols]
        return Draw(
            dict(zip(self.sites, inputs, strict=True)), target[:, 0] if self.places == 1 else target
        )

    def replacement(self, mute: str) -> Array:
        """Return the distribution of the symbols that the network reads where all are muted."""
        shape = self.answers.shape
        if mute == "shuffle":
            alike: Array = self.chances.sum(-1)
            return alike
        mean, std = self.moments()
        if mute == "noise":
            alone = [_rounded(*law) for law in zip(mean, std, shape, strict=True)]
            return reduce(np.multiply.outer, alone)
        number = {"zero": np.zeros(len(shape)), "mean": mean}.get(mute)
        if number is None:
            number = np.full(len(shape), float(mute.removeprefix("constant:")))
        read = [int(np.clip(np.rint(x), 0, k - 1)) for x, k in zip(number, shape, strict=True)]
        return reduce(np.multiply.outer, [np.eye(k)[r] for r, k in zip(read, shape, strict=True)])

    def confusion(self, mute: str, setup: Setup) -> Array:
        """Return the probability of every true class with every answer, (classes, classes)."""
        classes = self.chances.shape[-1]
        found = np.zeros((classes, classes))
        instead = self.replacement(mute)
        for x in np.ndindex(self.answers.shape):
            for r in np.ndindex(self.answers.shape):
                read = tuple(r[i] if s in setup else x[i] for i, s in enumerate(self.sites))
                found[:, self.answers[read]] += self.chances[x] * instead[r]
        return found

    def value(self, metric: str, mute: str, setup: Setup) -> float:
        """Return accuracy or mean IoU from the probabilities of truth and answer."""
        found = self.confusion(mute, setup)
        right = np.diag(found)
        either = found.sum(0) + found.sum(1) - right
        values = {"accuracy": right.sum(), "mean_iou": (right / either)[either > 0].mean()}
        return float(values[metric])


def _rounded(mean: float, std: float, count: int) -> Array:
    """Return the distribution of the nearest symbol to a normal number."""
    borders = np.concatenate([[-np.inf], np.arange(1, count) - 0.5, [np.inf]])
    return np.diff(stats.norm.cdf(borders, mean, std))
