"""Fig. 8 of arXiv 1702.08009 with data: performance against influence, with fitted curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from experiments.publishing.studies import Study
from experiments.publishing.variants import (
    CROSS_FITTED,
    GROUPS,
    PAPER,
    design_of,
    ink_of,
    label_of,
    variant_inks,
)
from influence.display.plots.labels import write_labels
from influence.display.plots.performance import Panel, performance_panels
from influence.display.plots.style import COLUMN_WIDTH, GREY, heading, styled, write_legend

__all__ = ["draw_figure8"]

PANEL_HEIGHT = 2.05  # inches
LINES: Mapping[str, tuple[str, Any, float]] = {
    "linear": ("0.45", "--", 0.10),
    "concave": ("black", "-", 0.10),
}
"""Kind of fit -> grey and style of its line, and how dense its band is."""
HULL: dict[str, Any] = {"color": "0.2", "linestyle": ":", "linewidth": 1.0}
SMALL = 5.5  # points: names, of which there are many
ROOM, FARTHEST = 0.2, 0.7  # above and below the points; at most, for a fit: parts of their range


def draw_figure8(
    published: Study, measured: Study, curves: pd.DataFrame, hull: pd.DataFrame, *, mute: str
) -> Figure:
    """Draw every network of the sweep, with what is published beside, and fits through them.

    Parameters
    ----------
    published, measured : the printed numbers, and the tables of the sweep.
    curves, hull : frames with the columns of `curves.csv` and `hull.csv` (experiments.claims).
    mute : of the measured panels.
    """
    panels = performance_panels(measured.influence, measured.performance, mute=mute)
    printed = performance_panels(published.influence, published.performance, mute="unstated")
    columns = {
        "published": ("published", printed),
        "in-sample": ("in-sample inputs", [_of(panel, crossed=False) for panel in panels]),
        "cross-fitted": ("cross-fitted inputs", [_of(panel, crossed=True) for panel in panels]),
    }
    mutes = ["unstated", mute]
    curves = curves[curves["mute"].isin(mutes) & (curves["images"] == "same")]
    hull = hull[hull["mute"].isin(mutes)]
    with styled():
        size = (2 * COLUMN_WIDTH, PANEL_HEIGHT * len(printed) + 0.6)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(printed), len(columns), squeeze=False)
        for place, (condition, (title, own)) in enumerate(columns.items()):
            for axes, panel in zip(grid[:, place], own, strict=True):
                _draw_points(axes, panel)
                fits = _at(curves, condition, panel)
                _draw_fits(axes, fits, _at(hull, condition, panel))
                _set_view(axes, panel.points, fits)
                axes.set_ylabel("" if place else panel.y_label)
            grid[0, place].set_title(title)
        write_legend(figure, _legend())
        shown = measured.influence[measured.influence["mute"] == mute]
        figure.suptitle(heading(shown, f"mute: {mute}"), fontsize=7)
        figure.draw_without_rendering()  # settles the layout, on which the names depend
        figure.set_layout_engine("none")
        for place, (_, own) in enumerate(columns.values()):
            for axes, panel in zip(grid[:, place], own, strict=True):
                _name_points(axes, panel.points)
    return figure


def _of(panel: Panel, *, crossed: bool) -> Panel:
    """Return a panel with the networks of one condition."""
    kept = panel.points["network"].str.endswith(CROSS_FITTED) == crossed
    points = panel.points[kept].reset_index(drop=True)
    return Panel(panel.source, panel.target, panel.x_label, panel.y_label, points)


def _at(frame: pd.DataFrame, condition: str, panel: Panel) -> pd.DataFrame:
    own = frame[frame["condition"] == condition]
    return own[(own["source"] == panel.source) & (own["target"] == panel.target)]


def _draw_points(axes: Axes, panel: Panel) -> None:
    points = panel.points
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
    for network, ink in variant_inks(points["network"]).items():
        own = points[points["network"] == network]
        axes.plot(own["x"], own["y"], linestyle="none", markersize=3.5, zorder=3, **ink.look)
    axes.set_xlabel(panel.x_label.replace(", ", ",\n"))


def _set_view(axes: Axes, points: pd.DataFrame, fits: pd.DataFrame) -> None:
    """Set limits by the points and the fits: a band may be far wider."""
    low, high = points["x"].min(), points["x"].max()
    axes.set_xlim(*_wider(min(low, 0), max(high, 0), 0.06))
    bottom, top = _wider(points["y"].min(), points["y"].max(), ROOM)
    lowest, highest = _wider(points["y"].min(), points["y"].max(), FARTHEST)
    lines = fits.loc[fits["kind"].isin(list(LINES)), "fit"]
    low, high = min([bottom, *lines]), max([top, *lines])
    axes.set_ylim(max(low, lowest), min(high, highest))


def _wider(low: float, high: float, part: float) -> tuple[float, float]:
    return low - part * (high - low), high + part * (high - low)


def _draw_fits(axes: Axes, curves: pd.DataFrame, hull: pd.DataFrame) -> None:
    for kind, (grey, style, dense) in LINES.items():
        own = curves[curves["kind"] == kind]
        axes.fill_between(own["x"], own["low"], own["high"], color=grey, alpha=dense, linewidth=0)
        axes.plot(own["x"], own["fit"], color=grey, linestyle=style, zorder=2)
    axes.plot(hull["omega"], hull["performance"], zorder=1, **HULL)


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """Name each design that the legend does not explain."""
    names = points["network"].map(design_of).map(label_of)
    known = points["network"].map(design_of).isin(PAPER)
    with matplotlib.rc_context({"font.size": SMALL}):
        write_labels(axes, points[["x", "y"]].to_numpy(), list(names.mask(known, "")))


def _legend() -> dict[str, Line2D | Patch]:
    shown: dict[str, Line2D | Patch] = {
        f"{label_of(network)} ({group})": Line2D(
            [], [], linestyle="none", markersize=3.5, **ink_of(network).look
        )
        for network, group in GROUPS.items()
    }
    for kind, (grey, style, _) in LINES.items():
        shown[f"{kind} fit"] = Line2D([], [], color=grey, linestyle=style)
    shown["their 95% bands (published: leaving one out)"] = Patch(color="0.8")
    return shown | {"upper hull": Line2D([], [], **HULL)}
