"""Tables of a run: their columns, the type of each column, and the files that store them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype, pandas_dtype

from influence.errors import InfluenceError
from influence.runtime.directories.commits import located, settle

__all__ = [
    "COLUMNS",
    "DISTANCE_COLUMNS",
    "FLAGS",
    "INFLUENCE_COLUMNS",
    "INTERACTIONS_COLUMNS",
    "PERFORMANCE_COLUMNS",
    "SAMPLES_COLUMNS",
    "TEXT",
    "dtype_of",
    "empty_table",
    "read_table",
    "read_tables",
    "typed",
]


TEXT = ("network", "dataset", "mute", "site", "source", "target", "metric", "level", "unit",
        "setup", "id", "kind", "players", "place", "checkpoint_sha256")  # fmt: skip
"""Columns of names and hashes, which are empty if missing."""

FLAGS = ("higher_is_better", "warning")

COUNTS = ("group", "n", "samples")

LABELS = ("seed",)
"""Columns of whole numbers that may be missing."""


def dtype_of(column: str) -> str:
    """Return the pandas type of a column, which is the same in all tables.

    Examples
    --------
    >>> [dtype_of(name) for name in ("network", "seed", "n", "higher_is_better", "omega")]
    ['str', 'Int64', 'int64', 'bool', 'float64']
    """
    kinds = {TEXT: "str", FLAGS: "bool", COUNTS: "int64", LABELS: "Int64"}
    return next((dtype for names, dtype in kinds.items() if column in names), "float64")


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Convert every column of a frame to its type; see `dtype_of`.

    Raises
    ------
    InfluenceError
        If a column has values that cannot be converted.

    Examples
    --------
    >>> frame = typed(pd.DataFrame({"network": ["a", "b"], "seed": [0, None], "omega": [1, None]}))
    >>> frame.dtypes.astype(str).to_list(), frame["seed"].isna().tolist()
    (['str', 'Int64', 'float64'], [False, True])
    """
    return frame.assign(**{name: _typed(frame[name]) for name in map(str, frame.columns)})


def _typed(cells: pd.Series) -> pd.Series:
    dtype = dtype_of(str(cells.name))
    if str(cells.dtype) == dtype and not (dtype == "str" and cells.hasnans):
        return cells
    try:
        if dtype == "str":
            cells = cells.fillna("")
        elif dtype == "int64":  # whose conversion would truncate fractions; that of Int64 fails
            cells = cells.astype("Int64")
        return cells.astype(pandas_dtype(dtype))
    except (TypeError, ValueError, OverflowError) as error:
        raise InfluenceError(
            f"expected {dtype} in column {cells.name!r} ({error}). Write the table again with "
            "influence measure"
        ) from error


INFLUENCE_COLUMNS = (
    "network", "seed", "dataset", "mute", "site", "source", "target", "metric", "level",
    "higher_is_better", "unit", "full", "muted", "omega", "omega_low", "omega_high", "confidence",
    "p_value", "p_holm", "n", "checkpoint_sha256",
)  # fmt: skip

PERFORMANCE_COLUMNS = (
    "network", "seed", "dataset", "mute", "setup", "target", "metric", "level",
    "higher_is_better", "unit", "value", "low", "high", "confidence", "n",
)  # fmt: skip

SAMPLES_COLUMNS = (
    "network", "seed", "dataset", "mute", "source", "target", "metric", "id", "group", "full",
    "muted", "omega",
)  # fmt: skip

INTERACTIONS_COLUMNS = (
    "network", "seed", "dataset", "mute", "target", "metric", "level", "kind", "players", "value",
    "low", "high", "confidence", "n",
)  # fmt: skip

DISTANCE_COLUMNS = (
    "network", "seed", "dataset", "mute", "source", "place", "distance", "outside", "threshold",
    "warning", "samples",
)  # fmt: skip

COLUMNS = {
    "influence": INFLUENCE_COLUMNS,
    "performance": PERFORMANCE_COLUMNS,
    "samples": SAMPLES_COLUMNS,
    "interactions": INTERACTIONS_COLUMNS,
    "distance": DISTANCE_COLUMNS,
}


FILES = {name: f"{name}.csv" for name in COLUMNS} | {"samples": "samples.csv.gz"}
"""For each table its file in a run directory."""


ASKED = {"interactions": "interactions=True"}
"""Tables that a run has only if they were asked for, and how they are."""


def empty_table(name: str) -> pd.DataFrame:
    """Return a table without rows.

    Examples
    --------
    >>> empty_table("interactions").columns[-1]
    'n'
    """
    return typed(pd.DataFrame(columns=list(COLUMNS[name])))


def read_table(path: Path, name: str) -> pd.DataFrame:
    """Read the file of one table, such as `influence`, with the types of its columns.

    Raises
    ------
    InfluenceError
        If the file is missing, has other columns, no row, or text in a column of numbers.
    """
    columns = COLUMNS[name]
    remedy = "Write the table again with influence measure"
    if name == "samples":
        remedy += ", not streamed: a stream keeps no samples"
    try:
        # A network may be called 'NA', so only empty cells are missing values.
        if name in ASKED and path.parent.is_dir() and not located(path).exists():
            raise InfluenceError(
                f"{path.parent} holds no {path.name}, which a run has only if it was asked for. "
                f"Measure again with {ASKED[name]}"
            )
        frame = pd.read_csv(
            located(path),
            keep_default_na=False,
            na_values={name: [""] for name in columns if name not in TEXT},
            dtype={name: "str" for name in columns if name in TEXT},
        )
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise InfluenceError(
            f"{path}: expected a table that influence measure wrote ({error}). {remedy}"
        ) from error
    if tuple(frame.columns) != columns:
        missing = [name for name in columns if name not in frame.columns]
        raise InfluenceError(
            f"{path}: expected the columns {', '.join(columns)}; missing: {missing or 'none'}, "
            f"in this order. {remedy}"
        )
    if frame.empty:
        raise InfluenceError(f"{path}: expected one row or more, found none. {remedy}")
    for column in columns:
        if column in FLAGS:
            right, kind = is_bool_dtype(frame[column]), "True or False"
        else:
            right, kind = column in TEXT or is_numeric_dtype(frame[column]), "numbers"
        if not right:
            found = frame[column].iloc[0]
            raise InfluenceError(
                f"{path}: expected {kind} in column {column!r}, found such as {found!r}. {remedy}"
            )
    try:
        return typed(frame)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}") from error


def read_tables(
    runs: Iterable[str | os.PathLike[str]], name: str, *, optional: bool = False
) -> pd.DataFrame:
    """Read the same table of several run directories into one frame.

    Parameters
    ----------
    runs
        The directories.
    name
        The name of the table, such as `influence`.
    optional
        Whether to skip runs without this file; the frame is empty if no run has it.

    Raises
    ------
    InfluenceError
        If a file cannot be read; see `read_table`.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 0) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row]).to_csv(run / "performance.csv", index=False)
    >>> read_tables([run], "performance")[["network", "value"]].to_dict("records")
    [{'network': 'a', 'value': 0.0}]
    """
    paths = [Path(run) / FILES[name] for run in runs]
    for path in paths:
        settle(path.parent)
    if optional:
        paths = [path for path in paths if located(path).exists()]
    frames = [read_table(path, name) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
