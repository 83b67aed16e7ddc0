"""Setups, the sets of sites that are muted together, and conditions, setups with their mute."""

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
"""The largest number of sites of which all subsets are run."""

EXACT_SITES = 8
"""With more sites than this, interactions are estimated from a sample of the subsets."""


class Condition(NamedTuple):
    """One inference run: a setup, and the mute that replaces the tensors of its sites."""

    mute: str
    setup: Setup

    def __str__(self) -> str:
        return f"{self.mute}({'+'.join(sorted(self.setup))})" if self.setup else "full"


def choose_setups(
    sites: Sequence[str], modalities: Sequence[str], kind: str = "each", seed: int = 0
) -> list[Setup]:
    """List the setups of a measurement: FULL, then those that mute one site or more.

    Parameters
    ----------
    sites
        The sites that can be muted.
    modalities
        The network's inputs.
    kind
        ``each``: every site is muted alone; with two modalities these are, with FULL, the three
        setups of arXiv 1702.08009, Fig. 4. ``ends``: also all sites together. ``all``: every
        subset of the sites. ``sampled``: the `arcs` of random circles, a sample of the
        subsets from which interactions of many sites are estimated.
    seed
        The seed of the sample.

    Raises
    ------
    InfluenceError
        If muting a site would leave a network of one modality without any input, or there are too
        many subsets to run.

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
        # The setups mute arcs and keep their complements; the complement of an arc is an arc.
        muted += [arc for circle in seat(sites, seed) for arc in arcs(circle)]
    return list(dict.fromkeys([FULL, *muted]))


def coalition_setups(sites: Sequence[str]) -> str:
    """Choose the kind of setups from which interactions of these sites are computed.

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
"""The number of random circles; enough to estimate the variance between circles."""


def seat(players: Sequence[str], seed: int, count: int = CIRCLES) -> list[Circle]:
    """Draw circles: random cyclic orders of the players, from which subsets are sampled as arcs.

    >>> [sorted(circle) for circle in seat(["x", "y", "z"], seed=0, count=2)]
    [['x', 'y', 'z'], ['x', 'y', 'z']]
    """
    stream = np.random.Generator(np.random.Philox([seed, crc32(b"circles")]))
    orders = (stream.permutation(len(players)) for _ in range(count))
    return [tuple(players[i] for i in order) for order in orders]


def arcs(circle: Circle) -> list[frozenset[str]]:
    """List the arcs of a circle: all runs of adjacent players, from none to all of them.

    The complement of an arc is an arc, and every single player is one.

    >>> len(arcs(tuple("abcde"))) == 5 * 4 + 2
    True
    """
    count = len(circle)
    runs = [run(circle, start, size) for size in range(count + 1) for start in range(count)]
    return list(dict.fromkeys(runs))


def run(circle: Circle, start: int, size: int) -> frozenset[str]:
    """Return `size` adjacent players from the index `start`; a negative start counts from the end.

    >>> sorted(run(("a", "b", "c"), 2, 2))
    ['a', 'c']
    """
    return frozenset(circle[(start + k) % len(circle)] for k in range(size))
