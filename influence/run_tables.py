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
    >>> from influence.results import PERFORMANCE_COLUMNS
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 0) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row]).to_csv(run / "performance.csv", index=False)
    >>> read_tables([run], "performance")[["network", "value"]].to_dict("records")
    [{'network': 'a', 'value': 0}]
    """
    paths = [Path(run) / f"{name}.csv" for run in runs]
    return pd.concat([read_table(path, name) for path in paths], ignore_index=True)
