"""Table of single samples: those that each source helps and hurts most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import display_of, gains, run_columns
from influence.display.table import Heading, Table, make_cells, make_table, notes_of
from influence.errors import InfluenceError
from influence.results.selection import extreme_samples

__all__ = ["samples_table"]

VALUES: Mapping[str, Heading] = {"full": ("", "full"), "muted": ("", "muted"), "omega": ("", "ω")}
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
    """Tabulate the samples that each source helps and hurts most, one row per sample.

    Parameters
    ----------
    samples
        Frame with the columns of ``samples.csv.gz``, of one run or of several.
    source, target, mute
        Names; all by default.
    metric
        Names of metrics; by default one per target: mean IoU, the squared relative error, or else
        the first in the file.
    top
        How many samples are helped, and how many hurt.

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
    sizes = samples.groupby("dataset", dropna=False)["id"].nunique()
    named = extremes.assign(
        direction=[_direction(row) for row in extremes.itertuples()],
        n=extremes["dataset"].map(sizes),
    )
    gain = gains(extremes["metric"])
    columns = [
        make_cells(named, heading, named[column] * gain) for column, heading in VALUES.items()
    ]
    entries = pd.concat(columns, ignore_index=True)
    rows = (*run_columns(extremes), "mute", "direction", "side", "rank", "id", *_groups(samples))
    notes = [
        "Each sample alone: ω = A(nothing muted) − A(source muted), positive where the source "
        "helps the target.",
        *notes_of(entries, interval=False),
    ]
    title = "Samples that a source helps and hurts most"
    return make_table(entries, rows, title, notes, interval=False)


def _direction(row: Any) -> str:
    display = display_of(row.metric)
    unit = f", {display.unit}" if display.unit else ""
    factor = f"{display.gain:g}·" if display.gain != display.factor else ""
    return f"{row.source} → {row.target}: {factor}{display.label}{unit}"


def _groups(samples: pd.DataFrame) -> tuple[str, ...]:
    """Return the column of groups, if any group holds several samples."""
    counts = samples.groupby(["dataset", "group"], dropna=False)["id"].nunique()
    return ("group",) if (counts > 1).any() else ()
