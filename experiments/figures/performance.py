"""Figs. 7 and 8 of arXiv 1702.08009: performance against influence, published beside measured.

A panel of Fig. 7 shows the bulk of its points in full, where a few lie far from all others; one of
Fig. 8 has fitted curves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import ArrayLike, NDArray

from experiments.publishing.studies import (
    CROSS_FITTED,
    GROUPS,
    PAPER,
    Study,
    design_of,
    ink_of,
    label_of,
    variant_inks,
)
from influence.display.plots.labels import write_labels
from influence.display.plots.performance import Panel, draw_panel, performance_panels, write_names
from influence.display.plots.rows import view_limits
from influence.display.plots.style import COLUMN_WIDTH, GREY, Ink, heading, styled, write_legend

__all__ = ["draw_figure7", "draw_figure8", "in_bulk", "pin_outside", "set_view", "value_outside"]

SHRINKS = 4.0  # values are far if the range of the others is this many times smaller
FEW, ENOUGH = 0.2, 8  # at most this part of the values may be far, of this many or more


def in_bulk(values: ArrayLike) -> NDArray[np.bool_]:
    """Tell which values belong together, and which few lie far from them."""
    x = np.asarray(values, dtype=np.float64)
    kept = np.ones(len(x), dtype=np.bool_)
    farthest = np.argsort(-np.abs(x - np.median(x)), kind="stable")
    for count in range(1, int(FEW * len(x)) + 1 if len(x) >= ENOUGH else 0):
        others = np.delete(x, farthest[:count])
        if np.ptp(x) >= SHRINKS * np.ptp(others):
            kept[farthest[:count]] = False
            break
    return kept


def set_view(axes: Axes, points: pd.DataFrame) -> pd.DataFrame:
    """Set the limits of a panel by the bulk of its points; return the points, drawn inside.

    Parameters
    ----------
    axes : a panel.
    points : see `influence.display.notation.plots.performance.Panel`.

    Returns
    -------
    DataFrame
        The points with `x` and `y` moved to the edge where they lie beyond it, and `outside`,
        empty or the sides that they left by: some of ``<>v^``.
    """
    outside = pd.Series("", index=points.index)
    moved = points.copy()
    for name, sides, limit in (("x", "<>", axes.set_xlim), ("y", "v^", axes.set_ylim)):
        own = points[in_bulk(points[name])]
        ends = (own[f"{name}_{end}"] for end in ("low", "high"))
        low, high = view_limits(own[name], *ends, zero=name == "x")
        limit(low, high)
        for side, gone in zip(sides, (points[name] < low, points[name] > high), strict=True):
            outside = outside.where(~gone, outside + side)
        moved[name] = points[name].clip(low, high)
    return moved.assign(outside=outside)


def value_outside(points: pd.DataFrame, shown: pd.DataFrame) -> pd.Series:
    """Say where the points are that `set_view` moved: a text each, empty for all others."""
    texts = [f" ({x:.1f}, {y:.1f})" for x, y in zip(points["x"], points["y"], strict=True)]
    said = pd.Series(texts, index=points.index).str.replace("-", "−")
    return said.where(shown["outside"] != "", "")


def pin_outside(axes: Axes, points: pd.DataFrame, ink_of: Mapping[str, Ink]) -> None:
    """Draw an arrow on the edge for each point beyond it."""
    rows: Iterator[Any] = points[points["outside"] != ""].itertuples()
    for row in rows:
        look: dict[str, Any] = ink_of[row.network].look | {"marker": row.outside[-1], "zorder": 4}
        axes.plot([row.x], [row.y], linestyle="none", markersize=5, clip_on=False, **look)


DARKER = 0.75  # of an ink's brightness: letters are thinner than points
LINES: Mapping[str, tuple[str, Any, float]] = {
    "linear": ("0.45", "--", 0.10),
    "concave": ("black", "-", 0.10),
}
"""Kind of fit -> grey and style of its line, and how dense its band is."""
HULL: dict[str, Any] = {"color": "0.2", "linestyle": ":", "linewidth": 1.0}
SMALL = 5.5  # points: names, of which there are many
ROOM, FARTHEST = 0.2, 0.7  # above and below the points; at most, for a fit: parts of their range


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
    published
        The printed numbers.
    influence, performance
        Of one row a network, from `experiments.publishing.studies`.
    mutes
        Of the measured panels; the paper does not say what its muted inputs hold.
    """
    own = influence[influence["network"].map(design_of).isin(PAPER)]
    columns = {"published": _printed_panels(published)} | {
        f"measured, mute: {mute}": performance_panels(own, performance, mute=mute) for mute in mutes
    }

    def draw(axes: Axes, panel: Panel, _: str) -> None:
        inks = variant_inks(panel.points["network"])
        draw_panel(axes, panel, inks).remove()
        pin_outside(axes, set_view(axes, panel.points), inks)

    sheet = Sheet(columns, 2.0, 0.5, _legend7, heading(own, "mean over seeds"))
    return sheet.draw(draw, _name_points)


