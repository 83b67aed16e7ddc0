"""Edges: the outputs of modules inside a network, which can be muted as inputs can.

An edge is named by the path of its module, ``edge:encoder.depth``. What flows along it is every
tensor that the module returns, in every call: the first is the point ``edge:encoder.depth``, a
further one ``edge:encoder.depth@1``.
"""

from __future__ import annotations

from collections.abc import Sequence

from influence.errors import InfluenceError, unknown

__all__ = [
    "PREFIX",
    "edges_of",
    "is_edge",
    "point_name",
    "select_sites",
    "site_of",
]


PREFIX = "edge:"


def is_edge(site: str) -> bool:
    """Say whether a site is an internal edge, and not an input.

    >>> is_edge("edge:encoder.depth"), is_edge("depth")
    (True, False)
    """
    return site.startswith(PREFIX)


def edges_of(sites: Sequence[str]) -> dict[str, str]:
    """Return the module path of each edge among some sites.

    >>> edges_of(["depth", "edge:encoder.depth"])
    {'edge:encoder.depth': 'encoder.depth'}
    """
    return {site: site.removeprefix(PREFIX) for site in sites if is_edge(site)}


def point_name(site: str, number: int) -> str:
    """Name one of the tensors of an edge.

    >>> point_name("edge:encoder", 0), point_name("edge:encoder", 1)
    ('edge:encoder', 'edge:encoder@1')
    """
    return f"{site}@{number}" if number else site


def site_of(point: str) -> str:
    """Return the edge to which a point belongs.

    >>> site_of("edge:encoder@1"), site_of("edge:encoder")
    ('edge:encoder', 'edge:encoder')
    """
    return point.rpartition("@")[0] or point


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
