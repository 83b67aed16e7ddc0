"""The tables: which numbers of `influence.csv` and `performance.csv` stand where.

Pure functions from a frame of results to a `Table`, which `format_table` turns into text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from influence.display import display_of
from influence.errors import InfluenceError
from influence.selection import at_level, headline, named, nothing_muted
from influence.table_formats import Table

__all__ = ["TABLES", "class_table", "omega_table", "performance_table"]

SIGNIFICANT = 0.05


def omega_table(
    influence: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Arrange omegas: one row per network and mute, one column per direction and metric.

    Parameters
    ----------
    influence : frame with the columns of `influence.csv`, of one run or of several.
    metric : names of metrics, in the order of the columns; by default one per target: mean IoU,
        the squared relative error, or else the first in the file.
    mute : names of mutes; all by default.
    level : `all`, a slice such as `class:floor`, or a pattern such as `class:*`.
    interval : whether the cells show the interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": ["a"], "seed": 0, "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": 0.0094, "omega_low": 0.001, "omega_high": 0.02,
    ...     "confidence": 0.95, "p_holm": 0.01, "n": 654, "checkpoint_sha256": "17ab"})
    >>> from influence.table_formats import format_table
    >>> print(format_table(omega_table(frame), "text").splitlines()[4])
    a          zero                 0.94 [0.10, 2.00]*
    """
    chosen = at_level(named(influence, "mute", mute), level)
    chosen = named(chosen, "metric", metric) if metric else headline(chosen)
    shown = chosen["metric"].map(display_of)
    gain = shown.map(lambda display: display.gain)
    entries = chosen.assign(
        heading=_headings(chosen, lambda row: (f"{row.source} → {row.target}", _gain_heading(row))),
        value=chosen["omega"] * gain,
        low=chosen["omega_low"] * gain,
        high=chosen["omega_high"] * gain,
        digits=shown.map(lambda display: display.gain_digits),
        marked=chosen["p_holm"] < SIGNIFICANT,
        best=False,
    )
    notes = [
        "ω(source → target) = A(nothing muted) − A(source muted), in the unit of A, which stands "
        "below the direction; positive: the source helps the target."
    ]
    if entries["marked"].any():
        notes.append(f"* p < {SIGNIFICANT:g} (sign-flip test, Holm).")
    notes += [*_notes(entries, interval=interval), *_checkpoints(chosen)]
    rows = (*_run_columns(chosen), "mute")
    table = _table(entries, rows, "Cross-modality influence ω", notes, interval=interval)
    return _ordered(table, metric)


def performance_table(
    performance: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    setup: Sequence[str] = (),
    level: str = "all",
    interval: bool = False,
) -> Table:
    """Arrange performances: one row per network, one column per metric, the best in bold.

    The default is Table I of arXiv 1702.08009: the setup in which nothing is muted. Networks are
    equally good where the digits shown are the same.

    Parameters
    ----------
    performance : frame with the columns of `performance.csv`, of one run or of several.
    metric : names of metrics, in the order of the columns; all by default.
    mute : names of mutes, for setups in which something is muted; all by default.
    setup : setups as the file names them (`depth`, `depth+semantic`, `none`), or `*` for all.
    level : `all`, a slice such as `class:floor`, or a pattern such as `class:*`.
    interval : whether the cells show the interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": ["a", "b"], "seed": 0, "dataset": "d", "mute": "zero",
    ...     "setup": "depth+semantic", "target": "depth", "metric": "rms", "level": "all",
    ...     "higher_is_better": False, "unit": "m", "value": [0.687, 0.673], "low": float("nan"),
    ...     "high": float("nan"), "confidence": float("nan"), "n": 654})
    >>> from influence.table_formats import format_table
    >>> print(format_table(performance_table(frame), "md").splitlines()[5])
    | b         |        **0.6730** |
    """
    chosen = named(at_level(performance, level), "metric", metric).reset_index(drop=True)
    full = nothing_muted(chosen)
    if not setup:
        chosen = full
    else:
        muted = named(chosen.drop(full.index), "mute", mute)
        chosen = pd.concat([full, muted]).sort_index()
        chosen = chosen if "*" in setup else named(chosen, "setup", setup)
    headings = _headings(chosen, lambda row: (row.target, _value_heading(row)))
    rows = (*_run_columns(chosen), *(("mute", "setup") if setup else ()))
    title = "Performance" if setup else "Performance with nothing muted"
    return _ordered(_performance(chosen, headings, rows, title, interval=interval), metric)


