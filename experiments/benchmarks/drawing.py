"""Drawing: how long each contender takes, in plain passes, and where the limit is."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmarks.cases import CASES, INFLUENCE, RIVALS
from experiments.benchmarks.verdicts import in_units_of
from influence.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = ["draw_times"]

PLAIN = "plain pass"


def draw_times(rounds: pd.DataFrame) -> Figure:
    """Draw one panel a source of the data, a line a case, a sign a contender.

    The vertical tick of a case is its limit for the ratio to the plain pass.
    """
    passes = in_units_of(PLAIN, rounds).unstack("source", sort=False)
    sources = list(dict.fromkeys(rounds["source"]))
    signs = inks([INFLUENCE, *(name for name in RIVALS if name != PLAIN)])
    with styled():
        size = (2 * COLUMN_WIDTH, 0.28 * len(passes) + 1.0)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(1, len(sources), sharey=True, squeeze=False).ravel()
        for axes, source in zip(grid, sources, strict=True):
            axes.axvline(1, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
            for name, ink in signs.items():
                if name in passes:
                    axes.plot(
                        passes[name, source], range(len(passes)), ink.marker, color=ink.colour,
                        label=name, markersize=4.5, linestyle="none",
                    )  # fmt: skip
            _draw_limits(axes, list(passes.index))
            axes.set_title(f"data from {source}")
            axes.set_xlabel("time, in plain passes")
            axes.set_xlim(left=0)
        grid[0].set_yticks(range(len(passes)), list(passes.index))
        grid[0].invert_yaxis()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _draw_limits(axes: Axes, cases: list[str]) -> None:
    """Mark each case's limit in plain passes."""
    found = {place: CASES[case].limits.get(PLAIN) for place, case in enumerate(cases)}
    limits = {place: limit for place, limit in found.items() if limit is not None}
    axes.plot(
        list(limits.values()), list(limits), "|", color="black", markersize=9, label="limit",
        linestyle="none",
    )  # fmt: skip
