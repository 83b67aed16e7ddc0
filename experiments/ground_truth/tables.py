"""Tables: joint distributions of symbols and classes, and answers to symbols."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["independent", "labelled", "table", "views"]

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
