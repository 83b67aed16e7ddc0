"""Sheets: the tables of runs in the page, every cell with the text of its file.

The page shows few columns, rounded; it holds all of them as text, so that a download has the rows
of the file with every digit.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from influence.results.selection import headline
from influence.results.tables import read_tables
from influence.results.verdict import verdicts
from influence.runtime.directories.commits import located
from influence.runtime.reading.text_files import open_table

__all__ = [
    "COLUMN_WORDS",
    "ROWS_AT_MOST",
    "Column",
    "Sheet",
    "packed_columns",
    "read_sheets",
]


ROWS_AT_MOST = 15_000
"""A longer table leaves out levels such as `class:floor`, first of minor metrics."""

SELECTS = ("network", "seed", "dataset", "mute", "setup", "site", "source", "target", "metric",
           "level", "kind", "players", "verdict")  # fmt: skip
"""Columns by which a table can be filtered, if they have several values."""

Kind = Literal["name", "metric", "value", "gain", "unit", "p", "number", "flag"]


@dataclass(frozen=True)
class Column:
    """A column that the page shows.

    Parameters
    ----------
    key
        Name of the file's column.
    kind
        How cells are shown. `name` as they are, `metric` by its label; `value` and `gain` in the
        unit of their row's metric; `unit` is the unit of a `value` or a `gain`, which `of` says;
        `p` as a p-value; `number` times `factor` with `digits`; `flag` in words.
    ends
        The columns of an interval, which is shown after the number.
    """

    key: str
    kind: Kind = "name"
    ends: tuple[str, str] | None = None
    factor: float = 1.0
    digits: int = 0
    of: str = ""

    @property
    def heading(self) -> str:
        """The heading of the column."""
        return COLUMN_WORDS.get(self.key, self.key)


@dataclass(frozen=True)
class Sheet:
    """One table.

    Parameters
    ----------
    name
        Name of the file, without its suffix.
    texts
        All columns and rows that the page holds, cells as the file writes them.
    columns
        The columns that are shown.
    title, about
        The heading of the table, and what its rows are, in a sentence.
    rows_in_file
        How many rows the files have; more than in `texts` if some are left out.
    """

    name: str
    texts: pd.DataFrame
    columns: tuple[Column, ...]
    title: str
    about: str
    rows_in_file: int

    @property
    def selects(self) -> dict[str, list[str]]:
        """The names by which it can be filtered, by column."""
        names = {key: list(self.texts[key].unique()) for key in SELECTS if key in self.texts}
        return {key: found for key, found in names.items() if len(found) > 1}

    @property
    def start(self) -> dict[str, str]:
        """The filters when the page opens: all samples together."""
        return {"level": "all"} if "all" in self.selects.get("level", ()) else {}


METRIC, UNIT, N = (
    Column("metric", "metric"),
    Column("unit", "unit", of="gain"),
    Column("n", "number"),
)


def _names(*keys: str) -> tuple[Column, ...]:
    return tuple(map(Column, keys))


SHOWN: Mapping[str, tuple[Column, ...]] = {
    "verdicts": (
        *_names("source", "target"),
        METRIC,
        Column("smallest", "gain"),
        Column("largest", "gain"),
        UNIT,
        *_names("verdict", "helps", "hurts", "undecided"),
    ),
    "influence": (
        *_names("mute", "site", "source", "target"),
        METRIC,
        *_names("level"),
        Column("omega", "gain", ends=("omega_low", "omega_high")),
        UNIT,
        Column("full", "value"),
        Column("muted", "value"),
        Column("p_holm", "p"),
        N,
    ),
    "performance": (
        *_names("mute", "setup", "target"),
        METRIC,
        *_names("level"),
        Column("value", "value", ends=("low", "high")),
        Column("unit", "unit", of="value"),
        N,
    ),
    "interactions": (
        *_names("mute", "target"),
        METRIC,
        *_names("level", "kind", "players"),
        Column("value", "gain", ends=("low", "high")),
        UNIT,
        N,
    ),
    "distance": (
        *_names("mute", "source", "place"),
        Column("distance", "number", digits=1),
        Column("threshold", "number", digits=1),
        Column("outside", "number", factor=100),
        Column("warning", "flag"),
        Column("samples", "number"),
    ),
}
"""Table -> the columns that are shown, in the order of the page."""

RUN_COLUMNS = ("network", "seed", "dataset", "site")
"""Columns that are shown if they have several values; the network always is."""


def read_sheets(runs: Iterable[str | os.PathLike[str]]) -> list[Sheet]:
    """Read the tables that runs have.

    Raises
    ------
    InfluenceError
        If a run has no `influence.csv`, or a table lacks columns or holds other types.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> from influence.results.tables import INFLUENCE_COLUMNS
    >>> row = dict.fromkeys(INFLUENCE_COLUMNS, 0) | {"network": "a", "n": 9, "confidence": 0.95,
    ...     "higher_is_better": True, "metric": "rms", "mute": "zero", "omega": 0.1, "level": "all"}
    >>> pd.DataFrame([row]).to_csv(run / "influence.csv", index=False)
    >>> [(sheet.name, sheet.texts["omega"].tolist()) for sheet in read_sheets([run])[1:]]
    [('influence', ['0.1'])]
    """
    folders = [Path(run) for run in runs]
    return [_sheet(name, texts) for name in SHOWN if len(texts := _texts(folders, name))]


def packed_columns(texts: pd.DataFrame) -> dict[str, Any]:
    """Write a table by columns, which compress well: each name once, and indices into the names.

    >>> packed_columns(pd.DataFrame({"mute": ["zero", "mean", "zero", "zero"]}))
    {'mute': {'names': ['zero', 'mean'], 'indices': '0,1,0,0'}}
    """
    return {str(key): _packed(list(column)) for key, column in texts.items()}


def _packed(cells: list[str]) -> dict[str, Any]:
    index = {name: i for i, name in enumerate(dict.fromkeys(cells))}
    if 2 * len(index) > len(cells):
        return {"names": cells}
    return {"names": list(index), "indices": ",".join(str(index[cell]) for cell in cells)}


def _texts(runs: list[Path], name: str) -> pd.DataFrame:
    if name == "verdicts":
        # Quoted, since the writer forgets to quote a carriage return.
        table = verdicts(read_tables(runs, "influence")).to_csv(index=False, quoting=csv.QUOTE_ALL)
        return _read_texts(StringIO(table))
    read_tables(runs, name, optional=name != "influence")  # checks the file
    paths = [located(run / f"{name}.csv") for run in runs]
    frames = [_read_file(path) for path in paths if path.exists()]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def _read_file(path: Path) -> pd.DataFrame:
    with open_table(path) as file:
        return _read_texts(file)


def _read_texts(source: Any) -> pd.DataFrame:
    return pd.read_csv(source, dtype=str, keep_default_na=False, na_filter=False)


def _sheet(name: str, texts: pd.DataFrame) -> Sheet:
    kept = _fitting(texts)
    shown = {column.key for column in SHOWN[name]}
    first = [
        Column(key)
        for key in RUN_COLUMNS
        if key in texts and key not in shown and (key == "network" or texts[key].nunique() > 1)
    ]
    columns = [*first, *(c for c in SHOWN[name] if c.key != "site" or texts["site"].nunique() > 1)]
    title, about = WORDS[name]
    return Sheet(name, kept.reset_index(drop=True), tuple(columns), title, about, len(texts))


def _fitting(texts: pd.DataFrame) -> pd.DataFrame:
    """Leave out levels of a table that is too long for a page."""
    if len(texts) <= ROWS_AT_MOST or "level" not in texts:
        return texts
    together = texts["level"] == "all"
    kept = texts[together | texts.index.isin(headline(texts).index)]
    return kept if len(kept) <= ROWS_AT_MOST else texts[together]


WORDS: Mapping[str, tuple[str, str]] = {
    "verdicts": (
        "Verdicts",
        "Do all ways to replace an input agree that it helps, or that it hurts? One row for each "
        "network, input, output and score.",
    ),
    "influence": (
        "Influence",
        "How much each output loses when one input is replaced: one row for each network, way to "
        "replace, input, output and score.",
    ),
    "performance": (
        "Performance",
        "How good each output is with all inputs, and with some of them replaced.",
    ),
    "interactions": (
        "Interactions",
        "What inputs give alone, together, and beyond the sum of both.",
    ),
    "distance": (
        "Distance from the data",
        "How far from ordinary data the network is when an input is replaced. Beyond the "
        "threshold an influence may be an artefact of the replacement.",
    ),
}
"""Table -> its title, and a sentence about its rows."""

COLUMN_WORDS: Mapping[str, str] = {
    "source": "input", "target": "output", "metric": "score", "omega": "influence ω",
    "full": "with the input", "muted": "without it", "p_holm": "p (Holm)", "n": "samples",
    "setup": "inputs present", "players": "inputs", "smallest": "smallest ω",
    "largest": "largest ω", "helps": "helps under", "hurts": "hurts under",
    "undecided": "undecided under", "outside": "channels outside, %", "warning": "far",
}  # fmt: skip
"""Column of a file -> its heading on the page, if that is another word."""
