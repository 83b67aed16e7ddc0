"""Omega slice by slice: by class, by bin of depth, or by region."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from influence.display.notation import class_name, omega_label, run_names
from influence.display.plots.rows import (
    Directions,
    draw_intervals,
    lay_rows,
    point_legend,
    refuse_twice,
    row_panels,
    shown_directions,
)
from influence.display.plots.style import Ink, heading, inks, legible, styled, write_legend

__all__ = ["draw_slices"]

STEP, GAP = 0.06, 0.07  # inches: between networks, between slices


def draw_slices(
    influence: pd.DataFrame,
    *,
    level: str = "*:*",
    mute: str | None = None,
    metric: Sequence[str] = (),
    directions: Directions = "cross",
    ink_of: Mapping[str, Ink] | None = None,
    words: Mapping[str, str] | None = None,
) -> Figure:
    """Draw omega in every slice, one panel per direction, one row per slice.

    Parameters
    ----------
    influence
        Frame with the columns of `influence.csv`, of one run or of several.
    level
        A pattern such as `class:*` or `depth:*`; all slices by default. The level `all` is the
        first row.
    mute
        One name; by default the first of the file.
    metric
        Names of metrics; by default one per target: mean IoU, the squared relative error, or else
        the first in the file.
    directions
        `cross` leaves out the influence of an input on the output of the same name.
    ink_of
        Network -> its colour and marker; by default in the order of the file.
    words
        Level -> its label, for example with a unit.

    Raises
    ------
    InfluenceError
        If a name is unknown, no direction or slice is left, or there are two results for one point.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "network": "a", "seed": 0, "dataset": "d", "mute": "zero", "source": "depth",
    ...     "target": "semantic", "metric": "mean_iou", "level": ["all", "class:floor"],
    ...     "unit": "", "omega": [0.02, 0.05], "omega_low": 0.0, "omega_high": 0.1,
    ...     "confidence": 0.95, "n": 9})
    >>> axes = draw_slices(frame).axes[0]
    >>> [label.get_text() for label in axes.get_yticklabels()]
    ['all', 'floor']
    """
    mute = mute or str(influence["mute"].iloc[0])
    sliced = shown_directions(
        influence, mutes=[mute], metric=metric, level=level, directions=directions
    )
    frame = pd.concat([_whole(influence, sliced), sliced], ignore_index=True)
    words = words or {}
    labels = [words.get(name, class_name(name).replace(":", ": ")) for name in frame["level"]]
    frame = frame.assign(name=run_names(frame), label=labels)
    inks_given = ink_of or inks(frame["name"])
    runs = frame.drop_duplicates("name")
    ink_of_run = {
        name: inks_given.get(name) or inks_given[network]
        for name, network in zip(runs["name"], runs["network"], strict=True)
    }
    refuse_twice(frame, ["source", "target", "metric", "level"])
    panels = [rows for _, rows in frame.groupby(["source", "target", "metric"], sort=False)]
    with styled():
        row = len(ink_of_run) * STEP + GAP
        figure, grid = row_panels([row * panel["label"].nunique() for panel in panels])
        for axes, panel in zip(grid, panels, strict=True):
            panel = lay_rows(axes, panel, "label", "name", ink_of_run, STEP / row)
            for name, ink in ink_of_run.items():
                draw_intervals(axes, panel[panel["name"] == name], ink)
            axes.set_xlabel(legible(omega_label(panel.iloc[0])))
        named = {" ".join(name.split()): ink for name, ink in ink_of_run.items()}
        write_legend(figure, point_legend(named))
        figure.suptitle(heading(sliced, f"mute: {mute}"), fontsize=7)
    return figure


def _whole(influence: pd.DataFrame, sliced: pd.DataFrame) -> pd.DataFrame:
    """Return the omegas at level `all` of the sliced directions, unless `sliced` has them."""
    if "all" in set(sliced["level"]):
        return sliced.iloc[:0]
    keys = ["mute", "source", "target", "metric"]
    whole = influence[influence["level"] == "all"].merge(sliced[keys].drop_duplicates())
    if whole.empty:
        return sliced.iloc[:0]
    return shown_directions(whole, metric=list(sliced["metric"].unique()), directions="all")
