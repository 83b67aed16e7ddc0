"""Edges: the outputs of modules inside a network, which can be muted as inputs can.

An edge is named by the path of its module, ``edge:encoder.depth``. What flows along it is every
tensor that the module returns, in every call: the first is the point ``edge:encoder.depth``, a
further one ``edge:encoder.depth@1``.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["PREFIX", "edges_of", "is_edge", "point_name", "site_of"]

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