def class_table(
    performance: pd.DataFrame, *, metric: Sequence[str] = (), interval: bool = False
) -> Table:
    """Arrange performances by class, with nothing muted: Table III of arXiv 1702.08009.

    The columns are the classes under one metric, that metric as a whole, and the pixel accuracy
    where the file has it. The metric is mean IoU, or else the first that has classes; `metric`
    names others.

    Raises
    ------
    InfluenceError
        If the file has no row at a level `class:...`, or a name is unknown.
    """
    by_class = performance[performance["level"].str.startswith("class:")]
    if by_class.empty:
        raise InfluenceError(
            "expected rows at levels 'class:...', which a metric on named classes gives; found "
            "none. Measure such a metric (mean_iou) on an output with classes"
        )
    by_class = named(by_class, "metric", metric) if metric else headline(by_class)
    keys = ["network", "dataset", "target"]
    overall = performance.merge(by_class[keys].drop_duplicates(), on=keys)
    wholes = overall["metric"].isin([*by_class["metric"], "pixel_accuracy"])
    overall = overall[wholes & (overall["level"] == "all")]
    chosen = nothing_muted(pd.concat([by_class, overall], ignore_index=True))
    one_metric = by_class["metric"].nunique() == 1

    def heading(row: Any) -> tuple[str, str]:
        class_alone = one_metric and row.level != "all"
        return row.target, _class(row.level) if class_alone else _value_heading(row)

    labels = ", ".join(display_of(name).label for name in by_class["metric"].unique())
    title = f"Performance by class with nothing muted: {labels}"
    rows = _run_columns(chosen)
    return _performance(chosen, _headings(chosen, heading), rows, title, interval=interval)


TABLES: Mapping[str, tuple[str, Callable[..., Table]]] = {
    "omega": ("influence", omega_table),
    "performance": ("performance", performance_table),
    "classes": ("performance", class_table),
}
"""Kind of table -> the frame of a run that it takes, and the function."""


def _performance(
    chosen: pd.DataFrame,
    headings: pd.Series,
    rows: tuple[str, ...],
    title: str,
    *,
    interval: bool,
) -> Table:
    shown = chosen["metric"].map(display_of)
    factor = shown.map(lambda display: display.factor)
    entries = chosen.assign(
        heading=headings,
        value=chosen["value"] * factor,
        low=chosen["low"] * factor,
        high=chosen["high"] * factor,
        digits=shown.map(lambda display: display.digits),
        marked=False,
    )
    entries["best"] = _best(entries)
    return _table(entries, rows, title, _notes(entries, interval=interval), interval=interval)


def _best(entries: pd.DataFrame) -> pd.Series:
    """Tell the best entries of a column and data set, to the digits shown; none if alone."""
    goodness = pd.Series(
        [
            round(row.value, row.digits) * (1 if row.higher_is_better else -1)
            for row in _records(entries)
        ],
        index=entries.index,
    )
    column = goodness.groupby([entries["dataset"], entries["heading"]], dropna=False)
    return (goodness == column.transform("max")) & (column.transform("size") > 1)


def _table(
    entries: pd.DataFrame, rows: tuple[str, ...], title: str, notes: list[str], *, interval: bool
) -> Table:
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


def _ordered(table: Table, metrics: Sequence[str]) -> Table:
    """Put the columns in the order of the metrics that were asked for."""
    if not metrics:
        return table
    place = table.entries["metric"].map(list(metrics).index).argsort(kind="stable")
    return replace(table, headings=tuple(dict.fromkeys(table.entries["heading"].iloc[place])))


def _run_columns(frame: pd.DataFrame) -> tuple[str, ...]:
    """Name a row by its network, and by data set and seed where these tell rows apart."""
    datasets = ("dataset",) if frame["dataset"].nunique(dropna=False) > 1 else ()
    several = frame.groupby(["network", "dataset"], dropna=False)["seed"].nunique(dropna=False)
    return ("network", *datasets, *(("seed",) if (several > 1).any() else ()))


def _records(frame: pd.DataFrame) -> Iterator[Any]:
    return iter(frame.itertuples())


def _headings(frame: pd.DataFrame, heading: Callable[[Any], tuple[str, str]]) -> pd.Series:
    return pd.Series([heading(row) for row in _records(frame)], index=frame.index, dtype=object)


def _gain_heading(row: Any) -> str:
    display = display_of(row.metric)
    heading = display.gain_heading(higher_is_better=row.higher_is_better, unit=_unit(row))
    return heading + _slice(row.level)


def _value_heading(row: Any) -> str:
    display = display_of(row.metric)
    heading = display.value_heading(higher_is_better=row.higher_is_better, unit=_unit(row))
    return heading + _slice(row.level)


def _unit(row: Any) -> str:
    return "" if pd.isna(row.unit) else str(row.unit)


def _slice(level: str) -> str:
    return "" if level == "all" else f", {_class(level)}"


def _class(level: str) -> str:
    return level.removeprefix("class:")


def _notes(entries: pd.DataFrame, *, interval: bool) -> list[str]:
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


def _checkpoints(influence: pd.DataFrame) -> list[str]:
    hashes = influence[["network", "checkpoint_sha256"]].fillna("").drop_duplicates()
    listed = [f"{network} {sha[:12]}" for network, sha in hashes.itertuples(index=False) if sha]
    return [f"Checkpoints (SHA-256): {', '.join(listed)}."] if listed else []
