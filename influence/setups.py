"""Setups: which sites are muted in one inference run."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from influence.errors import InfluenceError, unknown

__all__ = ["FULL", "SETUPS", "Setup", "choose_setups", "select_sites", "setup_name"]

Setup = frozenset[str]

FULL: Setup = frozenset()
"""The setup that mutes nothing."""


SETUPS = ("each", "ends", "all")
"""Which setups are run; see `choose_setups`."""

MOST_SITES = 10
"""All subsets of more sites than this are too many to run."""


def choose_setups(
    sites: Sequence[str], modalities: Sequence[str], kind: str = "each"
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
        subset of the sites.

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
    if len(modalities) < 2:
        raise InfluenceError(
            f"expected a network with two or more inputs, got {list(modalities)}: muting its only "
            "input leaves nothing to compare with"
        )
    if kind not in SETUPS:
        raise unknown("choice of setups", kind, SETUPS)
    if kind == "all" and len(sites) > MOST_SITES:
        raise InfluenceError(
            f"all subsets of {len(sites)} sites are {2 ** len(sites)} setups; name at most "
            f"{MOST_SITES} sites, or choose the setups 'ends'"
        )
    sizes = {"each": [1], "ends": [1, len(sites)], "all": range(1, len(sites) + 1)}[kind]
    muted = (frozenset(c) for size in sizes for c in combinations(sites, size))
    return list(dict.fromkeys([FULL, *muted]))


def select_sites(wanted: Sequence[str] | None, modalities: Sequence[str]) -> list[str]:
    """Return the sites to mute: all modalities, or the wanted ones in the network's order.

    >>> select_sites(["semantic"], ["depth", "semantic"])
    ['semantic']
    """
    if not wanted:
        return list(modalities)
    for site in wanted:
        if site not in modalities:
            raise unknown("site", site, modalities)
    return [m for m in modalities if m in wanted]


def setup_name(setup: Setup, modalities: Sequence[str]) -> str:
    """Name a setup by the sites that are present, joined by ``+``; ``none`` if all are muted.

    >>> setup_name(frozenset({"depth"}), ["depth", "semantic"])
    'semantic'
    >>> setup_name(FULL, ["depth", "semantic"])
    'depth+semantic'
    """
    return "+".join(m for m in modalities if m not in setup) or "none"
