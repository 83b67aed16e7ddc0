"""Performance against influence: Fig. 7 of arXiv 1702.08009.

One panel per direction, one point per network. The grey line is the upper concave envelope: the
paper finds that networks lie in an area "which is upper-bounded by a concave curve" (Sec. IV-C).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from numpy.typing import ArrayLike, NDArray

from influence.display.notation import display_of, gain_heading, omega_label, run_names
from influence.display.plots.labels import write_labels
from influence.display.plots.rows import Directions, drawable, shown_directions
from influence.display.plots.style import (
    COLUMN_WIDTH,
    GREY,
    Ink,
    heading,
    inks,
    legible,
    styled,
    write_legend,
)
from influence.errors import InfluenceError, unknown
from influence.results.selection import nothing_muted

__all__ = [
    "Panel",
    "draw_panel",
    "draw_performance",
    "performance_panels",
    "upper_envelope",
    "write_names",
]

PANEL_HEIGHT = 2.1  # inches
NO_GROUP = ""


@dataclass(frozen=True)
class Panel:
    """One direction under one metric, in the units that are shown.

    Parameters
    ----------
    source, target
        The muted site and the output that is scored.
    x_label, y_label
        Axis labels with units.
    points
        One row per network: `network`, its `name`, `group`, and `x` (omega), `y` (oriented
        performance), each with `_low` and `_high`, which are NaN where there is no interval.
    """

    source: str
    target: str
    x_label: str
    y_label: str
    points: pd.DataFrame


def performance_panels(
    influence: pd.DataFrame,
    performance: pd.DataFrame,
    *,
    mute: str,
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
    groups: Mapping[str, str] | None = None,
) -> list[Panel]:
    """Collect, for each direction, omega and the performance with nothing muted.

    The parameters are those of `draw_performance`.

    Raises
    ------
    InfluenceError
        If a name is unknown, no direction is left, or a network has no performance.
    """
    omega = shown_directions(
        influence, mutes=[mute], metric=metric, level=level, directions=directions
    )
    networks = omega["network"].unique()
    for network in groups or {}:
        if network not in networks:
            raise unknown("network", network, map(str, networks))
    keys = ["network", "seed", "dataset", "target", "metric", "level"]
    full = nothing_muted(performance)[[*keys, "value", "low", "high"]]
    joined = omega.merge(full, on=keys, how="left", validate="many_to_one")
    if joined["value"].isna().any():
        lost = joined[joined["value"].isna()].iloc[0]
        raise InfluenceError(
            f"expected the performance of network {lost['network']!r} on {lost['target']!r} under "
            f"{lost['metric']!r} with nothing muted; the performance table has none. Give tables "
            "of one and the same run"
        )
    joined["group"] = [(groups or {}).get(network, NO_GROUP) for network in joined["network"]]
    joined["name"] = run_names(joined.assign(dataset=""))  # the title names the data sets
    return [
        _panel(rows)
        for _, rows in joined.groupby(["source", "target", "metric", "level"], sort=False)
    ]


def draw_performance(
    influence: pd.DataFrame,
    performance: pd.DataFrame,
    *,
    mute: str | None = None,
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
    groups: Mapping[str, str] | None = None,
    ink_of: Mapping[str, Ink] | None = None,
) -> Figure:
    """Draw performance against omega, one panel per direction and one point per network.

    Parameters
    ----------
    influence, performance
        Frames with the columns of `influence.csv` and `performance.csv`.
    mute
        Name of the mute; by default the first of the file.
    metric, level, directions
        The results that are drawn, as `influence.display.plots.rows.shown_directions` takes them:
        by default one metric per target, at the level `all`, and no influence of an input on the
        output of the same name.
    groups
        Network -> name of its group; each group has its colour and marker.
    ink_of
        Network -> its colour and marker, in place of those of its group; networks of a group share
        one marker, which the legend explains.

    Raises
    ------
    InfluenceError
        If a name is unknown, no direction is left, or a network has no performance.

    Examples
    --------
    >>> run = {"network": ["a", "b"], "seed": 0, "dataset": "d", "mute": "zero", "level": "all",
    ...        "target": "depth", "metric": "rms", "higher_is_better": False, "unit": "m", "n": 9,
    ...        "confidence": 0.95}
    >>> influence = pd.DataFrame({**run, "source": "semantic", "omega": [0.1, 0.2],
    ...                           "omega_low": [0.0, 0.1], "omega_high": [0.2, 0.3]})
    >>> performance = pd.DataFrame({**run, "setup": "depth+semantic", "value": [0.7, 0.6],
    ...                             "low": [0.6, 0.5], "high": [0.8, 0.7]})
    >>> figure = draw_performance(influence, performance)
    >>> print(figure.axes[0].get_ylabel())
    −rms, m
    """
    mute = mute or str(influence["mute"].iloc[0])
    panels = performance_panels(
        influence,
        performance,
        mute=mute,
        metric=metric,
        level=level,
        directions=directions,
        groups=groups,
    )
    columns = 1 if len(panels) < 3 else 2
    lines = -(-len(panels) // columns)
    with styled():
        size = (COLUMN_WIDTH * columns, PANEL_HEIGHT * lines + 0.4)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(lines, columns, squeeze=False).ravel()
        points = pd.concat([panel.points for panel in panels])
        by_group = points["group"].map(inks(points["group"]))
        shown = ink_of or dict(zip(points["network"], by_group, strict=True))
        for axes, panel in zip(grid, panels, strict=False):
            envelope = draw_panel(axes, panel, shown)
        legend = _group_legend(points, shown, coloured=ink_of is None)
        legend["upper concave envelope"] = envelope
        for axes in grid[len(panels) :]:
            axes.remove()
        write_legend(figure, legend)
        figure.align_ylabels()
        title = heading(influence[influence["mute"] == mute], f"mute: {mute}")
        figure.suptitle(title, fontsize=7)
        figure.draw_without_rendering()  # settles the layout, on which the names depend
        figure.set_layout_engine("none")
        for axes, panel in zip(grid, panels, strict=False):
            write_names(axes, panel.points)
    return figure


def _panel(rows: pd.DataFrame) -> Panel:
    first = rows.iloc[0]
    higher = bool(first["higher_is_better"])
    oriented = drawable(rows[["low", "value", "high"]] * display_of(first["metric"]).gain)
    oriented *= 1 if higher else -1
    points = rows[["network", "name", "group", "x", "x_low", "x_high"]].assign(
        y=oriented["value"],
        y_low=oriented["low" if higher else "high"],
        y_high=oriented["high" if higher else "low"],
    )
    return Panel(
        source=first["source"],
        target=first["target"],
        x_label=omega_label(first),
        y_label=gain_heading(first),
        points=points.reset_index(drop=True),
    )


def _group_legend(
    points: pd.DataFrame, ink_of: Mapping[str, Ink], *, coloured: bool
) -> dict[str, Line2D]:
    """Explain groups by colour and marker, or by marker alone where networks have colours."""
    legend = {}
    for group, network in zip(points["group"], points["network"], strict=True):
        if group != NO_GROUP:
            ink = ink_of[network] if coloured else Ink("0.3", ink_of[network].marker)
            legend[group] = Line2D([], [], linestyle="none", markersize=4.5, **ink.look)
    return legend


def draw_panel(axes: Axes, panel: Panel, ink_of: Mapping[str, Ink]) -> Line2D:
    """Draw one panel without names, each network in its ink; return the envelope."""
    points = panel.points
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
    (envelope,) = axes.plot(*upper_envelope(points["x"], points["y"]).T, color=GREY, zorder=1)
    colours = [ink_of[network].colour for network in points["network"]]
    axes.hlines(points["y"], points["x_low"], points["x_high"], colors=colours, linewidths=0.7)
    axes.vlines(points["x"], points["y_low"], points["y_high"], colors=colours, linewidths=0.7)
    for ink in dict.fromkeys(ink_of[network] for network in points["network"]):
        shown = points[[ink_of[network] == ink for network in points["network"]]]
        axes.plot(shown["x"], shown["y"], linestyle="none", markersize=4.5, zorder=3, **ink.look)
    axes.set_xlabel(legible(panel.x_label))
    axes.set_ylabel(legible(panel.y_label))
    axes.margins(0.12)
    return envelope


def write_names(axes: Axes, points: pd.DataFrame) -> list[Annotation]:
    """Write the names beside the points of a panel whose layout and limits are final."""
    across = np.stack([points[["x_low", "x_high"]], points[["y", "y"]]], axis=-1)
    upright = np.stack([points[["x", "x"]], points[["y_low", "y_high"]]], axis=-1)
    zero = np.column_stack([[0, 0], axes.get_ylim()])
    lines = [zero, upper_envelope(points["x"], points["y"]), *across, *upright]
    return write_labels(axes, points[["x", "y"]].to_numpy(), list(points["name"]), lines=lines)


def upper_envelope(x: ArrayLike, y: ArrayLike) -> NDArray[np.float64]:
    """Return the corners (k, 2), from left to right, of the least concave curve above points.

    It is the upper part of the convex hull (Andrew's monotone chain). scipy's `ConvexHull` refuses
    fewer than three points and points on a line, which are ordinary here.

    Examples
    --------
    >>> upper_envelope([0, 1, 2, 1], [0, 3, 1, 0]).tolist()
    [[0.0, 0.0], [1.0, 3.0], [2.0, 1.0]]
    """
    points = np.column_stack([np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)])
    points = points[np.isfinite(points).all(axis=1)]
    corners: list[NDArray[np.float64]] = []
    for point in points[np.lexsort((points[:, 1], points[:, 0]))]:
        while corners and corners[-1][0] == point[0]:  # keep the highest of equal x
            corners.pop()
        while len(corners) > 1 and _lies_below(corners[-1], corners[-2], point):
            corners.pop()
        corners.append(point)
    return np.array(corners).reshape(-1, 2)


def _lies_below(
    point: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> bool:
    """Whether a point lies on or below the line from start to end."""
    (x, y), (width, height) = point - start, end - start
    return bool(x * height >= y * width)
