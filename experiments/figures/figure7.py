"""Fig. 7 of arXiv 1702.08009, published beside measured: performance against influence.

A panel shows the bulk of its points in full, where a few lie far from all others.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike, NDArray

from experiments.publishing.studies import Study
from experiments.publishing.variants import (
    CROSS_FITTED,
    GROUPS,
    PAPER,
    design_of,
    label_of,
    variant_inks,
)
from influence.display.plots.performance import Panel, draw_panel, performance_panels, write_names
from influence.display.plots.rows import view_limits
from influence.display.plots.style import COLUMN_WIDTH, Ink, heading, styled, write_legend

__all__ = ["draw_figure7", "in_bulk", "pin_outside", "set_view", "value_outside"]

SHRINKS = 4.0  # values are far if the range of the others is this many times smaller
FEW, ENOUGH = 0.2, 8  # at most this part of the values may be far, of this many or more


def in_bulk(values: ArrayLike) -> NDArray[np.bool_]:
    """Tell which values belong together, and which few lie far from them.

    >>> in_bulk([1.0, 2.0, 2.0, 1.5, 1.2, 1.4, 50.0, 1.0]).tolist()
    [True, True, True, True, True, True, False, True]
    """
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
    influence, performance : of one row a network, from `experiments.publishing.variants`.
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
