"""Omega under every mute, with the verdict: does the sign depend on the mute?

One panel per direction, one row per network, one point per mute. A hollow point marks a muted
input that is far from the data (`distance.csv`), whose omega may be an artefact of the mute.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
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
    lay_rows,
    point_legend,
    row_panels,
    shown_directions,
)
from influence.display.plots.style import Ink, heading, inks, legible, styled, write_legend
from influence.results.selection import far_from_data
from influence.results.verdict import INDISTINGUISHABLE, STABLE, UNSTABLE, UNTESTED, verdicts

__all__ = ["draw_mutes"]

POINT_STEP, ROW_GAP = 0.085, 0.1  # inches: between mutes, between networks
WORDS = {
    INDISTINGUISHABLE: "not distinguishable\nfrom zero",
    UNSTABLE: "unstable sign",
    UNTESTED: "no verdict",
    "helps": "stable sign:\nhelps",
    "hurts": "stable sign:\nhurts",
}


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
    mutes, metric, level, directions
        The results that are drawn, as `influence.display.plots.rows.shown_directions` takes them:
        by default all mutes, one metric per target, at the level `all`, and no influence of an
        input on the output of the same name.

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
    omega = shown_directions(
        influence, mutes=mutes, metric=metric, level=level, directions=directions
    )
    omega = omega.assign(name=run_names(omega), far=far_from_data(omega, distance))
    shown = set(omega["mute"])
    ink_of = inks(mute for mute in influence["mute"] if mute in shown)  # in the order of the file
    row = len(ink_of) * POINT_STEP + ROW_GAP
    panels = [
        panel for _, panel in omega.groupby(["source", "target", "metric", "level"], sort=False)
    ]
    with styled():
        figure, grid = row_panels([row * panel["name"].nunique() for panel in panels])
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel, ink_of, POINT_STEP / row)
        write_legend(figure, _legend(ink_of, far=bool(omega["far"].any())))
        figure.suptitle(heading(influence), fontsize=7)
    return figure


def _draw_panel(axes: Axes, panel: pd.DataFrame, ink_of: Mapping[str, Ink], step: float) -> None:
    panel = lay_rows(axes, panel, "name", "mute", ink_of, step)
    for mute, ink in ink_of.items():
        for far in (False, True):
            points = panel[(panel["mute"] == mute) & (panel["far"] == far)]
            draw_intervals(axes, points, replace(ink, filled=not far))
    axes.set_xlabel(legible(omega_label(panel.iloc[0], level=True)))
    across = axes.get_yaxis_transform()
    judged = verdicts(panel, level="*")  # a row per network, in their order
    for row, verdict in enumerate(judged.itertuples(index=False)):
        axes.text(1.02, row, _words(verdict), transform=across, va="center", fontsize=6)


def _words(judged: Any) -> str:
    if judged.verdict == STABLE:
        return WORDS["helps" if judged.helps else "hurts"]
    return WORDS[judged.verdict]


def _legend(ink_of: Mapping[str, Ink], *, far: bool) -> dict[str, Line2D]:
    legend = point_legend(ink_of)
    if far:
        hollow = Ink("0.3", "o", filled=False)
        legend["hollow: far from the data"] = Line2D([], [], linewidth=0, **hollow.look, **POINT)
    return legend
