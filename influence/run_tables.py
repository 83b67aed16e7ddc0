"""One table of several runs, read and put together for tables and plots.

Unlike `read_run` it needs only the table itself, so that it also reads a folder of a report, where
the samples and the statistics are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from influence.errors import InfluenceError
from influence.results import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS, TEXT, _read_table

__all__ = ["read_table", "read_tables"]

COLUMNS = {"influence": INFLUENCE_COLUMNS, "performance": PERFORMANCE_COLUMNS}


def read_tables(runs: Iterable[str | os.PathLike[str]], name: str) -> pd.DataFrame:
    """Read the table `influence` or `performance` of run directories into one frame.

    Raises
    ------
    InfluenceError
        If a file is missing, has other columns, holds no row, or text where numbers belong.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 0) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row]).to_csv(run / "performance.csv", index=False)
    >>> read_tables([run], "performance")[["network", "value"]].to_dict("records")
    [{'network': 'a', 'value': 0}]
    """
    paths = [Path(run) / f"{name}.csv" for run in runs]
    return pd.concat([read_table(path, name) for path in paths], ignore_index=True)


def read_table(path: Path, name: str) -> pd.DataFrame:
    """Read one file that has the columns of the table `influence` or `performance`.

    Raises
    ------
    InfluenceError
        If the file is missing, has other columns, holds no row, or text where numbers belong.
    """
    columns = COLUMNS[name]
    frame = _read_table(path, columns)
    remedy = "Write the table again with influence measure"
    if frame.empty:
        raise InfluenceError(f"{path}: expected one row or more, found none. {remedy}")
    for column in columns:
        if column == "higher_is_better":
            right, kind = is_bool_dtype(frame[column]), "True or False"
        else:
            right, kind = column in TEXT or is_numeric_dtype(frame[column]), "numbers"
        if not right:
            found = frame[column].iloc[0]
            raise InfluenceError(
                f"{path}: expected {kind} in column {column!r}, found such as {found!r}. {remedy}"
            )
    return frame
