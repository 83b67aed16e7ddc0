"""The style of every plot: sizes, colours, markers, legends; and files that are reproducible."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
import pandas as pd
import seaborn
from matplotlib.artist import Artist
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from influence.errors import InfluenceError, code_of, visible
from influence.runtime.files import replace_on_success
from influence.runtime.text import shortened

__all__ = [
    "COLUMN_WIDTH",
    "FORMATS",
    "GREY",
    "Ink",
    "check_suffix",
    "heading",
    "inks",
    "legible",
    "modality_inks",
    "save_figure",
    "styled",
    "write_legend",
]

COLUMN_WIDTH = 3.3  # inches: one column of a two-column paper
GREY = "0.6"
FONT = "DejaVu Sans"  # which comes with matplotlib
LONGEST = 60  # letters of a name
MARKERS = "osD^vP"
MODALITY_COLOURS = ("#332288", "#cc6677", "#999933", "#44aa99", "#882255", "#88ccee", "#117733")
"""Paul Tol's scheme `muted`: none is in the palette of `inks`, and all are distinct."""
USUAL = ("depth", "semantic", "rgb")
"""Modalities that have the same colour in the figures of every run."""

# Metadata that would make the files of equal plots differ.
FORMATS: Mapping[str, Mapping[str, None]] = {
    "png": {"Software": None},
    "pdf": {"CreationDate": None},
    "svg": {"Date": None},
}


@dataclass(frozen=True)
class Ink:
    """Colour and marker of one group; either alone tells the groups apart."""

    colour: str
    marker: str
    filled: bool = True

    @property
    def look(self) -> dict[str, Any]:
        """Options of matplotlib for points in this ink."""
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": self.colour if self.filled else "white",
        }


def inks(groups: Iterable[str]) -> dict[str, Ink]:
    """Give each group a colour of seaborn's colour-blind palette and a marker, in order.

    >>> inks(["loose", "coupled"])["coupled"]
    Ink(colour='#de8f05', marker='s', filled=True)
    """
    palette = seaborn.color_palette("colorblind").as_hex()
    return {
        group: Ink(palette[i % len(palette)], MARKERS[i % len(MARKERS)])
        for i, group in enumerate(dict.fromkeys(groups))
    }


def modality_inks(modalities: Iterable[str]) -> dict[str, Ink]:
    """Give each modality a colour that no network has; those of depth, semantic, rgb are fixed.

    >>> modality_inks(["sound", "depth"])["depth"] == modality_inks(["depth"])["depth"]
    True
    """
    names = list(dict.fromkeys(modalities))
    return {
        name: Ink(MODALITY_COLOURS[i % len(MODALITY_COLOURS)], MARKERS[i % len(MARKERS)])
        for i, name in enumerate(dict.fromkeys([*USUAL, *names]))
        if name in names
    }


@contextmanager
def styled() -> Iterator[None]:
    """Draw or save figures in one style: small sans-serif type for a column of a paper."""
    style: Any = {
        **seaborn.axes_style("ticks"),
        **seaborn.plotting_context("paper", rc={"lines.linewidth": 0.8}),
        "axes.labelsize": 8,
        "axes.linewidth": 0.6,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlesize": 8,
        "font.family": [FONT],
        "font.size": 7,
        "legend.fontsize": 7,
        "legend.frameon": False,
        "pdf.fonttype": 42,  # letters stay letters
        "savefig.dpi": 300,
        "svg.hashsalt": "influence",
        "text.parse_math": False,  # a network's name may hold a dollar sign
        "xtick.labelsize": 7,
        "xtick.major.size": 3,
        "xtick.major.width": 0.6,
        "ytick.labelsize": 7,
        "ytick.major.size": 3,
        "ytick.major.width": 0.6,
    }
    with matplotlib.rc_context(style):
        yield


def legible(name: object, most: int = LONGEST) -> str:
    r"""Return a name as a figure shows it: visibly, in letters that its font has, not too long.

    >>> legible("a\tb \x1b \u4e2d"), len(legible("a" * 300))
    ('a b \\x1b \\u4e2d', 60)
    """
    known = _letters()
    text = visible(name).replace("\t", " ").replace("\r\n", "\n")
    shown = (c if c == "\n" or ord(c) in known else code_of(c) for c in text)
    return shortened("".join(shown), most)


@cache
def _letters() -> Set[int]:
    """Return the numbers of the characters that the font of figures has."""
    return get_font(findfont(FONT)).get_charmap().keys()


def write_legend(figure: Figure, legend: Mapping[str, Artist]) -> None:
    """Write the legend below the panels, in as few lines as the width allows."""
    for columns in range(len(legend), 0, -1):
        written = figure.legend(
            list(legend.values()),
            list(map(legible, legend)),
            loc="outside lower center",
            ncols=columns,
            handlelength=1.2,
            handletextpad=0.5,
            columnspacing=1.2,
        )
        if columns == 1 or written.get_window_extent().width <= figure.bbox.width:
            return
        written.remove()


def heading(rows: pd.DataFrame, *facts: str) -> str:
    """Return the title of a figure: data sets, numbers of samples, `facts`, confidence.

    >>> rows = pd.DataFrame({"dataset": ["rooms"], "n": [120], "confidence": [0.95]})
    >>> heading(rows, "mute: zero")
    'rooms: n = 120; mute: zero; 95% intervals'
    """
    sizes = rows.groupby("dataset", sort=False)["n"].unique()
    counted = ", ".join(
        f"{legible(name)}: n = {' or '.join(map(str, n))}" for name, n in sizes.items()
    )
    levels = [f"{level:.0%} intervals" for level in rows["confidence"].dropna().unique()]
    return "; ".join([counted, *map(legible, facts), *levels])


def check_suffix(path: str | os.PathLike[str]) -> str:
    """Return the format of a file by its suffix.

    Raises
    ------
    InfluenceError
        If the suffix is none of `FORMATS`.

    Examples
    --------
    >>> check_suffix("figure7.PDF")
    'pdf'
    """
    suffix = Path(path).suffix.removeprefix(".").lower()
    if suffix not in FORMATS:
        raise InfluenceError(
            f"expected a file name that ends in {', '.join(f'.{name}' for name in FORMATS)}, "
            f"got {os.fspath(path)!r}; choose one of these"
        )
    return suffix


def save_figure(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Save a figure as PNG, PDF or SVG, by suffix; equal figures give equal bytes.

    Raises
    ------
    InfluenceError
        If the suffix is another, or the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "empty.svg"
    >>> save_figure(Figure(), path)
    >>> path.read_text()[:5]
    '<?xml'
    """
    suffix = check_suffix(path)
    with styled(), replace_on_success(path) as aside:
        figure.savefig(aside, format=suffix, metadata=dict(FORMATS[suffix]))
