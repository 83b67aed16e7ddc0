"""Omegas: one row per network and mute, one column per direction and metric."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.display.tables.arrangement import (
    SIGNIFICANT,
    arrange,
    checkpoints,
    describe,
    gain_heading,
    in_metric_order,
    run_columns,
    write_headings,
)
from influence.results.selection import choose

__all__ = ["omega_table"]


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
    >>> from influence.display.table import format_table
    >>> print(format_table(omega_table(frame), "text").splitlines()[4])
    a          zero                 0.94 [0.10, 2.00]*
    """
    chosen = choose(influence, metric=metric, mute=mute, level=level)
    shown = chosen["metric"].map(display_of)
    gain = shown.map(lambda display: display.gain)
    entries = chosen.assign(
        heading=write_headings(chosen, _heading),
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
    notes += [*describe(entries, interval=interval), *checkpoints(chosen)]
    rows = (*run_columns(chosen), "mute")
    table = arrange(entries, rows, "Cross-modality influence ω", notes, interval=interval)
    return in_metric_order(table, metric)


def _heading(row: Any) -> tuple[str, str]:
    return f"{row.source} → {row.target}", gain_heading(row)
