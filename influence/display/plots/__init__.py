"""The kinds of plot: functions from frames of results to a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING

from influence.errors import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "drawing_of"]

PLOTS: Mapping[str, str] = {
    "performance": "influence.display.plots.performance:draw_performance",
    "mutes": "influence.display.plots.mutes:draw_mutes",
    "matrix": "influence.display.plots.matrix:draw_matrix",
    "interactions": "influence.display.plots.interactions:draw_interactions",
    "slices": "influence.display.plots.slices:draw_slices",
    "seeds": "influence.display.plots.seeds:draw_seeds",
}
"""Kind of plot -> its function, by name, because importing matplotlib is slow."""


def drawing_of(kind: str) -> Callable[..., Figure]:
    """Return the function that draws a kind of plot.

    Parameters
    ----------
    kind
        A name of `PLOTS`.

    Raises
    ------
    InfluenceError
        If the kind is unknown.

    Examples
    --------
    >>> drawing_of("performance").__name__
    'draw_performance'
    """
    if kind not in PLOTS:
        raise unknown("plot", kind, PLOTS)
    module, name = PLOTS[kind].split(":")
    draw: Callable[..., Figure] = getattr(import_module(module), name)
    return draw
