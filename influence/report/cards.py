"""Cards: the samples of a gallery, those that a source helps and those that it hurts."""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from influence.errors import InfluenceError

__all__ = ["GALLERY_COLUMNS", "Gallery", "read_gallery"]

PICTURES = ("picture", "truth", "prediction", "prediction_muted", "gain")
GALLERY_COLUMNS = (
    "network", "seed", "dataset", "mute", "source", "target", "metric", "side", "rank", "id",
    "full", "muted", "omega", *PICTURES,
)  # fmt: skip
NUMBERS = {"rank": int, "full": float, "muted": float, "omega": float}
GROUP = ("network", "seed", "dataset", "mute", "source", "target", "metric")
TYPES = {".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg", ".jpeg": "image/jpeg"}


@dataclass(frozen=True)
class Gallery:
    """The cards of all runs.

    Parameters
    ----------
    cards : one per sample and side, in the order of `omega`, most helped first. `group` is the
        place of its group in `groups`; a picture is its place in `images`, or None.
    groups : what cards have in common: network, mute, source, target and metric.
    images : the pictures as `data:` addresses, each once.
    """

    cards: list[dict[str, Any]] = field(default_factory=list)
    groups: list[dict[str, str]] = field(default_factory=list)
    images: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """Return what the page carries."""
        return {"cards": self.cards, "images": self.images}


def read_gallery(runs: Iterable[str | os.PathLike[str]]) -> Gallery:
    """Read the folders `gallery/` of runs; a run without one has no cards.

    Raises
    ------
    InfluenceError
        If `gallery.csv` has other columns or text where numbers belong, or names a file that is
        missing, is no picture, or lies elsewhere.

    Examples
    --------
    >>> read_gallery([]).cards
    []
    """
    cards: list[dict[str, Any]] = []
    place: dict[str, int] = {}
    for folder in (Path(run) / "gallery" for run in runs):
        if (folder / "gallery.csv").exists():
            cards += [_card(row, folder, place) for row in _rows(folder / "gallery.csv")]
    groups = list(dict.fromkeys(tuple(card[key] for key in GROUP) for card in cards))
    shown = [
        {key: card[key] for key in card if key not in GROUP}
        | {"group": groups.index(tuple(card[key] for key in GROUP))}
        for card in cards
    ]
    shown.sort(key=lambda card: (card["group"], -card["omega"]))
    return Gallery(shown, [dict(zip(GROUP, group, strict=True)) for group in groups], list(place))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_filter=False)
    except (OSError, ValueError) as error:
        raise InfluenceError(f"{path}: expected a readable table ({error})") from error
    if missing := [name for name in GALLERY_COLUMNS if name not in frame]:
        raise InfluenceError(
            f"{path}: expected the columns {', '.join(GALLERY_COLUMNS)}; missing: "
            f"{', '.join(missing)}. Write the gallery again"
        )
    return frame.to_dict("records")


def _card(row: dict[str, str], folder: Path, place: dict[str, int]) -> dict[str, Any]:
    card: dict[str, Any] = {key: row[key] for key in (*GROUP, "side", "id")}
    for key, kind in NUMBERS.items():
        try:
            card[key] = kind(row[key])
        except ValueError:
            raise InfluenceError(
                f"{folder / 'gallery.csv'}: expected a number in column {key!r}, got {row[key]!r}"
            ) from None
    for key in PICTURES:
        card[key] = place.setdefault(_image(folder, row[key]), len(place)) if row[key] else None
    return card


def _image(folder: Path, name: str) -> str:
    path = folder / name
    if path.resolve().parent != folder.resolve() or path.suffix.lower() not in TYPES:
        raise InfluenceError(
            f"{folder / 'gallery.csv'}: expected names of {', '.join(TYPES)} files in this folder, "
            f"got {name!r}"
        )
    try:
        content = b64encode(path.read_bytes()).decode("ascii")
    except OSError as error:
        raise InfluenceError(
            f"{path}: expected a picture ({error}). Write the gallery again"
        ) from error
    return f"data:{TYPES[path.suffix.lower()]};base64,{content}"