def draw_figure8(
    published: Study, measured: Study, curves: pd.DataFrame, hull: pd.DataFrame, *, mute: str
) -> Figure:
    """Draw every network of the sweep, with what is published beside, and fits through them.

    Parameters
    ----------
    published, measured
        The printed numbers, and the tables of the sweep.
    curves, hull
        Frames with the columns of `curves.csv` and `hull.csv` (experiments.claims).
    mute
        Of the measured panels.
    """
    panels = performance_panels(measured.influence, measured.performance, mute=mute)
    columns = {
        "published": _printed_panels(published),
        "in-sample inputs": [_of(panel, crossed=False) for panel in panels],
        "cross-fitted inputs": [_of(panel, crossed=True) for panel in panels],
    }
    mutes = ["unstated", mute]
    curves = curves[curves["mute"].isin(mutes) & (curves["images"] == "same")]
    hull = hull[hull["mute"].isin(mutes)]

    def draw(axes: Axes, panel: Panel, title: str) -> None:
        condition = title.removesuffix(" inputs")
        _draw_points(axes, panel)
        fits = _at(curves, condition, panel)
        _draw_fits(axes, fits, _at(hull, condition, panel))
        _set_view(axes, panel.points, fits)

    shown = measured.influence[measured.influence["mute"] == mute]
    sheet = Sheet(columns, 2.05, 0.6, _legend8, heading(shown, f"mute: {mute}"))
    return sheet.draw(draw, _name_designs)


@dataclass(frozen=True)
class Sheet:
    """A figure with a line of panels per task, and a column for each source of its numbers.

    Parameters
    ----------
    columns
        Title -> the panels below it.
    height, margin
        Of a panel, and of what is not panels, in inches.
    legend, title
        Of the whole figure.
    """

    columns: Mapping[str, Sequence[Panel]]
    height: float
    margin: float
    legend: Callable[[], Mapping[str, Line2D | Patch]]
    title: str

    def draw(
        self, draw: Callable[[Axes, Panel, str], None], write: Callable[[Axes, pd.DataFrame], None]
    ) -> Figure:
        """Draw every panel, and then write the names of its points where the layout has settled."""
        lines = len(next(iter(self.columns.values())))
        with styled():
            size = (2 * COLUMN_WIDTH, self.height * lines + self.margin)
            figure = Figure(figsize=size, layout="constrained")
            grid = figure.subplots(lines, len(self.columns), squeeze=False)
            drawn = [
                (grid[line, column], panel, title)
                for column, (title, panels) in enumerate(self.columns.items())
                for line, panel in zip(range(lines), panels, strict=True)
            ]
            for axes, panel, title in drawn:
                draw(axes, panel, title)
                axes.set_xlabel(panel.x_label.replace(", ", ",\n"))
                first = axes.get_subplotspec()
                axes.set_ylabel(panel.y_label if first.is_first_col() else "")
                axes.set_title(title if first.is_first_row() else "")
            write_legend(figure, self.legend())  # its lines are styled, too
            figure.suptitle(self.title, fontsize=7)
            figure.draw_without_rendering()
            figure.set_layout_engine("none")
            for axes, panel, _ in drawn:
                write(axes, panel.points)
        return figure


def _printed_panels(published: Study) -> list[Panel]:
    return performance_panels(published.influence, published.performance, mute="unstated")


def _name_points(axes: Axes, points: pd.DataFrame) -> None:
    """Name one of the two points of a design, in its colour, which the other has, too."""
    shown = set_view(axes, points)
    twin = points["network"].str.endswith(CROSS_FITTED) & (shown["outside"] == "")
    names = points["network"].map(label_of).mask(twin, "") + value_outside(points, shown)
    inks = variant_inks(points.loc[~twin, "network"])
    for label, ink in zip(write_names(axes, shown.assign(name=names)), inks.values(), strict=True):
        red, green, blue = (DARKER * part for part in to_rgb(ink.colour))
        label.set_color((red, green, blue))


def _legend7() -> dict[str, Line2D]:
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


def _name_designs(axes: Axes, points: pd.DataFrame) -> None:
    """Name each design that the legend does not explain."""
    names = points["network"].map(design_of).map(label_of)
    known = points["network"].map(design_of).isin(PAPER)
    with matplotlib.rc_context({"font.size": SMALL}):
        write_labels(axes, points[["x", "y"]].to_numpy(), list(names.mask(known, "")))


def _legend8() -> dict[str, Line2D | Patch]:
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
