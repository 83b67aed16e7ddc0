"""The bulk of some points: what a panel shows in full, where a few lie far from all others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from influence.plots.rows import view_limits
from influence.plots.style import Ink

__all__ = ["in_bulk", "pin_outside", "set_view", "value_outside"]

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
    points : see `influence.plots.performance.Panel`.

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
