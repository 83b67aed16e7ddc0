"""Setups: which sites are muted in one inference run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from influence.circles import arcs, seat
from influence.edges import PREFIX, is_edge
from influence.errors import InfluenceError, unknown

__all__ = [
    "FULL",
    "SETUPS",
    "Setup",
    "choose_setups",
    "coalition_setups",
    "select_sites",
    "setup_name",
]

Setup = frozenset[str]

FULL: Setup = frozenset()
"""The setup that mutes nothing."""


SETUPS = ("each", "ends", "all", "sampled")
"""Which setups are run; see `choose_setups`."""

MOST_SITES = 10
"""All subsets of more sites than this are too many to run."""

EXACT_SITES = 8
"""Of more sites than this, a sample of the subsets is run for interactions."""


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
        subset of the sites. ``sampled``: the subsets of `influence.circles`, from which
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


def select_sites(wanted: Sequence[str] | None, modalities: Sequence[str]) -> list[str]:
    """Return the sites to mute: all modalities, or the wanted ones.

    Modalities come in the network's order, then the internal edges.

    >>> select_sites(["edge:fuse", "semantic"], ["depth", "semantic"])
    ['semantic', 'edge:fuse']
    """
    if not wanted:
        return list(modalities)
    edges = list(dict.fromkeys(filter(is_edge, wanted)))
    for site in wanted:
        if site not in edges and site not in modalities:
            raise unknown("site", site, [*modalities, f"{PREFIX}MODULE.PATH"])
        if "+" in site or "/" in site or site == PREFIX:
            raise InfluenceError(
                f"expected {PREFIX}MODULE.PATH, a path without '+' and '/', got {site!r}"
            )
    return [*(m for m in modalities if m in wanted), *edges]


def setup_name(setup: Setup, modalities: Sequence[str]) -> str:
    """Name a setup by the sites that are present, joined by ``+``; ``none`` if all are muted.

    >>> setup_name(frozenset({"depth"}), ["depth", "semantic"])
    'semantic'
    >>> setup_name(FULL, ["depth", "semantic"])
    'depth+semantic'
    """
    return "+".join(m for m in modalities if m not in setup) or "none"
