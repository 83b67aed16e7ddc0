"""Rows of results: which omegas a figure shows, as points with intervals beside their names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any, Literal, TypeVar

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import ArrayLike

from influence.display.notation import gains
from influence.display.plots.style import COLUMN_WIDTH, GREY, Ink, legible
from influence.errors import InfluenceError
from influence.results.selection import choose

__all__ = [
    "POINT",
    "Directions",
    "draw_intervals",
    "drawable",
    "lay_rows",
    "name_rows",
    "point_legend",
    "refuse_twice",
    "row_panels",
    "scaled",
    "shown_directions",
    "view_limits",
]

Directions = Literal["cross", "all"]
"""`cross` leaves out the influence of an input on the output of the same name."""

NAME_WIDTH = 16  # letters
WORD_WIDTH = 24  # letters; a longer word is broken where there is no hyphen, too
FRAME, OUTSIDE, PAGE = 0.45, 0.5, 8.0  # inches: a panel's axis; title and legend; rows of a page
BEYOND, LONGEST = 0.3, 1.5  # how far intervals reach: of the values' range, of a usual interval
MARGIN = 0.05  # of an axis, free at either end
LARGEST = 1e100  # number that is drawn; less than one part of it is zero
T = TypeVar("T", pd.Series, pd.DataFrame)
POINT: dict[str, Any] = {"markersize": 3.5, "markeredgewidth": 0.8, "zorder": 3}


def shown_directions(
    omega: pd.DataFrame,
    *,
    mutes: Sequence[str] = (),
    metric: Sequence[str] = (),
    level: str = "all",
    directions: Directions = "cross",
) -> pd.DataFrame:
    """Choose the omegas that a figure shows, and scale them as they are shown.

    Parameters
    ----------
    omega
        Frame with the columns of `influence.csv`, or of
        `influence.analysis.seeds.aggregate_seeds`.
    mutes
        Names of mutes; all by default.
    metric
        Names of metrics; by default one per target: mean IoU, the squared relative error, or else
        the first in the frame.
    level
        `all`, one slice such as `class:floor`, or a pattern.
    directions
        `cross` leaves out the influence of an input on the output of the same name.

    Returns
    -------
    DataFrame
        The chosen rows with the further columns `x`, `x_low` and `x_high`, in the units that are
        shown.

    Raises
    ------
    InfluenceError
        If a name is unknown, or no direction is left.

    Examples
    --------
    >>> frame = pd.DataFrame({
    ...     "mute": "zero", "source": ["depth", "depth"], "target": ["depth", "semantic"],
    ...     "metric": ["rms", "mean_iou"], "level": "all", "omega": [0.3, 0.02],
    ...     "omega_low": [0.2, 0.01], "omega_high": [0.4, 0.03]})
    >>> shown_directions(frame)[["target", "x", "x_high"]].values.tolist()
    [['semantic', 2.0, 3.0]]
    """
    chosen = choose(omega, metric=metric, mute=mutes, level=level)
    if directions == "cross":
        chosen = chosen[chosen["source"] != chosen["target"]]
    if chosen.empty:
        raise InfluenceError(
            "expected influence of one input on another output, found none; give directions='all'"
        )
    ends = ("omega_low", "omega_high") if "omega_low" in chosen else ("low", "high")
    return scaled(chosen, "omega", *ends)


def scaled(chosen: pd.DataFrame, value: str, low: str, high: str) -> pd.DataFrame:
    """Add the columns `x`, `x_low` and `x_high`: those named, in the units that are shown."""
    gain = gains(chosen["metric"])
    ends = {"x": value, "x_low": low, "x_high": high}
    return chosen.assign(**{end: drawable(chosen[name] * gain) for end, name in ends.items()})


def drawable(numbers: T) -> T:
    """Return numbers, of a series or a frame, such that an axis holds them: none is next to zero.

    Raises
    ------
    InfluenceError
        If a number is so large that the length of an axis would overflow. An infinite one runs out
        of the panel.

    Examples
    --------
    >>> drawable(pd.Series([5e-324, 1.0])).tolist()
    [0.0, 1.0]
    """
    sizes = numbers.abs()
    if (large := (sizes > LARGEST) & np.isfinite(sizes)).any(axis=None):
        found = float(np.nanmax(sizes.where(large).to_numpy()))
        raise InfluenceError(
            f"expected numbers of at most {LARGEST:g} to draw, got {found:g}. Leave it out by "
            "mute, metric or level"
        )
    return numbers.where(~(sizes < 1 / LARGEST), 0.0)


def refuse_twice(
    results: pd.DataFrame, columns: Sequence[str], hint: str = "Give each run once"
) -> None:
    """Raise an error if two results would be drawn over each other.

    Parameters
    ----------
    results
        Frame with the columns `network` and `name`, and with `columns`.
    columns
        What tells the results of one `name` apart.
    hint
        What the user can do about it.

    Raises
    ------
    InfluenceError
        If two rows are equal in `name` and `columns`; the message names the first.

    Examples
    --------
    >>> frame = pd.DataFrame({"network": "a", "name": "a", "level": ["all", "class:wall"]})
    >>> refuse_twice(frame, ["level"])
    >>> refuse_twice(pd.concat([frame, frame]), ["level"])
    Traceback (most recent call last):
    ...
    influence.errors.InfluenceError: two results for network 'a' (level all). Give each run once
    """
    if (twice := results.duplicated(["name", *columns])).any():
        first = results[twice].iloc[0]
        where = ", ".join(f"{column} {first[column]}" for column in columns)
        raise InfluenceError(f"two results for network {first['network']!r} ({where}). {hint}")


def row_panels(heights: Sequence[float]) -> tuple[Figure, list[Axes]]:
    """Make a figure with one panel for each height of rows, in inches.

    One or two panels stand above each other in a column of a paper; more, or those that are too
    high together, side by side in two.

    Returns
    -------
    tuple
        The figure and its panels, in the order of the heights.
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
    """Give a panel one row per name from the top, a band under every other row, and a line at 0."""
    for row in range(0, len(names), 2):
        axes.axhspan(row - 0.5, row + 0.5, color="0.95", linewidth=0, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.6, linestyle=":", zorder=1)
    axes.set_yticks(range(len(names)), [_wrapped(legible(name)) for name in names])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_ylim(len(names) - 0.5, -0.5)


