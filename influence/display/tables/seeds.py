"""Omegas over the seeds of a network: the mean, and what makes it uncertain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from influence.display.notation import display_of
from influence.display.table import Table
from influence.display.tables.arrangement import (
    arrange,
    describe,
    direction,
    records,
    under_heading,
)
from influence.results.selection import choose

__all__ = ["seeds_table"]

MEAN, COUNT = ("", "ω, mean over seeds"), ("", "seeds")
SPREADS = {
    "seed_sd": ("sd", "between seeds"),
    "training_sd": ("sd", "by training"),
    "test_error": ("standard error", "by samples"),
    "standard_error": ("standard error", "in all"),
}


def seeds_table(
    seeds: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Arrange the seeds of each network: one row per direction and mute.

    Parameters
    ----------
    seeds : frame from `influence.analysis.seeds.aggregate_seeds`.
    metric : names of metrics; by default one per target: mean IoU, the squared relative error, or
        else the first in the frame.
    mute : names of mutes; all by default.
    level : `all`, a slice such as `class:floor`, or a pattern such as `class:*`.
    interval : whether the means show their interval.

    Raises
    ------
    InfluenceError
        If a name is unknown.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "dataset": "d", "mute": ["zero"], "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": "all", "higher_is_better": True,
    ...     "unit": "", "seeds": 5, "omega": 0.02, "seed_sd": 0.01, "training_variance": 0.0001,
    ...     "test_variance": 0.0004, "standard_error": 0.02, "low": -0.02, "high": 0.06,
    ...     "confidence": 0.95, "basis": "rows", "n": 654})
    >>> from influence.display.table import format_table
    >>> print(*format_table(seeds_table(frame), "text").splitlines()[4].split())
    a depth → semantic: mean IoU, % zero 5 2.00 [-2.00, 6.00] 1.00 1.00 2.00 2.00
    """
    chosen = choose(seeds, metric=metric, mute=mute, level=level)
    chosen = chosen.assign(
        training_sd=np.sqrt(chosen["training_variance"].clip(lower=0)),
        test_error=np.sqrt(chosen["test_variance"]),
    )
    entries = pd.concat(_cells(chosen), ignore_index=True)
    datasets = ("dataset",) if chosen["dataset"].nunique() > 1 else ()
    table = arrange(
        entries,
        ("network", *datasets, "direction", "mute"),
        "Cross-modality influence ω over seeds",
        [*_notes(chosen), *describe(entries, interval=interval)],
        interval=interval,
    )
    return replace(table, headings=(COUNT, MEAN, *SPREADS.values()))


def _cells(chosen: pd.DataFrame) -> list[pd.DataFrame]:
    display = chosen["metric"].map(display_of)
    gain = display.map(lambda shown: shown.gain)
    digits = display.map(lambda shown: shown.gain_digits)
    plain = chosen.assign(
        direction=[direction(row) for row in records(chosen)],
        seed=float("nan"),
        digits=digits,
        low=float("nan"),
        high=float("nan"),
        marked=False,
        best=False,
    )
    ends = {end: chosen[end] * gain for end in ("low", "high")}
    return [
        under_heading(COUNT, plain.assign(value=chosen["seeds"].astype(float), digits=0)),
        under_heading(MEAN, plain.assign(value=chosen["omega"] * gain, **ends)),
        *(
            under_heading(heading, plain.assign(value=chosen[column] * gain))
            for column, heading in SPREADS.items()
        ),
    ]


def _notes(chosen: pd.DataFrame) -> list[str]:
    notes = [
        "ω(source → target) = A(nothing muted) − A(source muted), mean over the trainings, in the "
        "unit behind the direction. sd: standard deviation between the seeds, and that of it which "
        "is by training, freed of what the samples add. Standard error: of the mean, by the choice "
        "of samples, and in all, by samples and trainings, to which the interval belongs."
    ]
    if (chosen["seeds"] < 2).any():
        notes.append("One seed alone says nothing of training: it has no interval here.")
    if (chosen["basis"] != "rows").any():
        notes.append(
            "Without rows.h5 the standard errors come from the intervals, all seeds are taken to "
            "share what the samples add, and what is left is put down to training."
        )
    return notes
