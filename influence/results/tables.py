"""Tables of a run: their columns, the type of each column, and the files that store them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype, pandas_dtype

from influence.errors import InfluenceError
from influence.runtime.directories.commits import located, settle
from influence.runtime.reading.text_files import open_table

__all__ = [
    "COLUMNS",
    "DISTANCE_COLUMNS",
    "FLAGS",
    "INFLUENCE_COLUMNS",
    "INTERACTIONS_COLUMNS",
    "PERFORMANCE_COLUMNS",
    "SAMPLES_COLUMNS",
    "TEXT",
    "UNREADABLE",
    "check_values",
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


UNREADABLE = (OSError, ValueError, EOFError, OverflowError, MemoryError, zlib.error)
"""What pandas raises for a file that is not the table that it should be."""


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


def check_values(frame: pd.DataFrame) -> None:
    """Check that the numbers of a table are such as a measurement can have.

    Probabilities are from 0 to 1, a confidence is between these, each result is of one sample or
    more, and an interval begins below its end. An omega is infinite only if a performance is, such
    as the PSNR of a prediction without error. What is missing may be missing.

    Parameters
    ----------
    frame
        A table with any of the columns of `COLUMNS`, each of its type.

    Raises
    ------
    InfluenceError
        If a number is none of these; the message names the column and the number.

    Examples
    --------
    >>> check_values(pd.DataFrame({"p_value": [0.5, None], "n": [3, 1]}))
    >>> check_values(pd.DataFrame({"p_value": [0.5, float("inf")]}))
    Traceback (most recent call last):
    ...
    influence.errors.InfluenceError: expected p_value from 0 to 1, found inf. Write the table \
again with influence measure
    """
    for columns, lowest, highest, words in RANGES:
        for column in columns:
            if column in frame:
                numbers = frame[column]
                _refuse(numbers, (numbers < lowest) | (numbers > highest), words)
    for low, high in INTERVALS:
        if low in frame and high in frame:
            _refuse(frame[low], frame[low] > frame[high], f"no greater than {high}")
    if {"omega", "full", "muted"} <= set(frame.columns):
        finite = np.isfinite(frame["full"]) & np.isfinite(frame["muted"])
        wrong = np.isinf(frame["omega"]) & finite
        _refuse(frame["omega"], wrong, "finite where full and muted are")


def _refuse(numbers: pd.Series, wrong: pd.Series, words: str) -> None:
    if wrong.any():
        raise InfluenceError(
            f"expected {numbers.name} {words}, found {numbers[wrong].iloc[0]}. Write the table "
            "again with influence measure"
        )


RANGES = (
    (("p_value", "p_holm", "outside"), 0.0, 1.0, "from 0 to 1"),
    (("confidence",), np.nextafter(0.0, 1.0), np.nextafter(1.0, 0.0), "between 0 and 1"),
    (("n", "samples"), 1, np.inf, "of 1 or more"),
    (("distance", "threshold", "group"), 0.0, np.inf, "of 0 or more"),
)
"""Columns, the least and the greatest number that they can hold, and these in words."""

INTERVALS = (("omega_low", "omega_high"), ("low", "high"))

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

OWN_FILES = frozenset({"run.json", "rows.h5", *FILES.values()})
"""The files of a run. No other file of its directory is ever replaced or removed."""


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
        with open_table(located(path)) as file:
            _check_end(located(path))
            frame = pd.read_csv(
                file,
                keep_default_na=False,
                na_values={name: [""] for name in columns if name not in TEXT},
                dtype={name: "str" for name in columns if name in TEXT},
            )
    except UNREADABLE as error:
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
        found = typed(frame)
        check_values(found)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}") from error
    return found


def _check_end(path: Path) -> None:
    """Raise ValueError if a table does not end with a line, as one that was cut off."""
    if path.suffix != ".csv":  # one that is packed has a checksum
        return
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END):
            file.seek(-1, os.SEEK_END)
            if file.read(1) not in b"\r\n":
                raise ValueError("its last line is cut off")


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
    >>> known = {"network": "a", "n": 9, "confidence": 0.95, "higher_is_better": True}
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 0) | known
    >>> pd.DataFrame([row]).to_csv(run / "performance.csv", index=False)
    >>> read_tables([run], "performance")[["network", "value"]].to_dict("records")
    [{'network': 'a', 'value': 0.0}]
    """
    paths = [Path(run) / FILES[name] for run in runs]
    for path in paths:
        settle(path.parent, OWN_FILES.__contains__)
    if optional:
        paths = [path for path in paths if located(path).exists()]
    frames = [read_table(path, name) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
