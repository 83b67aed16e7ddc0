"""The types of columns: what each name in the tables of a run holds, whatever table it is in."""

from __future__ import annotations

import pandas as pd
from pandas.api.types import pandas_dtype

from influence.errors import InfluenceError

__all__ = ["FLAGS", "TEXT", "dtype_of", "typed"]

TEXT = ("network", "dataset", "mute", "site", "source", "target", "metric", "level", "unit",
        "setup", "id", "kind", "players", "place", "checkpoint_sha256")  # fmt: skip
"""Names and hashes; empty where there is none."""

FLAGS = ("higher_is_better", "warning")
COUNTS = ("group", "n", "samples")
LABELS = ("seed",)
"""Whole numbers that may be missing."""


def dtype_of(column: str) -> str:
    """Return the pandas type of a column: text, true or false, whole or real numbers.

    >>> [dtype_of(name) for name in ("network", "seed", "n", "higher_is_better", "omega")]
    ['str', 'Int64', 'int64', 'bool', 'float64']
    """
    kinds = {TEXT: "str", FLAGS: "bool", COUNTS: "int64", LABELS: "Int64"}
    return next((dtype for names, dtype in kinds.items() if column in names), "float64")


def typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Give every column the type of its name.

    Raises
    ------
    InfluenceError
        If a column holds something else, such as no number where there has to be one.

    Examples
    --------
    >>> frame = typed(pd.DataFrame({"network": ["a", "b"], "seed": [0, None], "omega": [1, None]}))
    >>> frame.dtypes.astype(str).to_list(), frame["seed"].isna().tolist()
    (['str', 'Int64', 'float64'], [False, True])
    """
    return frame.assign(**{name: _typed(frame[name]) for name in map(str, frame.columns)})


def _typed(cells: pd.Series) -> pd.Series:
    dtype = dtype_of(str(cells.name))
    try:
        if dtype == "str":
            cells = cells.fillna("")
        elif dtype == "int64":  # which would cut off what stands behind the point
            cells = cells.astype("Int64")
        return cells.astype(pandas_dtype(dtype))
    except (TypeError, ValueError, OverflowError) as error:
        raise InfluenceError(
            f"expected {dtype} in column {cells.name!r} ({error}). Write the table again with "
            "influence measure"
        ) from error
