"""What can be detected: one row per direction and mute."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.display.tables.arrangement import (
    arrange,
    describe,
    direction,
    records,
    run_columns,
    under_heading,
)
from influence.results.selection import choose

__all__ = ["power_table"]

FEW = 20
MEASURED, ERROR = ("measured", "ω"), ("measured", "standard error")


def power_table(
    power: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
) -> Table:
    """Arrange what samples can detect, and how many an omega needs.

    Parameters
    ----------
    power : frame from `influence.analysis.power.plan_samples`.
    metric : names of metrics; by default one per target: mean IoU, the squared relative error, or
        else the first in the frame.
    mute : names of mutes; all by default.
    level : `all`, a slice such as `class:floor`, or a pattern such as `class:*`.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": ["a"], "seed": 0, "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "omega": 0.02, "standard_error": 0.01, "units": 100, "alpha": 0.05,
    ...     "power": 0.8, "planned": 400, "detectable": 0.014, "wished": 0.02, "needed": 197.0,
    ...     "basis": "rows", "n": 100})
    >>> from influence.display.table import format_table
    >>> print(*format_table(power_table(frame), "text").splitlines()[4].split())
    a depth → semantic: mean IoU, % zero 2.00 1.00 1.40 2.00 197
    """
    chosen = choose(power, metric=metric, mute=mute, level=level)
    entries = pd.concat(_cells(chosen), ignore_index=True)
    return arrange(
        entries,
        (*run_columns(chosen), "direction", "mute"),
        "What samples can detect",
        [*_notes(chosen), *describe(entries, interval=False)],
        interval=False,
    )


def _cells(chosen: pd.DataFrame) -> list[pd.DataFrame]:
    display = chosen["metric"].map(display_of)
    gain = display.map(lambda shown: shown.gain)
    plain = chosen.assign(
        direction=[direction(row) for row in records(chosen)],
        digits=display.map(lambda shown: shown.gain_digits),
        low=float("nan"),
        high=float("nan"),
        marked=False,
        best=False,
    )
    columns = {
        MEASURED: chosen["omega"] * gain,
        ERROR: chosen["standard_error"] * gain,
        ("", "smallest detectable ω"): chosen["detectable"] * gain,
        ("", "wished ω"): chosen["wished"] * gain,
    }
    needed = plain.assign(value=chosen["needed"].replace(np.inf, np.nan), digits=0)
    return [
        *(under_heading(heading, plain.assign(value=value)) for heading, value in columns.items()),
        under_heading(("", "n needed"), needed),
    ]


def _notes(chosen: pd.DataFrame) -> list[str]:
    first = chosen.iloc[0]
    planned = " or ".join(str(count) for count in chosen["planned"].unique())
    wished = "ω as large as measured" if (chosen["wished"] == chosen["omega"]).all() else "that ω"
    notes = [
        f"Two-sided test at level {first['alpha']:g}, power {first['power']:.0%}, normal "
        f"approximation. Detectable: by {planned} samples. n needed: for {wished}."
    ]
    if (chosen["units"] != chosen["n"]).any():
        sizes = (chosen["n"] / chosen["units"]).map(lambda size: f"{size:.3g}").unique()
        notes.append(
            f"Samples are drawn by {' or '.join(sizes)} (groups, pairs of a shuffle); those of the "
            "next measurement are taken to be, too."
        )
    if (chosen["needed"] * chosen["units"] < FEW * chosen["n"]).any():
        notes.append(f"Below about {FEW} that are drawn alone, the approximation is too hopeful.")
    if (chosen["basis"] != "rows").any():
        notes.append(
            "Without rows.h5 the standard errors come from the intervals, as if each sample were "
            "its own group."
        )
    return notes
