"""Features: the values at places inside a network, sample by sample, under every condition.

A place is a point inside a network where muted features are compared with those of the data: see
`influence.analysis.distance`. Of a map, the mean over all pixels is kept, one number a channel.
"""

from __future__ import annotations

from collections.abc import Iterable

from influence.plan.setups import Condition
from influence.statistics.rows import RowKey

__all__ = ["FEATURES", "MARK", "feature_keys", "is_place", "place_name"]

FEATURES = "features"
"""The statistic of a place: one row of numbers for each sample, one number for each channel."""

MARK = "at:"
"""Begins the name of a place, where the names of outputs also stand."""


def feature_keys(conditions: Iterable[Condition], places: Iterable[str]) -> list[RowKey]:
    """List the keys of the features at some places under some conditions.

    >>> [str(key) for key in feature_keys([Condition("none", frozenset())], ["at:fuse"])]
    ['full/at:fuse/features']
    """
    places = list(places)
    return [RowKey(c, place, FEATURES) for c in conditions for place in places]


def is_place(name: str) -> bool:
    """Return whether a name is that of a place, and not of an output.

    >>> is_place("at:fuse.add"), is_place("depth")
    (True, False)
    """
    return name.startswith(MARK)


def place_name(path: str) -> str:
    """Return the name of the features at the place with a module path.

    >>> place_name("fuse.add")
    'at:fuse.add'
    """
    return f"{MARK}{path}"
