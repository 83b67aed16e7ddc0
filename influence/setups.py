"""Setups: which sites are muted in one inference run."""

from __future__ import annotations

from collections.abc import Sequence

from influence.errors import InfluenceError, unknown

__all__ = ["FULL", "Setup", "leave_one_out", "select_sites", "setup_name"]

Setup = frozenset[str]

FULL: Setup = frozenset()
"""The setup that mutes nothing."""


def leave_one_out(sites: Sequence[str], modalities: Sequence[str]) -> list[Setup]:
    """List FULL, then one setup for every site, in which that site alone is muted.

    With two modalities these are the three setups of arXiv 1702.08009, Fig. 4.

    Raises
    ------
    InfluenceError
        If muting a site would leave a network of one modality without any input.

    Examples
    --------
    >>> [sorted(s) for s in leave_one_out(["depth", "semantic"], ["depth", "semantic"])]
    [[], ['depth'], ['semantic']]
    """
    if len(modalities) < 2:
        raise InfluenceError(
            f"expected a network with two or more inputs, got {list(modalities)}: muting its only "
            "input leaves nothing to compare with"
        )
    return [FULL, *(frozenset({site}) for site in sites)]


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
