"""The worlds by name: unique, redundant, synergistic, irrelevant and harmful sources."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.ground_truth.discrete import DiscreteWorld
from experiments.ground_truth.gaussian import GaussianWorld, Polynomial
from experiments.ground_truth.world import World

__all__ = ["WORLDS", "independent", "labelled", "switched", "table", "views"]

Array = NDArray[np.float64]


def independent(*chances: float) -> Array:
    """Return the distribution of independent bits that are 1 with these chances."""
    found = np.ones(())
    for chance in chances:
        found = np.multiply.outer(found, [1 - chance, chance])
    return found


def labelled(symbols: ArrayLike, truth: Callable[..., int], classes: int, right: float) -> Array:
    """Add the true class, which is a function of the symbols with the chance `right`.

    Otherwise it is any of the other classes.
    """
    chances = np.asarray(symbols, dtype=np.float64)
    wrong = (1 - right) / (classes - 1)
    found = np.empty((*chances.shape, classes))
    for x in np.ndindex(chances.shape):
        found[x] = chances[x] * np.where(np.arange(classes) == truth(*x), right, wrong)
    return found


def views(shares: ArrayLike, *rights: float) -> Array:
    """Show the true class to each input, right with these chances, otherwise any other class."""
    classes = np.asarray(shares, dtype=np.float64)
    found = np.zeros((len(classes),) * (len(rights) + 1))
    for place in np.ndindex(found.shape):
        *seen, truth = place
        chances = [
            right if s == truth else (1 - right) / (len(classes) - 1)
            for s, right in zip(seen, rights, strict=True)
        ]
        found[place] = classes[truth] * np.prod(chances)
    return found


def table(answer: Callable[..., int], *sizes: int) -> NDArray[np.int64]:
    found = np.empty(sizes, dtype=np.int64)
    for x in np.ndindex(sizes):
        found[x] = answer(*x)
    return found


CHANCES = (0.6, 0.45)
"""How often each switch is 1."""


def switched(
    name: str,
    shares: Sequence[float],
    one: float,
    other: float,
    *,
    switches: int = 1,
    places: int = 1,
    metrics: tuple[str, ...] = ("accuracy",),
) -> DiscreteWorld:
    """Make a world in which a shows two views of the class, and bits b (and c) choose between them.

    Where both views are as good, every mute of b changes many answers and the expected metrics not
    at all: rows with and without b are exchangeable. Otherwise b has an influence.

    Parameters
    ----------
    name
        Of the world.
    shares
        How often the classes occur.
    one, other
        How often the view that is believed after an even number of ones is right, and the other.
    switches
        How many bits there are.
    places, metrics
        As of `DiscreteWorld`.
    """
    k = len(shares)
    both = views(shares, one, other).reshape(k * k, k)
    bits = independent(*CHANCES[:switches])
    joint = np.moveaxis(np.multiply.outer(bits, both), -2, 0)
    answers = table(lambda a, *b: (a // k, a % k)[sum(b) % 2], k * k, *bits.shape)
    about = "bits choose between two views of the class"
    return DiscreteWorld(name, about, joint, answers, places, metrics)


MAPS = [0.5, 0.3, 0.2]
"""How often the classes of maps occur."""


TWO = views(MAPS, 0.8, 0.65)


def _found() -> list[World]:
    plain, near = ((1.0, 0.0), (0.0, 1.0)), ((1.0, 0.9), (0.9, 1.0))
    some = ((1.0, 0.6), (0.6, 1.0))
    both: Polynomial = {(0,): 1.0, (1,): 1.0}
    halves: Polynomial = {(0,): 0.5, (1,): 0.5}
    chain = ((1.0, 0.5, 0.0), (0.5, 1.0, 0.3), (0.0, 0.3, 1.0))
    mixed = {(0,): 1.0, (1, 2): 0.7}
    close = [[0.38, 0.05], [0.05, 0.52]]
    return [
        GaussianWorld("unique", "a and b tell different things", both, both, (1.0, -0.5), plain),
        GaussianWorld("correlated", "as unique, ρ = 0.6", both, both, (3.0, 0.0), some),
        GaussianWorld("redundant", "a and b tell the same, ρ = 0.9", halves, halves, (0.0, 0.0),
                      near),
        GaussianWorld("synergistic", "the truth is the product of a and b", {(0, 1): 1.0},
                      {(0, 1): 1.0}, (0.0, 0.0), ((1.0, 0.3), (0.3, 1.0))),
        GaussianWorld("irrelevant", "b is noise that the network uses", {(0,): 1.0, (1,): 0.5},
                      {(0,): 1.0}, (0.0, 0.0), plain),
        GaussianWorld("harmful", "the network uses b with the wrong sign",
                      {(0,): 1.0, (1,): -0.5}, {(0,): 1.0, (1,): 0.5}, (0.0, 0.0), plain),
        GaussianWorld("chain", "three sources, neighbours correlated",
                      {(0,): 1.0, (1,): 0.7, (2,): 0.5}, {(0,): 1.0, (1,): 0.7, (2,): 0.5},
                      (0.5, 0.0, 1.0), chain),
        GaussianWorld("lens", "a alone, b and c as a product, neighbours correlated",
                      mixed, mixed, (0.5, 0.0, 1.0), chain),
        DiscreteWorld("unique labels", "each tells one of two bits of the class",
                      labelled(independent(0.6, 0.4), lambda a, b: 2 * a + b, 4, 0.85),
                      table(lambda a, b: 2 * a + b, 2, 2)),
        DiscreteWorld("redundant labels", "either is enough: a OR b of nearly equal bits",
                      labelled(close, lambda a, b: a | b, 2, 0.95),
                      table(lambda a, b: a | b, 2, 2)),
        DiscreteWorld("xor", "only both together tell: a XOR b",
                      labelled(independent(0.6, 0.45), lambda a, b: a ^ b, 2, 0.9),
                      table(lambda a, b: a ^ b, 2, 2)),
        DiscreteWorld("and", "a AND b", labelled(independent(0.6, 0.55), lambda a, b: a & b, 2,
                      0.9), table(lambda a, b: a & b, 2, 2)),
        switched("irrelevant labels", [0.5, 0.5], 0.75, 0.75),
        DiscreteWorld("harmful labels", "the network believes a, unless b confirms it",
                      views([0.45, 0.55], 0.9, 0.7), table(lambda a, b: a & (1 - b), 2, 2)),
        DiscreteWorld("three labels", "a chooses between b and c, as a lens does",
                      labelled(independent(0.6, 0.45, 0.55), lambda a, b, c: (b, c)[a], 2, 0.9),
                      table(lambda a, b, c: (b, c)[a], 2, 2, 2)),
        DiscreteWorld("maps", "two noisy views of the classes, the more likely one is taken", TWO,
                      TWO.argmax(-1), 25, ("mean_iou",)),
        DiscreteWorld("xor maps", "the class is a + b modulo 3",
                      labelled(np.multiply.outer(MAPS, [0.2, 0.45, 0.35]),
                                lambda a, b: (a + b) % 3, 3, 0.85),
                      table(lambda a, b: (a + b) % 3, 3, 3), 25, ("mean_iou",)),
    ]  # fmt: skip


WORLDS: dict[str, World] = {world.name: world for world in _found()}
"""The worlds by name."""
