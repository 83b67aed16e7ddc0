"""One table of several runs, read and put together for tables and plots.

Unlike `read_run` it needs only the table itself, so that it also reads a folder of a report, where
the samples and the statistics are not kept.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from influence.results import read_table

__all__ = ["read_tables"]

PACKED = {"samples": "samples.csv.gz"}
"""Table -> its file, where that is compressed."""


def read_tables(
    runs: Iterable[str | os.PathLike[str]], name: str, *, optional: bool = False
) -> pd.DataFrame:
    """Read one table of run directories, such as `influence`, into one frame.

    Parameters
    ----------
    runs
        The directories.
    name
        Of the table's file, without its suffix.
    optional
        Pass over runs without this file; the frame is empty if none has it.

    Raises
    ------
    InfluenceError
        If a file is missing, has other columns, holds no row, or text where numbers belong.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> from influence.results import PERFORMANCE_COLUMNS
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 0) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row]).to_csv(run / "performance.csv", index=False)
    >>> read_tables([run], "performance")[["network", "value"]].to_dict("records")
    [{'network': 'a', 'value': 0.0}]
    """
    paths = [Path(run) / PACKED.get(name, f"{name}.csv") for run in runs]
    if optional:
        paths = [path for path in paths if path.exists()]
    frames = [read_table(path, name) for path in paths]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
