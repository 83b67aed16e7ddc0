"""Cards: the samples of galleries, those that a source helps and those that it hurts."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from influence.display.gallery import IMAGE_COLUMNS, Gallery, read_gallery
from influence.errors import InfluenceError
from influence.results.tables import read_tables

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
        If a gallery is not as `influence.display.gallery.write_gallery` writes it, or shows
        another checkpoint of a network than the one that the run measured.

    Examples
    --------
    >>> read_cards([]).cards
    []
    """
    groups: list[dict[str, Any]] = []
    cards: list[dict[str, Any]] = []
    place: dict[str, int] = {}
    for run in runs:
        if (gallery := read_gallery(run)) is None:
            continue
        _refuse_others(run, gallery)
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


def _refuse_others(run: str | os.PathLike[str], gallery: Gallery) -> None:
    """Refuse pictures of networks that the run has measured with other weights."""
    table = read_tables([run], "influence")
    hashes = table.groupby("network")["checkpoint_sha256"].agg(set)
    for entry in gallery.legend.get("checkpoints", ()):
        network, pictured = entry.get("network", ""), entry.get("sha256", "")
        if pictured and pictured not in hashes.get(network, {pictured}):
            raise InfluenceError(
                f"{os.fspath(run)}/gallery: expected pictures of network {network!r} as it was "
                f"measured, got those of another checkpoint ({pictured[:12]}). Make the gallery "
                "again with influence gallery, or leave it out with gallery=False"
            )


def _groups(gallery: Gallery) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    for key, rows in gallery.rows.groupby(GROUP, sort=False, dropna=False):
        assert isinstance(key, tuple)
        names = dict(zip(GROUP, map(str, key), strict=True))
        target = gallery.legend.get("targets", {}).get(names["target"], {})
        yield names | {key: target[key] for key in ("classes", "unit") if key in target}, rows


def _address(image: bytes) -> str:
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"
