"""Single samples: those that each source helps and hurts most, one row a sample."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.display.tables.arrangement import (
    arrange,
    describe,
    records,
    run_columns,
    write_headings,
)
from influence.errors import InfluenceError
from influence.results.selection import extreme_samples

__all__ = ["samples_table"]

VALUES: Mapping[str, Callable[[Any], tuple[str, str]]] = {
    "full": lambda row: ("", "full"),
    "muted": lambda row: ("", "muted"),
    "omega": lambda row: ("", "ω"),
}
"""Column of ``samples.csv.gz`` -> heading of the column of the table."""


def samples_table(
    samples: pd.DataFrame,
    *,
    source: Sequence[str] = (),
    target: Sequence[str] = (),
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    top: int = 10,
) -> Table:
    """List the samples that each source helps and hurts most.

    Parameters
    ----------
    samples : frame with the columns of ``samples.csv.gz``, of one run or of several.
    source, target, mute : names; all by default.
    metric : names of metrics; by default one per target: mean IoU, the squared relative error, or
        else the first in the file.
    top : how many samples a side.

    Raises
    ------
    InfluenceError
        If a name is unknown, or no sample is helped or hurt.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": "x",
    ...     "target": "y", "metric": "mse", "id": ["p", "q"], "group": [0, 1],
    ...     "full": [1.0, 4.0], "muted": [3.0, 1.0], "omega": [2.0, -3.0]})
    >>> from influence.display.table import format_table
    >>> print(*format_table(samples_table(frame), "text").splitlines()[4].split())
    a zero x → y: mse helped 1 p 1.0000 3.0000 2.0000
    """
    extremes = extreme_samples(
        samples, source=source, target=target, metric=metric, mute=mute, top=top
    )
    if extremes.empty:
        raise InfluenceError(
            "expected samples that a source helps or hurts, found none: no omega of a sample "
            "differs from zero. Choose another direction, metric or mute"
        )
    shown = extremes["metric"].map(display_of)
    sizes = samples.groupby("dataset", dropna=False)["id"].nunique()
    subjects = extremes.assign(
        direction=[_direction(row) for row in records(extremes)],
        digits=shown.map(lambda display: display.gain_digits),
        low=float("nan"),
        high=float("nan"),
        marked=False,
        best=False,
        n=extremes["dataset"].map(sizes),
    )
    gain = shown.map(lambda display: display.gain)
    columns = [
        subjects.assign(heading=write_headings(subjects, heading), value=subjects[column] * gain)
        for column, heading in VALUES.items()
    ]
    entries = pd.concat(columns, ignore_index=True)
    rows = (*run_columns(extremes), "mute", "direction", "side", "rank", "id", *_groups(samples))
    notes = [
        "Each sample alone: ω = A(nothing muted) − A(source muted), positive where the source "
        "helps the target.",
        *describe(entries, interval=False),
    ]
    title = "Samples that a source helps and hurts most"
    return arrange(entries, rows, title, notes, interval=False)


def _direction(row: Any) -> str:
    display = display_of(row.metric)
    unit = f", {display.unit}" if display.unit else ""
    factor = f"{display.gain:g}·" if display.gain != display.factor else ""
    return f"{row.source} → {row.target}: {factor}{display.label}{unit}"


def _groups(samples: pd.DataFrame) -> tuple[str, ...]:
    """Name the column of groups, if any group holds several samples."""
    counts = samples.groupby(["dataset", "group"], dropna=False)["id"].nunique()
    return ("group",) if (counts > 1).any() else ()
