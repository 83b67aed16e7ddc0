"""Omega under every mute, with the verdict: does the sign depend on the mute?

One panel per direction, one row per network, one point per mute. A hollow point marks a muted
input that is far from the data (`distance.csv`), whose omega may be an artefact of the mute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from influence.display.notation import omega_label, run_names
from influence.display.plots.rows import (
    POINT,
    Directions,
    draw_intervals,
    name_rows,
    row_panels,
    shown_directions,
    view_limits,
)
from influence.display.plots.style import Ink, heading, inks, styled, write_legend
from influence.results.verdict import INDISTINGUISHABLE, STABLE, UNSTABLE, UNTESTED, verdicts

__all__ = ["MutePanel", "draw_mutes", "mute_panels"]

POINT_STEP, ROW_GAP = 0.085, 0.1  # inches: between mutes, between networks
WORDS = {
    INDISTINGUISHABLE: "not distinguishable\nfrom zero",
    UNSTABLE: "unstable sign",
    UNTESTED: "no verdict",
    "helps": "stable sign:\nhelps",
    "hurts": "stable sign:\nhurts",
}
RUN = ["network", "seed", "dataset"]


@dataclass(frozen=True)
class MutePanel:
    """One direction under one metric, in the units that are shown.

    Parameters
    ----------
    label
        Label of the axis, with the unit.
    points
        One row per network and mute: `name` of the network, `mute`, omega `x` with `x_low` and
        `x_high`, and `far`, whether the muted input is far from the data.
    words
        Name of a network -> its verdict.
    """

    label: str
    points: pd.DataFrame
    words: Mapping[str, str]


def mute_panels(
    influence: pd.DataFrame,
    *,
    distance: pd.DataFrame | None = None,
    mutes: Sequence[str] = (),
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
) -> list[MutePanel]:
    """Collect, for each direction, the omegas of every network and mute.

    The parameters are those of `draw_mutes`.

    Raises
    ------
    InfluenceError
        If a name is unknown, no direction is left, or a mute occurs twice in a direction.
    """
    omega = shown_directions(
        influence, mutes=mutes, metric=metric, level=level, directions=directions
    )
    omega = omega.assign(name=run_names(omega), far=_far(omega, distance))
    return [
        _panel(rows)
        for _, rows in omega.groupby(["source", "target", "metric", "level"], sort=False)
    ]


def draw_mutes(
    influence: pd.DataFrame,
    *,
    distance: pd.DataFrame | None = None,
    mutes: Sequence[str] = (),
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
) -> Figure:
    """Draw omega and its interval under every mute, one panel per direction.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of one run or of several.
    distance
        Frame with the columns of `distance.csv`, for runs that have it.
    mutes
        Names of mutes; all by default.
    metric
        Names of metrics; by default one per target: mean IoU, the squared relative error, or else
        the first in the file.
    level
        `all`, one slice such as `class:floor`, or a pattern.
    directions
        `cross` leaves out the influence of an input on the output of the same name.

    Raises
    ------
    InfluenceError
        If a name is unknown, no direction is left, or a mute occurs twice in a direction.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "source": "depth", "target": "semantic",
    ...     "metric": "mean_iou", "level": "all", "unit": "", "mute": ["zero", "mean"],
    ...     "omega": [0.2, 0.0], "omega_low": [0.1, -0.1], "omega_high": [0.3, 0.1],
    ...     "confidence": 0.95, "n": 9})
    >>> figure = draw_mutes(frame)
    >>> print(figure.axes[0].get_xlabel(), "|", figure.axes[0].texts[0].get_text())
    ω(depth → semantic), percentage points | unstable sign
    """
    panels = mute_panels(
        influence,
        distance=distance,
        mutes=mutes,
        metric=metric,
        level=level,
        directions=directions,
    )
    shown = {mute for panel in panels for mute in panel.points["mute"]}
    ink_of = inks(mute for mute in influence["mute"] if mute in shown)  # in the order of the file
    row = _row_height(len(ink_of))
    with styled():
        figure, grid = row_panels([row * len(panel.words) for panel in panels])
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel, ink_of)
        _write_legend(figure, ink_of, far=any(panel.points["far"].any() for panel in panels))
        figure.suptitle(heading(influence), fontsize=7)
    return figure


def _row_height(mutes: int) -> float:
    return mutes * POINT_STEP + ROW_GAP


def _far(omega: pd.DataFrame, distance: pd.DataFrame | None) -> pd.Series:
    """Find the muted inputs whose distance from the data is beyond the threshold at any place."""
    if distance is None or distance.empty:
        return pd.Series(False, index=omega.index)
    columns = [*RUN, "mute", "source"]
    beyond = distance.loc[distance["warning"].astype(bool), columns].drop_duplicates()
    found = omega[columns].merge(beyond, how="left", indicator=True)["_merge"] == "both"
    return pd.Series(found.to_numpy(), index=omega.index)


def _panel(rows: pd.DataFrame) -> MutePanel:
    name_of = rows.drop_duplicates(RUN)[[*RUN, "name"]]
    judged = verdicts(rows, level="*").merge(name_of, on=RUN)
    return MutePanel(
        label=omega_label(rows.iloc[0], level=True),
        points=rows[["name", "mute", "far", "x", "x_low", "x_high"]].reset_index(drop=True),
        words={str(row.name): _verdict(row) for row in judged.itertuples(index=False)},
    )


def _verdict(judged: Any) -> str:
    if judged.verdict == STABLE:
        return WORDS["helps" if judged.helps else "hurts"]
    return WORDS[judged.verdict]


def _draw_panel(axes: Axes, panel: MutePanel, inks: Mapping[str, Ink]) -> None:
    points = panel.points
    row_of = {name: row for row, name in enumerate(panel.words)}
    name_rows(axes, list(row_of))
    step = POINT_STEP / _row_height(len(inks))
    for i, (mute, ink) in enumerate(inks.items()):
        shown = points[points["mute"] == mute]
        y = shown["name"].map(row_of) + (i - (len(inks) - 1) / 2) * step
        for far in (False, True):
            there = shown["far"] == far
            draw_intervals(axes, y[there], shown[there], replace(ink, filled=not far))
    axes.set_xlim(view_limits(*(points[end] for end in ("x", "x_low", "x_high"))))
    axes.set_xlabel(panel.label)
    for name, words in panel.words.items():
        axes.text(
            1.02, row_of[name], words, transform=axes.get_yaxis_transform(), va="center", fontsize=6
        )


def _write_legend(figure: Figure, inks: Mapping[str, Ink], *, far: bool) -> None:
    """Write the legend below the panels, in as few lines as the width allows."""
    legend = {
        mute: Line2D([], [], color=ink.colour, marker=ink.marker, linewidth=0.8, **POINT)
        for mute, ink in inks.items()
    }
    if far:
        legend["hollow: far from the data"] = Line2D(
            [], [], color="0.3", marker="o", markerfacecolor="white", linewidth=0, **POINT
        )
    write_legend(figure, legend)
