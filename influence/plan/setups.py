"""Setups: which sites are muted in one inference run, and conditions: setups with their mute."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple
from zlib import crc32

import numpy as np

from influence.errors import InfluenceError, unknown

__all__ = [
    "FULL",
    "NO_MUTE",
    "SETUPS",
    "Circle",
    "Condition",
    "Setup",
    "arcs",
    "choose_setups",
    "coalition_setups",
    "seat",
    "setup_name",
]


Setup = frozenset[str]

FULL: Setup = frozenset()
"""The setup that mutes nothing."""

NO_MUTE = "none"
"""The name of the mute in a condition that mutes nothing."""

SETUPS = ("each", "ends", "all", "sampled")
"""Which setups are run; see `choose_setups`."""

MOST_SITES = 10
"""All subsets of more sites than this are too many to run."""

EXACT_SITES = 8
"""Of more sites than this, a sample of the subsets is run for interactions."""


class Condition(NamedTuple):
    """One inference run: a setup, and the mute that replaces what the setup mutes."""

    mute: str
    setup: Setup

    def __str__(self) -> str:
        return f"{self.mute}({'+'.join(sorted(self.setup))})" if self.setup else "full"


def choose_setups(
    sites: Sequence[str], modalities: Sequence[str], kind: str = "each", seed: int = 0
) -> list[Setup]:
    """List the setups of a measurement: FULL, then those in which sites are muted.

    Parameters
    ----------
    sites
        What can be muted.
    modalities
        The network's inputs.
    kind
        ``each``: every site alone is muted; with two modalities these are, with FULL, the three
        setups of arXiv 1702.08009, Fig. 4. ``ends``: also all sites together. ``all``: every
        subset of the sites. ``sampled``: the subsets of `influence.plan.setups`, from which
        interactions of many sites are estimated.
    seed
        Of the sample.

    Raises
    ------
    InfluenceError
        If muting a site would leave a network of one modality without any input, or there are too
        many subsets.

    Examples
    --------
    >>> [sorted(s) for s in choose_setups(["x", "y"], ["x", "y"], "ends")]
    [[], ['x'], ['y'], ['x', 'y']]
    """
    if len(modalities) < 2 and set(sites) <= set(modalities):
        raise InfluenceError(
            f"expected a network with two or more inputs, got {list(modalities)}: muting its only "
            "input leaves nothing to compare with. Name an internal edge as site: edge:MODULE.PATH"
        )
    if kind not in SETUPS:
        raise unknown("choice of setups", kind, SETUPS)
    if kind == "all" and len(sites) > MOST_SITES:
        raise InfluenceError(
            f"all subsets of {len(sites)} sites are {2 ** len(sites)} setups; name at most "
            f"{MOST_SITES} sites, or choose the setups 'ends' or 'sampled'"
        )
    sizes = {"ends": [1, len(sites)], "all": range(1, len(sites) + 1)}.get(kind, [1])
    muted = [frozenset(c) for size in sizes for c in combinations(sites, size)]
    if kind == "sampled":
        # What an arc mutes is the complement of what it leaves: the arcs are the same.
        muted += [arc for circle in seat(sites, seed) for arc in arcs(circle)]
    return list(dict.fromkeys([FULL, *muted]))


def coalition_setups(sites: Sequence[str]) -> str:
    """Choose the setups from which interactions of so many sites are computed.

    >>> coalition_setups("abcdefgh"), coalition_setups("abcdefghi")
    ('all', 'sampled')
    """
    return "all" if len(sites) <= EXACT_SITES else "sampled"


def setup_name(setup: Setup, modalities: Sequence[str]) -> str:
    """Name a setup by the sites that are present, joined by ``+``; ``none`` if all are muted.

    >>> setup_name(frozenset({"depth"}), ["depth", "semantic"])
    'semantic'
    >>> setup_name(FULL, ["depth", "semantic"])
    'depth+semantic'
    """
    return "+".join(m for m in modalities if m not in setup) or "none"


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
