"""Switches: worlds in which a source only chooses what is believed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from experiments.ground_truth.discrete import DiscreteWorld
from experiments.ground_truth.tables import independent, table, views

__all__ = ["switched"]

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

    Examples
    --------
    >>> world = switched("switch", [0.5, 0.5], 0.7, 0.8)
    >>> round(world.value("accuracy", "zero", frozenset()), 3)  # 0.4 * 0.7 + 0.6 * 0.8
    0.76
    >>> round(world.value("accuracy", "zero", frozenset("b")), 3)
    0.7
    """
    k = len(shares)
    both = views(shares, one, other).reshape(k * k, k)
    bits = independent(*CHANCES[:switches])
    joint = np.moveaxis(np.multiply.outer(bits, both), -2, 0)
    answers = table(lambda a, *b: (a // k, a % k)[sum(b) % 2], k * k, *bits.shape)
    about = "bits choose between two views of the class"
    return DiscreteWorld(name, about, joint, answers, places, metrics)
