"""Cards of samples on the page: those that a source helps most, and those that it hurts most."""

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
CARD = ("side", "id", "pictured", "full", "muted", "omega", "low", "high")


@dataclass(frozen=True)
class Cards:
    """The samples of galleries, as the page shows them.

    Parameters
    ----------
    groups
        What cards have in common: network, mute, source, target, metric, and what the colours of
        the target mean.
    cards
        One per sample and side, in the order of omega, most helped first. `group` is the index
        of its group in `groups`; an image is its index in `images`, or None.
    images
        The images as `data:` URLs, each once.
    """

    groups: list[dict[str, Any]] = field(default_factory=list)
    cards: list[dict[str, Any]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)


def read_cards(runs: Iterable[str | os.PathLike[str]]) -> Cards:
    """Read the galleries of runs; a run without one has no cards.

    Parameters
    ----------
    runs
        The directories of the runs.

    Raises
    ------
    InfluenceError
        If a gallery is not as `influence.display.gallery.write_gallery` writes it, or if its
        pictures are of another checkpoint than the one that the run measured.

    Examples
    --------
    >>> read_cards([]).cards
    []
    """
    groups: list[dict[str, Any]] = []
    cards: list[dict[str, Any]] = []
    index: dict[str, int] = {}
    for run in runs:
        if (gallery := read_gallery(run)) is None:
            continue
        _check_checkpoints(run, gallery)
        for group, rows in _groups(gallery):
            ordered = rows.sort_values("omega", ascending=False, kind="stable")
            for row in ordered.to_dict("records"):
                images = {
                    key: index.setdefault(_data_url(gallery.images[row[key]]), len(index))
                    if row[key]
                    else None
                    for key in IMAGE_COLUMNS
                }
                card = {key: None if pd.isna(row[key]) else row[key] for key in CARD}
                cards.append({"group": len(groups), **card, **images})
            groups.append(group)
    return Cards(groups, cards, list(index))


def _check_checkpoints(run: str | os.PathLike[str], gallery: Gallery) -> None:
    """Raise an error if pictures are of other weights than those that the run measured."""
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


def _data_url(image: bytes) -> str:
    return f"data:image/png;base64,{b64encode(image).decode('ascii')}"
