"""Tables of performance: one row per network, one column per metric or class, the best bold."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import class_name, display_of, run_columns, value_heading
from influence.display.table import (
    Heading,
    Table,
    in_metric_order,
    make_cells,
    make_table,
)
from influence.errors import InfluenceError
from influence.results.selection import at_level, named, nothing_muted, scored_by

__all__ = ["class_table", "performance_table"]


def performance_table(
    performance: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    setup: Sequence[str] = (),
    level: str = "all",
    interval: bool = False,
) -> Table:
    """Tabulate performances: one row per network, one column per metric, the best in bold.

    The default is Table I of arXiv 1702.08009: the setup in which nothing is muted. Networks are
    equally good where the digits shown are the same.

    Parameters
    ----------
    performance
        Frame with the columns of `performance.csv`, of one run or of several; in a column `digits`
        decimals to show, where they are not those that are usual for the metric.
    metric
        Names of metrics, in the order of the columns; all by default.
    mute
        Names of mutes, for setups in which something is muted; all by default.
    setup
        Setups as the file names them (`depth`, `depth+semantic`, `none`), or `*` for all.
    level
        `all`, a slice such as `class:floor`, or a pattern such as `class:*`.
    interval
        Whether the cells show the interval.

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
    >>> from influence.display.table import format_table
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
    rows = (*run_columns(chosen), *(("mute", "setup") if setup else ()))
    title = "Performance" if setup else "Performance with nothing muted"

    def heading(row: Any) -> Heading:
        return row.target, value_heading(row)

    return in_metric_order(_performance(chosen, heading, rows, title, interval=interval), metric)


def class_table(
    performance: pd.DataFrame, *, metric: Sequence[str] = (), interval: bool = False
) -> Table:
    """Tabulate performances by class, with nothing muted: Table III of arXiv 1702.08009.

    The columns are the classes under one metric, the same metric over all classes, and the pixel
    accuracy if the file has it.

    Parameters
    ----------
    performance
        Frame with the columns of `performance.csv`, of one run or of several.
    metric
        Names of metrics; by default mean IoU, or else the first that has classes.
    interval
        Whether the cells show the interval.

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
    by_class = scored_by(by_class, metric)
    keys = ["network", "dataset", "target"]
    overall = performance.merge(by_class[keys].drop_duplicates(), on=keys)
    wholes = overall["metric"].isin([*by_class["metric"], "pixel_accuracy"])
    overall = overall[wholes & (overall["level"] == "all")]
    chosen = nothing_muted(pd.concat([by_class, overall], ignore_index=True))
    one_metric = by_class["metric"].nunique() == 1

    def heading(row: Any) -> Heading:
        class_alone = one_metric and row.level != "all"
        return row.target, class_name(row.level) if class_alone else value_heading(row)

    labels = ", ".join(display_of(name).label for name in by_class["metric"].unique())
    title = f"Performance by class with nothing muted: {labels}"
    rows = run_columns(chosen)
    return _performance(chosen, heading, rows, title, interval=interval)


def _performance(
    chosen: pd.DataFrame,
    heading: Callable[[Any], Heading],
    rows: tuple[str, ...],
    title: str,
    *,
    interval: bool,
) -> Table:
    displays = chosen["metric"].map(display_of)
    factor = displays.map(lambda display: display.factor)
    digits = displays.map(lambda display: display.digits)
    entries = make_cells(
        chosen,
        heading,
        chosen["value"] * factor,
        low=chosen["low"] * factor,
        high=chosen["high"] * factor,
        digits=chosen.get("digits", digits),
    )
    entries["best"] = _best(entries)
    return make_table([entries], rows, title, interval=interval)


def _best(entries: pd.DataFrame) -> pd.Series:
    """Find the best entries of a column and data set, to the digits shown; none if alone."""
    rows: Iterator[Any] = entries.itertuples()
    signed = [round(row.value, row.digits) * (1 if row.higher_is_better else -1) for row in rows]
    goodness = pd.Series(signed, index=entries.index)
    column = goodness.groupby([entries["dataset"], entries["heading"]], dropna=False)
    return (goodness == column.transform("max")) & (column.transform("size") > 1)
