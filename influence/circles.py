"""Circles: random seatings of the sites, whose runs of neighbours stand for all subsets.

Going round a circle of M players from any seat, either way, gives 2 M permutations, and each of
them is uniformly distributed if the seating is. Their prefixes are the circle's arcs, of which
there are only M (M - 1) + 2: permutation sampling (Castro, Gomez and Tejada, Polynomial
calculation of the Shapley value based on sampling, 2009) with every permutation run both ways
(antithetic) and every player once on each place, at half the price.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

import numpy as np

__all__ = ["Circle", "arcs", "seat"]

Circle = tuple[str, ...]

CIRCLES = 10
"""How many circles are drawn: enough to tell from them how much the choice of circles matters."""


def seat(players: Sequence[str], seed: int, count: int = CIRCLES) -> list[Circle]:
    """Draw circles: seatings of the players in random order.

    >>> [sorted(circle) for circle in seat(["x", "y", "z"], seed=0, count=2)]
    [['x', 'y', 'z'], ['x', 'y', 'z']]
    """
    stream = np.random.Generator(np.random.Philox([seed, crc32(b"circles")]))
    orders = (stream.permutation(len(players)) for _ in range(count))
    return [tuple(players[i] for i in order) for order in orders]


def arcs(circle: Circle) -> list[frozenset[str]]:
    """List the runs of neighbours on a circle, from nobody to everybody.

    The complement of an arc is an arc, and every player alone is one.

    >>> len(arcs(tuple("abcde"))) == 5 * 4 + 2
    True
    """
    count = len(circle)
    runs = [run(circle, start, size) for size in range(count + 1) for start in range(count)]
    return list(dict.fromkeys(runs))


def run(circle: Circle, start: int, size: int) -> frozenset[str]:
    """Return the players on so many seats from a seat on; a negative start counts backwards.

    >>> sorted(run(("a", "b", "c"), 2, 2))
    ['a', 'c']
    """
    return frozenset(circle[(start + k) % len(circle)] for k in range(size))
