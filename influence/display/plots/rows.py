"""Rows of points with intervals: names down, a value with its interval across."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from influence.display.plots.style import COLUMN_WIDTH, GREY, Ink
from influence.errors import InfluenceError

__all__ = [
    "POINT",
    "draw_intervals",
    "name_rows",
    "refuse_twice",
    "row_panels",
    "run_names",
    "view_limits",
]

NAME_WIDTH = 16  # letters
FRAME, OUTSIDE, PAGE = 0.45, 0.5, 8.0  # inches: a panel's axis; title and legend; rows of a page
BEYOND, LONGEST = 0.3, 1.5  # how far intervals reach: of the values' range, of a usual interval
MARGIN = 0.05  # of an axis, free at either end
POINT: dict[str, Any] = {"markersize": 3.5, "markeredgewidth": 0.8, "zorder": 3}


def run_names(frame: pd.DataFrame) -> pd.Series:
    """Name rows by network, and by seed and data set where a network has several.

    >>> frame = pd.DataFrame({"network": ["a", "a", "b"], "seed": [0, 1, 0], "dataset": "d"})
    >>> run_names(frame).tolist()
    ['a #0', 'a #1', 'b']
    """
    by_network = frame.groupby("network", dropna=False)
    names = frame["network"]
    seeded = names + " #" + frame["seed"].astype("Int64").astype(str)
    names = names.where(by_network["seed"].transform("nunique") < 2, seeded)
    return names.where(
        by_network["dataset"].transform("nunique") < 2, names + "\n" + frame["dataset"]
    )


def refuse_twice(
    results: pd.DataFrame, place: Sequence[str], hint: str = "Give each run once"
) -> None:
    """Refuse results of which two belong at one place of a figure, one over the other.

    Parameters
    ----------
    results : frame with the columns of `run_names`, and `name`.
    place : the columns that, with the name, tell one place from another.
    hint : what to do about it.

    Raises
    ------
    InfluenceError
        If there are two, with what they are of.

    Examples
    --------
    >>> frame = pd.DataFrame({"network": "a", "name": "a", "level": ["all", "class:wall"]})
    >>> refuse_twice(frame, ["level"])
    >>> refuse_twice(pd.concat([frame, frame]), ["level"])
    Traceback (most recent call last):
    ...
    influence.errors.InfluenceError: two results for network 'a' (level all). Give each run once
    """
    if (twice := results.duplicated(["name", *place])).any():
        first = results[twice].iloc[0]
        where = ", ".join(f"{column} {first[column]}" for column in place)
        raise InfluenceError(f"two results for network {first['network']!r} ({where}). {hint}")


def row_panels(heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Return a figure with one panel for each height of rows, in inches.

    One or two panels stand above each other in a column of a paper; more, or those that are too
    high together, side by side in two.
    """
    columns = 1 if len(heights) < 3 and sum(heights) < PAGE else 2
    lines = [max(heights[i : i + columns]) + FRAME for i in range(0, len(heights), columns)]
    size = (COLUMN_WIDTH * columns, sum(lines) + OUTSIDE)
    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(len(lines), columns, squeeze=False, height_ratios=lines).ravel()
    for axes in grid[len(heights) :]:
        axes.remove()
    return figure, list(grid[: len(heights)])


def name_rows(axes: Axes, names: Sequence[str]) -> None:
    """Give a panel one row a name, the first on top, a band under every other one, and a zero."""
    for place in range(0, len(names), 2):
        axes.axhspan(place - 0.5, place + 0.5, color="0.95", linewidth=0, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":", zorder=1)
    axes.set_yticks(range(len(names)), [_wrapped(name) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def draw_intervals(axes: Axes, y: ArrayLike, points: pd.DataFrame, ink: Ink) -> None:
    """Draw points at heights `y`, and their intervals.

    Parameters
    ----------
    axes : a panel.
    y : one height a point.
    points : one row a point: `x`, `x_low` and `x_high`, NaN where there is no interval.
    ink : of them all.
    """
    axes.hlines(y, points["x_low"], points["x_high"], colors=ink.colour, linewidths=0.8, zorder=2)
    axes.plot(points["x"], np.asarray(y), linestyle="none", **ink.look, **POINT)


def view_limits(
    values: ArrayLike, low: ArrayLike, high: ArrayLike, *, zero: bool = True
) -> tuple[float, float]:
    """Return the limits of an axis: they hold all values, and intervals of an ordinary length.

    One interval that is far longer than the others would press all of them together; it runs out
    of the panel instead, and so does what is infinite. With `zero` the limits hold zero, too.

    >>> view_limits([0, 1, 2], [-1, 0, -60], [1, 2, 64])
    (-1.75, 3.75)
    """
    x, below, above = (np.asarray(ends, dtype=np.float64) for ends in (values, low, high))
    x, below, above = (np.where(np.isfinite(ends), ends, np.nan) for ends in (x, below, above))
    reach = np.fmax(above - x, x - below)
    usual = float(np.nanmedian(reach)) if np.isfinite(reach).any() else 0.0
    held = np.append(x, 0.0) if zero else x
    start, end = float(np.nanmin(held)), float(np.nanmax(held))
    room = max(BEYOND * (end - start), LONGEST * usual)
    lowest = max(np.nanmin([*below, start]), start - room)
    highest = min(np.nanmax([*above, end]), end + room)
    margin = MARGIN * (highest - lowest) or 1.0
    return float(lowest - margin), float(highest + margin)


def _wrapped(name: str) -> str:
    """Break a long name at its spaces, or else at hyphens, which leaves the points their room."""
    options: Any = {"break_long_words": False, "replace_whitespace": False}
    words = wrap(name, NAME_WIDTH, break_on_hyphens=False, **options)
    return "\n".join(line for part in words for line in wrap(part, NAME_WIDTH, **options))
