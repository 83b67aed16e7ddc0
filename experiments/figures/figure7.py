"""Fig. 7 of arXiv 1702.08009, published beside measured: performance against influence."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.publishing.bulk import pin_outside, set_view, value_outside
from experiments.publishing.studies import Study
from experiments.publishing.variants import (
    CROSS_FITTED,
    GROUPS,
    PAPER,
    design_of,
    label_of,
    variant_inks,
)
from influence.plots.performance import Panel, draw_panel, performance_panels, write_names
from influence.plots.style import COLUMN_WIDTH, Ink, heading, styled, write_legend

__all__ = ["draw_figure7"]

PANEL_HEIGHT = 2.0  # inches
DARKER = 0.75  # of an ink's brightness: letters are thinner than points


def draw_figure7(
    published: Study,
    influence: pd.DataFrame,
    performance: pd.DataFrame,
    *,
    mutes: Sequence[str] = ("zero", "shuffle"),
) -> Figure:
    """Draw the paper's five networks: a line of panels per task, the first as published.

    Parameters
    ----------
    published : the printed numbers.
    influence, performance : of one row a network, from `experiments.publishing.means`.
    mutes : of the measured panels; the paper does not say what its muted inputs hold.
    """
    own = influence[influence["network"].map(design_of).isin(PAPER)]
    columns = {"published": _panels(published.influence, published.performance, "unstated")}
    for mute in mutes:
        columns[f"measured, mute: {mute}"] = _panels(own, performance, mute)
    with styled():
        lines = len(columns["published"])
        size = (2 * COLUMN_WIDTH, PANEL_HEIGHT * lines + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, len(columns), squeeze=False)
        for place, (title, panels) in enumerate(columns.items()):
            for axes, panel in zip(grid[:, place], panels, strict=True):
                inks = variant_inks(panel.points["network"])
                draw_panel(axes, panel, inks).remove()
                pin_outside(axes, set_view(axes, panel.points), inks)
                axes.set_xlabel(panel.x_label.replace(", ", ",\n"))
                axes.set_ylabel("" if place else panel.y_label)
            grid[0, place].set_title(title)
        write_legend(figure, _legend())
        figure.suptitle(heading(own, "mean over seeds"), fontsize=7)
        figure.draw_without_rendering()  # settles the layout, on which the names depend
        figure.set_layout_engine("none")
        for place, panels in enumerate(columns.values()):
            for axes, panel in zip(grid[:, place], panels, strict=True):
                _name_points(axes, panel.points)
    return figure


def _panels(influence: pd.DataFrame, performance: pd.DataFrame, mute: str) -> list[Panel]:
    return performance_panels(influence, performance, mute=mute)


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """Name one of the two points of a design, in its colour, which the other has, too."""
    shown = set_view(axes, points)
    twin = points["network"].str.endswith(CROSS_FITTED) & (shown["outside"] == "")
    names = points["network"].map(label_of).mask(twin, "") + value_outside(points, shown)
    inks = variant_inks(points.loc[~twin, "network"])
    for label, ink in zip(write_names(axes, shown.assign(name=names)), inks.values(), strict=True):
        red, green, blue = (DARKER * part for part in to_rgb(ink.colour))
        label.set_color((red, green, blue))


def _legend() -> dict[str, Line2D]:
    inks = variant_inks(PAPER)
    signs = {
        f"{group} computation": Ink("0.3", inks[network].marker)
        for network, group in GROUPS.items()
    }
    signs["hollow: cross-fitted inputs"] = Ink("0.3", "o", filled=False)
    signs["beyond the panel, at (x, y)"] = Ink("0.3", "v")
    return {
        words: Line2D([], [], linestyle="none", markersize=4.5, **ink.look)
        for words, ink in signs.items()
    }
