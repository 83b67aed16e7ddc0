"""Cells: one value out of a CSV, found by what must hold for its rows."""

from __future__ import annotations

import json
import operator
import re
import tomllib
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from functools import reduce
from pathlib import Path
from typing import Any

import pandas as pd

from influence.errors import InfluenceError, unknown

__all__ = ["RULES", "rows_where", "source_file", "value_at", "value_of"]

CONDITION = re.compile(r"(.+?)(!=|<=|>=|=|<|>)(.*)", re.DOTALL)
ORDERS: dict[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
AGGREGATES: dict[str, Callable[[pd.Series], float]] = {
    "min": lambda values: float(values.min()),
    "max": lambda values: float(values.max()),
    "mean": lambda values: float(values.mean()),
    "sum": lambda values: float(values.sum()),
}
RULES = ("every", *AGGREGATES, "count", "distinct")
"""What to make of several rows."""


def source_file(path: Path) -> Any:
    """Read a CSV as a frame of strings, or a TOML or JSON file as it is.

    Raises
    ------
    InfluenceError
        If there is none.
    """
    try:
        if path.suffix == ".csv":
            return pd.read_csv(path, dtype="str", keep_default_na=False)
        load = tomllib.loads if path.suffix == ".toml" else json.loads
        return load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path}: expected a CSV, TOML or JSON file ({error})") from error


def value_at(found: Any, path: str) -> Any:
    """Return what stands at a key, or a place from 0, with dots between it and those inside it.

    >>> value_at({"joint": {"epochs": [20, 30]}}, "joint.epochs.1")
    30
    """

    def inside(found: Any, key: str) -> Any:
        if isinstance(found, list):
            found = {str(place): value for place, value in enumerate(found)}
        if not isinstance(found, dict) or key not in found:
            raise unknown("key", key, found if isinstance(found, dict) else [])
        return found[key]

    return reduce(inside, path.split("."), found)


def rows_where(table: pd.DataFrame, conditions: Iterable[str]) -> pd.DataFrame:
    """Return the rows of a table of strings for which all conditions hold.

    Parameters
    ----------
    table
        Strings, as the file has them.
    conditions
        ``COLUMN=VALUE``, with ``|`` between alternatives and ``*`` for anything, or with ``!=``,
        ``<``, ``<=``, ``>``, ``>=``; ``{COLUMN}`` as a value is that column of the same row.

    Raises
    ------
    InfluenceError
        If there is no such column, or it has no numbers to be compared.

    Examples
    --------
    >>> table = pd.DataFrame({"mute": ["zero", "mean", "noise"], "omega": ["3", "-1", "2"]})
    >>> rows_where(table, ["omega>0", "mute=z*|mean"])["mute"].tolist()
    ['zero']
    """
    for condition in conditions:
        match = CONDITION.fullmatch(condition)
        if match is None:
            raise InfluenceError(f"expected a condition such as mute=zero, got {condition!r}")
        column, sign, value = match.groups()
        cells = _column(table, column)
        if sign in ORDERS:
            table = table[ORDERS[sign](_numbers(cells), _limit(value))]
        else:
            table = table[_alike(table, cells, value) == (sign == "=")]
    return table


def value_of(rows: pd.DataFrame, column: str, rule: str = "") -> Any:
    """Return the value of one row, or what a rule makes of several.

    Raises
    ------
    InfluenceError
        If there is no such column, or not one row where no rule is given.

    Examples
    --------
    >>> value_of(pd.DataFrame({"n": ["654", "654"]}), "n", "every")
    '654'
    """
    if rule == "count":
        return len(rows)
    cells = _column(rows, column)
    if rule == "distinct":
        return cells.nunique()
    if rule in AGGREGATES and len(cells):
        return AGGREGATES[rule](_numbers(cells))
    if rule == "every":
        cells = cells.drop_duplicates()
    if len(cells) != 1:
        wanted = {"": "one row", "every": "rows of one value"}.get(rule, "rows")
        found = ", ".join(cells.head(3)) or "none"
        raise InfluenceError(f"expected {wanted}, found {len(cells)}: {found}. Mend its conditions")
    return cells.iloc[0]


def _column(table: pd.DataFrame, name: str) -> pd.Series:
    if name not in table:
        raise unknown("column", name, table.columns.astype(str))
    return table[name]


def _alike(table: pd.DataFrame, cells: pd.Series, value: str) -> pd.Series:
    if value.startswith("{"):
        return cells == _column(table, value.strip("{}"))
    patterns = value.split("|")
    return cells.map(lambda cell: any(fnmatchcase(cell, pattern) for pattern in patterns))


def _numbers(cells: pd.Series) -> pd.Series:
    try:
        return pd.to_numeric(cells)
    except ValueError as error:
        raise InfluenceError(f"expected numbers in column {cells.name!r} ({error})") from None


def _limit(value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise InfluenceError(f"expected a number to compare with, got {value!r}") from None
