"""Cards: the samples of galleries, those that a source helps and those that it hurts."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from influence.gallery import IMAGE_COLUMNS, Gallery, read_gallery

__all__ = ["Cards", "read_cards"]

GROUP = ["network", "seed", "dataset", "mute", "source", "target", "metric"]
OWN = ("side", "id", "pictured", "full", "muted", "omega", "low", "high")


@dataclass(frozen=True)
class Cards:
    """What the page shows of galleries.

    Parameters
    ----------
    groups : what cards have in common: network, mute, source, target, metric, and what the
        colours of the target mean.
    cards : one per sample and side, in the order of omega, most helped first. `group` is the place
        of its group in `groups`; an image is its place in `images`, or None.
    images : the images as `data:` addresses, each once.
    """

    groups: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


def read_cards(runs: Iterable[str | os.PathLike[str]]) -> Cards:
    """Read the galleries of runs; a run without one has no cards.

    Raises
    ------
    InfluenceError
        If a gallery is not as `influence.gallery.write_gallery` writes it.

    Examples
    --------
    >>> read_cards([]).cards
    []
    """
    groups: list[dict[str, Any]] = []
    cards: list[dict[str, Any]] = []
    place: dict[str, int] = {}
    for gallery in filter(None, map(read_gallery, runs)):
        for group, rows in _groups(gallery):
            ordered = rows.sort_values("omega", ascending=False, kind="stable")
            for row in ordered.to_dict("records"):
                images = {
                    key: place.setdefault(_address(gallery.images[row[key]]), len(place))
                    if row[key]
                    else None
                    for key in IMAGE_COLUMNS
                }
                own = {key: None if pd.isna(row[key]) else row[key] for key in OWN}
                cards.append({"group": len(groups), **own, **images})
            groups.append(group)
    return Cards(groups, cards, list(place))


def _groups(gallery: Gallery) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for key, rows in gallery.rows.groupby(GROUP, sort=False, dropna=False):
        assert isinstance(key, tuple)
        names = dict(zip(GROUP, map(str, key), strict=True))
        target = gallery.legend.get("targets", {}).get(names["target"], {})
        yield names | {key: target[key] for key in ("classes", "unit") if key in target}, rows


def _address(image: bytes) -> str:
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"
