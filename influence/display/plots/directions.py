"""Directions: what source gives what target, chosen and scaled as figures show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from influence.display.notation import display_of
from influence.errors import InfluenceError
from influence.results.selection import choose

__all__ = ["Directions", "direction_label", "shown_directions", "shown_unit"]

Directions = Literal["cross", "all"]
"""`cross` leaves out the influence of an input on the output of the same name."""


def shown_directions(
    omega: pd.DataFrame,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
) -> pd.DataFrame:
    """Choose the omegas that a figure shows, in the units of readers.

    Parameters
    ----------
    omega : frame with the columns of `influence.csv`, or of
    `influence.analysis.seeds.aggregate_seeds`. mute : one name; by default the first of the frame.
    metric : names of metrics; by default one per target: mean IoU, the squared relative error, or
        else the first in the frame.
    level : `all`, one slice such as `class:floor`, or a pattern.
    directions : `cross` or `all`.

    Returns
    -------
    DataFrame
        With the columns `x`, `x_low` and `x_high` besides those that were there.

    Raises
    ------
    InfluenceError
        If a name is unknown, or no direction is left.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "mute": "zero", "source": ["depth", "depth"], "target": ["depth", "semantic"],
    ...     "metric": ["rms", "mean_iou"], "level": "all", "omega": [0.3, 0.02],
    ...     "omega_low": [0.2, 0.01], "omega_high": [0.4, 0.03]})
    >>> shown_directions(frame)[["target", "x", "x_high"]].values.tolist()
    [['semantic', 2.0, 3.0]]
    """
    chosen = choose(omega, metric=metric, mute=[mute or str(omega["mute"].iloc[0])], level=level)
    if directions == "cross":
        chosen = chosen[chosen["source"] != chosen["target"]]
    if chosen.empty:
        raise InfluenceError(
            "expected influence of one input on another output, found none; try all directions"
        )
    gain = chosen["metric"].map(lambda name: display_of(name).gain)
    ends = ("omega_low", "omega_high") if "omega_low" in chosen else ("low", "high")
    scaled = {
        name: chosen[column] * gain
        for name, column in zip(("x", "x_low", "x_high"), ("omega", *ends), strict=True)
    }
    return chosen.assign(**scaled)


def shown_unit(row: Any) -> str:
    """Name the unit of the omegas in a row's metric."""
    return display_of(row.metric).gain_unit("" if pd.isna(row.unit) else str(row.unit))


def direction_label(row: Any) -> str:
    """Name the direction of a row, and the unit of its omegas.

    >>> from types import SimpleNamespace
    >>> row = SimpleNamespace(source="depth", target="semantic", metric="mean_iou", unit="")
    >>> direction_label(row)
    'ω(depth → semantic), percentage points'
    """
    return ", ".join(filter(None, [f"ω({row.source} → {row.target})", shown_unit(row)]))
