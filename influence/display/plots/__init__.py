"""The kinds of plot: functions from frames of results to a matplotlib figure."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from influence.errors import unknown

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["PLOTS", "drawing_of"]

PLOTS = ("performance", "mutes", "matrix", "interactions", "slices", "seeds")
"""The kinds of plot; `draw_KIND` in the module of the same name makes the figure."""


def drawing_of(kind: str) -> Callable[..., Figure]:
    """Return the function that draws a kind of plot; it is imported now, which is slow.

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
    module = import_module(f"influence.display.plots.{kind}")
    draw: Callable[..., Figure] = getattr(module, f"draw_{kind}")
    return draw
