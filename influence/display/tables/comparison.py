"""Table of differences between networks: one row per pair, direction and mute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import gain_heading
from influence.display.table import (
    SIGNIFICANT,
    Heading,
    Table,
    make_table,
    omega_cells,
)
from influence.results.selection import at_level, named, scored_by

__all__ = ["comparison_table"]

HEADINGS: Mapping[str, Heading] = {"a": ("", "A"), "b": ("", "B"), "difference": ("", "A − B")}
"""Column of a comparison -> its heading."""


def comparison_table(
    comparison: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Tabulate a comparison: the numbers of networks A and B, and their difference.

    Parameters
    ----------
    comparison
        Frame from `influence.analysis.comparison.compare`.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`. Performances are with nothing
        muted.
    interval
        Whether the differences show their interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "quantity": "omega", "network_a": "a", "seed_a": 0, "network_b": "b", "seed_b": 0,
    ...     "dataset": "d", "mute": ["zero"], "source": "depth", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "higher_is_better": True, "unit": "",
    ...     "a": 0.05, "b": 0.02, "difference": 0.03, "low": 0.01, "high": 0.05,
    ...     "confidence": 0.95, "p_value": 0.01, "p_holm": 0.02, "n": 654})
    >>> from influence.display.table import format_table
    >>> print(*format_table(comparison_table(frame), "text").splitlines()[4].split())
    a − b ω(depth → semantic): mean IoU, % zero 5.00 2.00 3.00 [1.00, 5.00]*
    """
    chosen = at_level(comparison, level)
    if mute:
        muted = named(chosen[chosen["quantity"] == "omega"], "mute", mute)
        chosen = pd.concat([chosen[chosen["quantity"] != "omega"], muted]).sort_index()
    chosen = scored_by(chosen, metric)
    notes = [
        "A − B in the unit behind the direction, on the same samples; positive: the source helps "
        "A more than B, or A performs better.",
    ]
    if (chosen["p_holm"] < SIGNIFICANT).any():
        notes.append(f"* p < {SIGNIFICANT:g} (A and B swapped in random samples, Holm).")
    rows = ("networks", *(("dataset",) if chosen["dataset"].nunique() > 1 else ()), "of", "mute")
    title = "Differences between networks"
    return make_table(
        list(_cells(chosen)),
        rows,
        title,
        notes,
        interval=interval,
        headings=tuple(HEADINGS.values()),
    )


def _cells(chosen: pd.DataFrame) -> Iterator[pd.DataFrame]:
    # A performance is shown as the A of which an omega is a difference: positive is better.
    positive = (chosen["quantity"] == "omega") | chosen["higher_is_better"]
    sign = positive.map({True: 1.0, False: -1.0})
    named = chosen.assign(
        networks=[_networks(row) for row in chosen.itertuples()],
        of=[_of(row) for row in chosen.itertuples()],
        network=chosen["network_a"],
        a=chosen["a"] * sign,
        b=chosen["b"] * sign,
    )
    for column, heading in HEADINGS.items():
        if column == "difference":
            marked = chosen["p_holm"] < SIGNIFICANT
            yield omega_cells(named, heading, column, "low", "high", marked=marked)
        else:
            yield omega_cells(named, heading, column)


def _networks(row: Any) -> str:
    """Name both networks, with their seeds if the names are equal."""
    seeds = [
        f" #{seed}" if row.network_a == row.network_b else "" for seed in (row.seed_a, row.seed_b)
    ]
    return f"{row.network_a}{seeds[0]} − {row.network_b}{seeds[1]}"


def _of(row: Any) -> str:
    quantity = (
        f"A({row.target})" if row.quantity == "performance" else f"ω({row.source} → {row.target})"
    )
    return f"{quantity}: {gain_heading(row)}"
