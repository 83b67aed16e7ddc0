"""Omega of every seed of a network, with the mean over the seeds and its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from influence.display.notation import omega_label
from influence.display.plots.rows import (
    Directions,
    draw_intervals,
    name_rows,
    row_panels,
    shown_directions,
    view_limits,
)
from influence.display.plots.style import Ink, heading, inks, legible, styled, write_legend

__all__ = ["draw_seeds"]

ROW = 0.24  # inches: one network
BELOW = 0.25  # how far the seeds lie below their mean, in rows
DIRECTION = ["source", "target", "metric"]


def draw_seeds(
    influence: pd.DataFrame,
    seeds: pd.DataFrame,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
    ink_of: Mapping[str, Ink] | None = None,
) -> Figure:
    """Draw the omega of every seed and the mean over seeds, one panel per direction.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of runs of all seeds.
    seeds
        Frame from `influence.analysis.seeds.aggregate_seeds` of these runs.
    mute
        One name; by default the first of the file.
    metric, level, directions
        The results that are drawn, as `influence.display.plots.rows.shown_directions` takes them:
        by default one metric per target, at the level `all`, and no influence of an input on the
        output of the same name.
    ink_of
        Network -> its colour and marker; by default in the order of the file.

    Raises
    ------
    InfluenceError
        If a name is unknown, or no direction is left.

    Examples
    --------
    >>> common = {"network": "a", "dataset": "d", "mute": "zero", "source": "depth",
    ...           "target": "semantic", "metric": "mean_iou", "level": "all", "unit": "",
    ...           "confidence": 0.95, "n": 9}
    >>> influence = pd.DataFrame({**common, "seed": [0, 1], "omega": [0.01, 0.03],
    ...                           "omega_low": 0.0, "omega_high": 0.04})
    >>> mean = pd.DataFrame([{**common, "seeds": 2, "omega": 0.02, "low": -0.11, "high": 0.15}])
    >>> axes = draw_seeds(influence, mean).axes[0]
    >>> [line.get_xdata().tolist() for line in axes.lines[1:]]
    [[1.0, 3.0], [2.0]]
    """
    mute = mute or str(influence["mute"].iloc[0])
    means, single = (
        shown_directions(frame, mutes=[mute], metric=metric, level=level, directions=directions)
        for frame in (seeds, influence)
    )
    several = bool((means.groupby("network")["dataset"].nunique() > 1).any())
    means, single = (
        frame.assign(name=frame["network"] + ("\n" + frame["dataset"] if several else ""))
        for frame in (means, single)
    )
    ink_of = ink_of or inks(means["network"])
    panels = [rows for _, rows in means.groupby(DIRECTION, sort=False)]
    with styled():
        figure, grid = row_panels([ROW * panel["name"].nunique() for panel in panels])
        for axes, panel in zip(grid, panels, strict=True):
            _draw_panel(axes, panel, single.merge(panel[[*DIRECTION, "name"]]), ink_of)
        mean = Line2D([], [], color="0.3", marker="o", markersize=3.5)
        seed = Line2D([], [], color="0.3", marker="|", linestyle="none", markersize=4)
        write_legend(figure, {"mean of the seeds": mean, "one seed": seed})
        figure.suptitle(heading(means, f"mute: {mute}"), fontsize=7)
    return figure


def _draw_panel(
    axes: Axes, means: pd.DataFrame, single: pd.DataFrame, ink_of: Mapping[str, Ink]
) -> None:
    row_of = {name: row for row, name in enumerate(means["name"].unique())}
    name_rows(axes, list(row_of))
    for network, mean in means.groupby("network", sort=False):
        ink = ink_of[str(network)]
        below = single[single["network"] == network]
        y = below["name"].map(row_of) + BELOW
        axes.plot(below["x"], y, "|", color=ink.colour, markersize=4)
        draw_intervals(axes, mean.assign(y=mean["name"].map(row_of) - BELOW / 2), ink)
    shown = pd.concat([means, single[["x"]]])
    axes.set_xlim(view_limits(*(shown[end] for end in ("x", "x_low", "x_high"))))
    axes.set_xlabel(legible(omega_label(means.iloc[0])))
