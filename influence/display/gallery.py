"""The gallery of a run: the samples that a source helps and hurts most, as rows and images.

It is the folder ``gallery/`` of a run directory. Its files are numbered, and never named by what
a data set or a network is called.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from influence.display.images import (
    GAIN_COLOURS,
    HELPED,
    HURT,
    NEITHER,
    NO_TRUTH,
    VALUE_COLOURS,
    class_colours,
    colour_bytes,
    gain_limit,
    gains_png,
    labels_png,
    picture_png,
    values_png,
)
from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps
from influence.results.tables import UNREADABLE
from influence.runtime.directories.commits import located, replace_files_on_success, settle
from influence.runtime.directories.locks import hold
from influence.runtime.files import is_temporary
from influence.runtime.reading.records import Record, read_record
from influence.runtime.reading.text_files import open_table, read_text

__all__ = [
    "GALLERY_COLUMNS",
    "IMAGE_COLUMNS",
    "Exhibit",
    "Gallery",
    "check_gallery",
    "make_gallery",
    "read_gallery",
    "write_gallery",
]

IMAGE_COLUMNS = ("picture", "truth", "prediction", "prediction_muted", "gain")
"""The columns that name files, empty where there is no such image."""

GALLERY_COLUMNS = (
    "network", "seed", "dataset", "mute", "source", "target", "metric", "side", "rank", "id",
    "full", "muted", "omega", *IMAGE_COLUMNS, "pictured", "low", "high",
)  # fmt: skip
TYPES = {"seed": "Int64", "rank": "int64"} | dict.fromkeys(
    ("full", "muted", "omega", "low", "high"), "float64"
)
"""Types of the columns that are not text."""

FILE = re.compile(r"[0-9]{4,}\.png")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
LARGEST = 20_000_000
"""Most bytes of an image; that of a map has a few thousand."""
TABLE, LEGEND = "gallery.csv", "legend.json"
REMEDY = "Make the gallery again with influence gallery"

Colour = Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")]


class _Class(Record):
    label: int = 0
    name: str
    colour: Colour


class _Target(Record):
    kind: Literal["labels", "values", "pictures"] = "labels"
    unit: str = ""
    gain_limit: float = 1.0
    colours: list[Colour] = Field(default_factory=list)
    classes: list[_Class] = Field(default_factory=list)


class _Checkpoint(Record):
    network: str = ""
    seed: int | None = None
    sha256: str = ""


class _Gains(Record):
    colours: list[Colour]
    hurt: Colour
    neither: Colour
    helped: Colour


class _Legend(Record):
    """What ``legend.json`` holds: the colours of each target, and the networks that were run."""

    format: Literal["influence-gallery"] = "influence-gallery"
    version: Literal[1] = 1
    data_sha256: str = ""
    checkpoints: list[_Checkpoint] = Field(default_factory=list)
    targets: dict[str, _Target] = Field(default_factory=dict)
    gain: _Gains | None = None
    no_truth: Colour = NO_TRUTH


@dataclass(frozen=True)
class Gallery:
    """Samples ordered by how much a source helps or hurts them.

    Parameters
    ----------
    rows
        Frame with the columns `GALLERY_COLUMNS`: one row per sample and direction, direction by
        direction, the most helped first, then the most hurt. `full`, `muted` and `omega` are those
        of ``samples.csv.gz``; `low` and `high` are the values of the first and the last colour, in
        the unit of the target, and missing for labels and for outputs that are pictures.
    legend
        What the colours mean, as ``legend.json`` holds it.
    images
        Name of a file -> its bytes, a PNG of few colours.
    """

    rows: pd.DataFrame
    legend: Mapping[str, Any]
    images: Mapping[str, bytes] = field(repr=False)


@dataclass(frozen=True)
class Exhibit:
    """The samples of one network, source, target, mute and metric, with their maps.

    Parameters
    ----------
    extremes
        Rows of `influence.results.selection.extreme_samples`.
    maps
        The maps of these samples, in the same order, which are drawable.
    """

    extremes: pd.DataFrame
    maps: SampleMaps


def make_gallery(exhibits: Sequence[Exhibit]) -> Gallery:
    """Draw the images of a gallery, all of a target in the same colours.

    Images that are equal are kept once.

    Parameters
    ----------
    exhibits
        The samples that are shown, and their maps.

    Examples
    --------
    >>> truth = np.array([[[0, 1]]])
    >>> maps = SampleMaps("net", "depth", "semantic", "zero", ("7",), truth, truth, 1 - truth)
    >>> row = dict.fromkeys(GALLERY_COLUMNS[:13], "") | {"id": "7", "omega": 1.0, "side": "helped"}
    >>> gallery = make_gallery([Exhibit(pd.DataFrame([row]), maps)])
    >>> gallery.rows[["id", "truth", "prediction", "prediction_muted", "gain"]].values.tolist()
    [['7', '0001.png', '0001.png', '0002.png', '0003.png']]
    >>> [entry["colour"] for entry in gallery.legend["targets"]["semantic"]["classes"]]
    ['#ddcc77', '#88ccee']
    """
    scales = {
        target: _scale([exhibit.maps for exhibit in exhibits if exhibit.maps.target == target])
        for target in dict.fromkeys(exhibit.maps.target for exhibit in exhibits)
    }
    names: dict[bytes, str] = {}
    rows = []
    for exhibit in exhibits:
        drawn = _draw_samples(exhibit.maps, scales[exhibit.maps.target])
        for row, cells in zip(exhibit.extremes.to_dict("records"), drawn, strict=True):
            for column, cell in cells.items():
                if isinstance(cell, bytes):
                    cells[column] = names.setdefault(cell, f"{len(names) + 1:04d}.png")
            rows.append({column: (row | cells)[column] for column in GALLERY_COLUMNS})
    frame = pd.DataFrame(rows, columns=list(GALLERY_COLUMNS))
    frame["seed"] = pd.to_numeric(frame["seed"]).astype("Int64")
    return Gallery(frame, _legend(exhibits, scales), {name: image for image, name in names.items()})


@dataclass(frozen=True)
class _Scale:
    """What the colours of one target mean, in all images of a gallery."""

    gain_limit: float
    ranges: Mapping[str, tuple[float, float]]
    classes: tuple[str, ...]
    labels: tuple[int, ...]
    unit: str
    kind: Literal["labels", "values", "pictures"]

    @property
    def count(self) -> int:
        return max([len(self.classes), *(label + 1 for label in self.labels)])


def _scale(maps: Sequence[SampleMaps]) -> _Scale:
    of_labels, of_pictures = maps[0].of_labels, maps[0].of_pictures
    layers = [layer for some in maps for layer in (some.truth, some.full, some.muted)]
    found = set().union(*(np.unique(layer).tolist() for layer in layers)) if of_labels else set()
    return _Scale(
        gain_limit(maps),
        {} if of_labels or of_pictures else _ranges(maps),
        next((some.classes for some in maps if some.classes), ()),
        tuple(sorted(int(label) for label in found if label >= 0)),
        maps[0].unit,
        "labels" if of_labels else "pictures" if of_pictures else "values",
    )


def _ranges(maps: Sequence[SampleMaps]) -> dict[str, tuple[float, float]]:
    """Return the least and the greatest value of each sample, true or predicted by any network."""
    found: dict[str, list[float]] = {}
    for some in maps:
        for i, name in enumerate(some.ids):
            for layer in (some.truth, some.full, some.muted):
                known = layer[i][np.isfinite(layer[i])]
                found.setdefault(name, []).extend([known.min(), known.max()] if known.size else [])
    return {name: (float(min(ends)), float(max(ends))) for name, ends in found.items()}


def _draw_samples(maps: SampleMaps, scale: _Scale) -> Iterator[dict[str, Any]]:
    """Yield the cells that a sample adds to its row; images as their bytes."""
    columns = {"truth": "truth", "prediction": "full", "prediction_muted": "muted"}
    whole = {column: maps.shown(name) for column, name in columns.items()}
    gains = maps.shown("gain")
    for i in range(len(maps.ids)):
        layers = {name: layer[i] for name, layer in whole.items()}
        cells: dict[str, Any] = {"picture": "", "pictured": "", "low": np.nan, "high": np.nan}
        if maps.pictures is not None:
            cells |= {"picture": picture_png(maps.pictures[i]), "pictured": maps.pictured}
        if scale.kind == "pictures":
            cells |= {name: picture_png(colour_bytes(layer)) for name, layer in layers.items()}
        elif scale.kind == "labels":
            cells |= {name: labels_png(layer, scale.count) for name, layer in layers.items()}
        else:
            low, high = scale.ranges[maps.ids[i]]
            cells |= {name: values_png(layer, low, high) for name, layer in layers.items()}
            cells |= {"low": low, "high": high}
        yield cells | {"gain": gains_png(gains[i], scale.gain_limit)}


def _legend(exhibits: Sequence[Exhibit], scales: Mapping[str, _Scale]) -> dict[str, Any]:
    seeds = {
        (e.maps.network, e.maps.facts.get("checkpoint_sha256", "")): e.extremes["seed"].iloc[0]
        for e in exhibits
    }
    checkpoints = [
        {"network": name, "seed": None if pd.isna(seed) or seed == "" else int(seed), "sha256": sha}
        for (name, sha), seed in seeds.items()
    ]
    ends = {"hurt": HURT, "neither": NEITHER, "helped": HELPED}
    return {
        "format": "influence-gallery",
        "version": 1,
        "data_sha256": exhibits[0].maps.facts.get("data_sha256", "") if exhibits else "",
        "checkpoints": checkpoints,
        "targets": {target: _explain(scale) for target, scale in scales.items()},
        "gain": {"colours": list(GAIN_COLOURS), **ends},
        "no_truth": NO_TRUTH,
    }


def _explain(scale: _Scale) -> dict[str, Any]:
    meaning: dict[str, Any] = {
        "kind": scale.kind,
        "unit": scale.unit,
        "gain_limit": scale.gain_limit,
    }
    if scale.kind == "pictures":
        return meaning
    if scale.kind == "values":
        return meaning | {"colours": list(VALUE_COLOURS)}
    names = dict(enumerate(scale.classes))
    colours = class_colours(scale.count)
    return meaning | {
        "classes": [
            {"label": label, "name": names.get(label, str(label)), "colour": colours[label]}
            for label in scale.labels
        ]
    }


def write_gallery(run: str | os.PathLike[str], gallery: Gallery) -> Path:
    """Write the folder ``gallery/`` of a run, whole or not at all, and return its path.

    An earlier gallery is replaced; other files in the folder stay.

    Parameters
    ----------
    run
        The directory of the run.
    gallery
        What is written, as `make_gallery` returns it.

    Raises
    ------
    InfluenceError
        If the folder is there and is no gallery, it cannot be written, or another process writes
        into the run.

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
    with hold(run):
        check_gallery(run)
        with replace_files_on_success(folder, _is_own) as aside:
            # Digits as in samples.csv.gz, so that the numbers are the same.
            gallery.rows.to_csv(
                aside / TABLE, index=False, lineterminator="\n", float_format="%.9g"
            )
            text = json.dumps(gallery.legend, indent=1) + "\n"
            (aside / LEGEND).write_text(text, encoding="utf-8")
            for name, image in gallery.images.items():
                (aside / name).write_bytes(image)
    return folder


