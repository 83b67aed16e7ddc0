"""The gallery of a run: the samples that a source helps and hurts most, as rows and images.

It is the folder ``gallery/`` of a run directory. Its files are numbered, and never named by what
a data set or a network is called.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from influence.errors import InfluenceError
from influence.runtime.files import replace_folder_on_success

__all__ = ["GALLERY_COLUMNS", "IMAGE_COLUMNS", "Gallery", "read_gallery", "write_gallery"]

IMAGE_COLUMNS = ("picture", "truth", "prediction", "prediction_muted", "gain")
"""The columns that name files, empty where there is no such image."""

GALLERY_COLUMNS = (
    "network", "seed", "dataset", "mute", "source", "target", "metric", "side", "rank", "id",
    "full", "muted", "omega", *IMAGE_COLUMNS, "pictured", "low", "high",
)  # fmt: skip
TYPES = {"seed": "Int64", "rank": "int64"} | dict.fromkeys(
    ("full", "muted", "omega", "low", "high"), "float64"
)
"""Of the columns that are not text."""

FILE = re.compile(r"[0-9]{4,}\.png")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
BYTES_AT_MOST = 20_000_000
"""Of one image; that of a map has a few thousand."""
COLOUR = re.compile(r"#[0-9a-fA-F]{6}")
TABLE, LEGEND = "gallery.csv", "legend.json"
REMEDY = "Make the gallery again with influence gallery"


@dataclass(frozen=True)
class Gallery:
    """Samples ordered by how much a source helps or hurts them.

    Parameters
    ----------
    rows
        Frame with the columns `GALLERY_COLUMNS`: one row a sample and direction, direction by
        direction, the most helped first, then the most hurt. `full`, `muted` and `omega` are those
        of ``samples.csv.gz``; `low` and `high` are the ends of the colours of values, in the unit
        of the target, and missing for labels.
    legend
        What the colours mean, as ``legend.json`` holds it.
    images
        Name of a file -> its bytes, a PNG of few colours.
    """

    rows: pd.DataFrame
    legend: Mapping[str, Any]
    images: Mapping[str, bytes] = field(repr=False)


def write_gallery(run: str | os.PathLike[str], gallery: Gallery) -> Path:
    """Write the folder ``gallery/`` of a run, whole or not at all; return its path.

    Raises
    ------
    InfluenceError
        If something else than a gallery is there, or it cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> run = tempfile.mkdtemp()
    >>> row = dict.fromkeys(GALLERY_COLUMNS, "") | {"rank": 1, "omega": 0.5, "gain": "0001.png"}
    >>> found = Gallery(pd.DataFrame([row]), {}, {"0001.png": b"\\x89PNG\\r\\n\\x1a\\n"})
    >>> sorted(path.name for path in write_gallery(run, found).iterdir())
    ['0001.png', 'gallery.csv', 'legend.json']
    >>> read_gallery(run).rows.loc[0, "omega"]
    np.float64(0.5)
    """
    folder = Path(run) / "gallery"
    if folder.exists() and not (folder / TABLE).is_file():
        raise InfluenceError(
            f"{folder} is there and holds no {TABLE}: it is not a gallery. Move it away"
        )
    with replace_folder_on_success(folder) as aside:
        # Digits as in samples.csv.gz, so that the numbers are the same.
        gallery.rows.to_csv(aside / TABLE, index=False, lineterminator="\n", float_format="%.9g")
        (aside / LEGEND).write_text(json.dumps(gallery.legend, indent=1) + "\n", encoding="utf-8")
        for name, image in gallery.images.items():
            (aside / name).write_bytes(image)
    return folder


def read_gallery(run: str | os.PathLike[str]) -> Gallery | None:
    """Read the gallery of a run; None if the run has none.

    Raises
    ------
    InfluenceError
        If a file is missing or is not as `write_gallery` writes it. No other file than the
        numbered images of the folder is ever opened, whatever the table names or a link points to.

    Examples
    --------
    >>> import tempfile
    >>> print(read_gallery(tempfile.mkdtemp()))
    None
    """
    folder = Path(run) / "gallery"
    if not folder.exists():
        return None
    try:
        rows = pd.read_csv(
            folder / TABLE,
            keep_default_na=False,
            na_values={name: [""] for name in TYPES},
            dtype=dict.fromkeys(GALLERY_COLUMNS, "str") | TYPES,
        )
        legend = json.loads((folder / LEGEND).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise InfluenceError(f"{folder}: expected a gallery ({error}). {REMEDY}") from error
    if tuple(rows.columns) != GALLERY_COLUMNS or not isinstance(legend, dict):
        raise InfluenceError(
            f"{folder}/{TABLE}: expected the columns {', '.join(GALLERY_COLUMNS)}. {REMEDY}"
        )
    if not _well_formed(legend):
        raise InfluenceError(
            f"{folder}/{LEGEND}: expected targets with units and classes that are text, colours "
            f"such as '#ddcc77', and checkpoints with names and hashes. {REMEDY}"
        )
    if np.isinf(rows[list(TYPES)].to_numpy(dtype="float64", na_value=np.nan)).any():
        raise InfluenceError(f"{folder}/{TABLE}: expected finite numbers. {REMEDY}")
    names = sorted({name for column in IMAGE_COLUMNS for name in rows[column]} - {""})
    return Gallery(rows, legend, {name: _image(folder, name) for name in names})


def _well_formed(legend: Mapping[str, Any]) -> bool:
    """Tell whether a legend says, as far as it does, what readers expect."""
    checkpoints = legend.get("checkpoints", [])
    if not isinstance(checkpoints, list) or not all(map(_is_checkpoint, checkpoints)):
        return False
    targets = legend.get("targets", {})
    if not isinstance(targets, dict) or not all(isinstance(t, dict) for t in targets.values()):
        return False
    classes = [target.get("classes", []) for target in targets.values()]
    return (
        all(isinstance(target.get("unit", ""), str) for target in targets.values())
        and all(isinstance(entries, list) for entries in classes)
        and all(_is_class(entry) for entries in classes for entry in entries)
    )


def _is_checkpoint(entry: Any) -> bool:
    return isinstance(entry, dict) and all(
        isinstance(entry.get(key, ""), str) for key in ("network", "sha256")
    )


def _is_class(entry: Any) -> bool:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        return False
    return COLOUR.fullmatch(str(entry.get("colour"))) is not None


def _image(folder: Path, name: str) -> bytes:
    if not FILE.fullmatch(name):
        raise InfluenceError(
            f"{folder}/{TABLE}: expected names of images such as '0001.png', got {name!r}. {REMEDY}"
        )
    path = folder / name
    try:
        size = path.lstat().st_size
        plain = path.is_file() and not path.is_symlink() and size <= BYTES_AT_MOST
        image = path.read_bytes() if plain else b""
    except OSError as error:
        raise InfluenceError(f"{folder}: expected the image {name} ({error}). {REMEDY}") from error
    if not image.startswith(SIGNATURE):
        raise InfluenceError(
            f"{path}: expected a PNG file of {BYTES_AT_MOST / 1e6:.0f} MB or less, and no link. "
            f"{REMEDY}"
        )
    return image