def lay_rows(
    axes: Axes, points: pd.DataFrame, row: str, group: str, groups: Iterable[str], step: float
) -> pd.DataFrame:
    """Prepare a panel for points in rows, and return the points with their heights `y`.

    Parameters
    ----------
    axes
        A panel.
    points
        One row per point: `x`, `x_low`, `x_high`, and the columns that `row` and `group` name.
    row, group
        The column that names the row of a point, and the one that tells points of a row apart.
    groups
        The groups, from the top of a row.
    step
        The distance between two groups, of the height of a row.
    """
    row_of = {name: i for i, name in enumerate(points[row].unique())}
    name_rows(axes, list(row_of))
    axes.set_xlim(view_limits(points["x"], points["x_low"], points["x_high"]))
    below = {name: i for i, name in enumerate(groups)}
    y = points[row].map(row_of) + (points[group].map(below) - (len(below) - 1) / 2) * step
    return points.assign(y=y)


def point_legend(ink_of: Mapping[str, Ink]) -> dict[str, Line2D]:
    """Return the entries of a legend that explains points with intervals by their ink."""
    return {
        name: Line2D([], [], linewidth=0.8, **ink.look, **POINT) for name, ink in ink_of.items()
    }


def draw_intervals(axes: Axes, points: pd.DataFrame, ink: Ink) -> None:
    """Draw points and their intervals.

    Parameters
    ----------
    axes
        A panel.
    points
        One row per point: `x`, `y`, and `x_low` and `x_high`, NaN if there is no interval.
    ink
        The colour and marker of all points.
    """
    ends = points["x_low"], points["x_high"]
    axes.hlines(points["y"], *ends, colors=ink.colour, linewidths=0.8, zorder=2)
    axes.plot(points["x"], points["y"], linestyle="none", **ink.look, **POINT)


def view_limits(
    values: ArrayLike, low: ArrayLike, high: ArrayLike, *, zero: bool = True
) -> tuple[float, float]:
    """Return the limits of an axis, which hold all values and intervals of ordinary length.

    One interval that is far longer than the rest would leave no room for them; it runs out of the
    panel instead, and so does an infinite one. With `zero`, the limits hold zero, too.

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
    lines = [line for part in words for line in wrap(part, NAME_WIDTH, **options)]
    return "\n".join(
        piece for line in lines for piece in wrap(line, WORD_WIDTH, replace_whitespace=False)
    )