def check_gallery(run: str | os.PathLike[str]) -> None:
    """Check that what is called ``gallery`` in a run directory, if anything, is a gallery.

    Raises
    ------
    InfluenceError
        If it is a file, or a folder that `write_gallery` has not written.
    """
    folder = Path(run) / "gallery"
    settle(folder, _is_own)
    if not os.path.lexists(folder) or located(folder / TABLE).is_file():
        return
    if not folder.is_dir() or not all(map(is_temporary, os.listdir(folder))):
        raise InfluenceError(
            f"{folder} is there and holds no {TABLE}: it is not a gallery. Move it away"
        )


def _is_own(name: str) -> bool:
    return name in (TABLE, LEGEND) or FILE.fullmatch(name) is not None


def read_gallery(run: str | os.PathLike[str]) -> Gallery | None:
    """Read the gallery of a run, or return None if the run has none.

    No other file than the numbered images of the folder is ever opened, whatever the table names
    or a link points to.

    Parameters
    ----------
    run
        The directory of the run.

    Raises
    ------
    InfluenceError
        If a file is missing or is not as `write_gallery` writes it.

    Examples
    --------
    >>> import tempfile
    >>> print(read_gallery(tempfile.mkdtemp()))
    None
    """
    folder = Path(run) / "gallery"
    if not folder.exists():
        return None
    settle(folder, _is_own)
    try:
        with open_table(located(folder / TABLE)) as file:
            rows = pd.read_csv(
                file,
                keep_default_na=False,
                na_values={name: [""] for name in TYPES},
                dtype=dict.fromkeys(GALLERY_COLUMNS, "str") | TYPES,
            )
        legend = json.loads(read_text(located(folder / LEGEND)))
    except (*UNREADABLE, TypeError, RecursionError) as error:
        raise InfluenceError(f"{folder}: expected a gallery ({error}). {REMEDY}") from error
    if tuple(rows.columns) != GALLERY_COLUMNS:
        raise InfluenceError(
            f"{folder}/{TABLE}: expected the columns {', '.join(GALLERY_COLUMNS)}. {REMEDY}"
        )
    read_record(_Legend, legend, f"{folder}/{LEGEND}", REMEDY)
    if np.isinf(rows[list(TYPES)].to_numpy(dtype="float64", na_value=np.nan)).any():
        raise InfluenceError(f"{folder}/{TABLE}: expected finite numbers. {REMEDY}")
    names = sorted({name for column in IMAGE_COLUMNS for name in rows[column]} - {""})
    return Gallery(rows, legend, {name: _image(folder, name) for name in names})


def _image(folder: Path, name: str) -> bytes:
    if not FILE.fullmatch(name):
        raise InfluenceError(
            f"{folder}/{TABLE}: expected names of images such as '0001.png', got {name!r}. {REMEDY}"
        )
    path = located(folder / name)
    try:
        size = path.lstat().st_size
        plain = path.is_file() and not path.is_symlink() and size <= LARGEST
        image = path.read_bytes() if plain else b""
    except OSError as error:
        raise InfluenceError(f"{folder}: expected the image {name} ({error}). {REMEDY}") from error
    if not image.startswith(SIGNATURE):
        raise InfluenceError(
            f"{path}: expected a PNG file of {LARGEST / 1e6:.0f} MB or less, and no link. {REMEDY}"
        )
    return image
