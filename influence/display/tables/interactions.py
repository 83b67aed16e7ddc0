"""Table of interactions: one row per site or pair, one column per target and kind of quantity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from influence.display.notation import gain_heading, run_columns
from influence.display.table import (
    Heading,
    Table,
    in_metric_order,
    make_table,
    omega_cells,
)
from influence.errors import unknown
from influence.results.selection import choose

__all__ = ["interactions_table"]

KINDS: Mapping[str, str] = {
    "leave_one_out": "leave-one-out",
    "add_one_in": "add-one-in",
    "shapley": "Shapley",
    "interaction": "interaction",
}
"""Kind in the file -> its heading."""


def interactions_table(
    interactions: pd.DataFrame,
    *,
    metric: Sequence[str] = (),
    mute: Sequence[str] = (),
    level: str = "all",
    interval: bool = True,
) -> Table:
    """Tabulate what sites and pairs contribute: one row per network, mute and site or pair.

    Parameters
    ----------
    interactions
        Frame with the columns of `interactions.csv`, of one run or of several.
    metric, mute, level
        The results that are shown, as `influence.results.selection.choose` takes them: by default
        one metric per target, under all mutes, at the level `all`. Columns have the order of the
        metrics.
    interval
        Whether the cells show the interval.

    Raises
    ------
    InfluenceError
        If a name is unknown, or two rows claim the same cell.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "kind": ["shapley", "interaction"],
    ...     "players": ["depth", "depth+rgb"], "value": [0.021, -0.012], "low": [0.01, -0.02],
    ...     "high": [0.03, 0.0], "confidence": 0.95, "n": 654})
    >>> from influence.display.table import format_table
    >>> print(*format_table(interactions_table(frame), "text").splitlines()[5].split())
    a zero depth+rgb – -1.20 [-2.00, 0.00]
    """
    chosen = choose(interactions, metric=metric, mute=mute, level=level)
    if strange := [kind for kind in chosen["kind"].unique() if kind not in KINDS]:
        raise unknown("kind of interaction", str(strange[0]), KINDS)
    # The file's values are oriented so that more is better, whatever the metric.
    oriented = chosen.assign(higher_is_better=True, unit="")
    cells = omega_cells(oriented, _heading, "value", "low", "high")
    note = (
        "What the metric gains by a source where all others are present (leave-one-out, ω), where "
        "none is (add-one-in), and on average over all orders (Shapley value); positive: it helps. "
        "Interaction of a pair: what both give beyond the sum of each, on average over the sources "
        "that are there already; positive: synergy, negative: redundancy."
    )
    rows = (*run_columns(chosen), "mute", "players")
    table = make_table([cells], rows, "Sources alone and together", [note], interval=interval)
    return in_metric_order(table, metric)


def _heading(row: Any) -> Heading:
    return f"{row.target}: {gain_heading(row)}", KINDS[row.kind]
