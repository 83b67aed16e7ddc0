"""Arrangement: what all tables share, their rows, headings, and the notes below them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.errors import InfluenceError

__all__ = [
    "SIGNIFICANT",
    "arrange",
    "checkpoints",
    "class_name",
    "describe",
    "direction",
    "gain_heading",
    "in_metric_order",
    "records",
    "run_columns",
    "under_heading",
    "value_heading",
    "write_headings",
]

SIGNIFICANT = 0.05
"""Below this an adjusted p-value gets an asterisk."""


def arrange(
    entries: pd.DataFrame, rows: tuple[str, ...], title: str, notes: list[str], *, interval: bool
) -> Table:
    """Put entries together to a table.

    Raises
    ------
    InfluenceError
        If two entries claim the same cell.
    """
    twice = entries.duplicated([*rows, "heading"])
    if twice.any():
        first = entries[twice].iloc[0]
        raise InfluenceError(
            f"two results claim one cell: network {first['network']!r}, column "
            f"{', '.join(first['heading'])!r}. Give each run once, and each network a name of its "
            "own (influence.json)"
        )
    entries = entries.assign(seed=entries["seed"].astype("Int64")).reset_index(drop=True)
    return Table(entries, rows, title, tuple(notes), interval)


def in_metric_order(table: Table, metrics: Sequence[str]) -> Table:
    """Put the columns in the order of the metrics that were asked for."""
    if not metrics:
        return table
    place = table.entries["metric"].map(list(metrics).index).argsort(kind="stable")
    return replace(table, headings=tuple(dict.fromkeys(table.entries["heading"].iloc[place])))


def run_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Name a row by its network, and by data set and seed where these tell rows apart."""
    datasets = ("dataset",) if frame["dataset"].nunique(dropna=False) > 1 else ()
    several = frame.groupby(["network", "dataset"], dropna=False)["seed"].nunique(dropna=False)
    return ("network", *datasets, *(("seed",) if (several > 1).any() else ()))


def records(frame: pd.DataFrame) -> Iterator[Any]:
    """Yield the rows of a frame, columns as attributes."""
    return iter(frame.itertuples())


def write_headings(frame: pd.DataFrame, heading: Callable[[Any], tuple[str, str]]) -> pd.Series:
    """Give each row of a frame its heading, a pair (group of columns, column)."""
    return pd.Series([heading(row) for row in records(frame)], index=frame.index, dtype=object)


def under_heading(heading: tuple[str, str], frame: pd.DataFrame) -> pd.DataFrame:
    """Put all rows of a frame into one column."""
    return frame.assign(heading=write_headings(frame, lambda _: heading))


def direction(row: Any) -> str:
    """Name the source, the target and the oriented performance of a row."""
    return f"{row.source} → {row.target}: {gain_heading(row)}"


def gain_heading(row: Any) -> str:
    """Name the oriented performance of which a row's omega is a difference, and its level."""
    display = display_of(row.metric)
    heading = display.gain_heading(higher_is_better=row.higher_is_better, unit=_unit(row))
    return heading + _slice(row.level)


def value_heading(row: Any) -> str:
    """Name the performance of a row, and its level."""
    display = display_of(row.metric)
    heading = display.value_heading(higher_is_better=row.higher_is_better, unit=_unit(row))
    return heading + _slice(row.level)


def _unit(row: Any) -> str:
    return "" if pd.isna(row.unit) else str(row.unit)


def _slice(level: str) -> str:
    return "" if level == "all" else f", {class_name(level)}"


def class_name(level: str) -> str:
    """Return a level as it is shown: a class by its name alone."""
    return level.removeprefix("class:")


def describe(entries: pd.DataFrame, *, interval: bool) -> list[str]:
    """Say what every table has to say: definitions, interval, data set and n."""
    shown = [display_of(metric) for metric in entries["metric"].unique()]
    definitions = [f"{each.label}: {each.definition}" for each in shown if each.definition]
    notes = ["; ".join(definitions) + "."] if definitions else []
    if interval and entries["low"].notna().any():
        levels = " or ".join(f"{level:.0%}" for level in entries["confidence"].dropna().unique())
        notes.append(f"Brackets: {levels} interval.")
    sizes = entries.groupby("dataset", sort=False, dropna=False)["n"].unique()
    counted = [f"n = {' or '.join(map(str, n))} samples of {name}" for name, n in sizes.items()]
    return [*notes, "; ".join(counted) + "."]


def checkpoints(influence: pd.DataFrame) -> list[str]:
    """Say which checkpoints the networks were."""
    hashes = influence[["network", "checkpoint_sha256"]].fillna("").drop_duplicates()
    listed = [f"{network} {sha[:12]}" for network, sha in hashes.itertuples(index=False) if sha]
    return [f"Checkpoints (SHA-256): {', '.join(listed)}."] if listed else []
