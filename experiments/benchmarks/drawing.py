"""Drawing: how long each contender takes, in plain passes, and where the limit is."""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmarks.cases import CASES, INFLUENCE, RIVALS
from experiments.benchmarks.verdicts import in_units_of
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = ["draw_times"]

PLAIN = "plain pass"


def draw_times(rounds: pd.DataFrame) -> Figure:
    """Draw one panel a source of the data, a line a case, a sign a contender.

    The vertical tick of a case is the tightest of its limits, all of which are ratios to rivals.
    """
    table = in_units_of(PLAIN, rounds).reset_index("source")
    panels = {source: table[table["source"] == source] for source in dict.fromkeys(table["source"])}
    cases = list(dict.fromkeys(table.index))
    signs = inks([INFLUENCE, *(name for name in RIVALS if name != PLAIN)])
    with styled():
        size = (2 * COLUMN_WIDTH, 0.28 * len(cases) + 1.0)
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(1, len(panels), sharey=True, squeeze=False).ravel()
        for axes, (source, passes) in zip(grid, panels.items(), strict=True):
            axes.axvline(1, color=GREY, linewidth=0.6, linestyle=":", zorder=0)
            for name, ink in signs.items():
                if name in passes:
                    axes.plot(
                        passes[name], range(len(cases)), ink.marker, color=ink.colour,
                        label=name, markersize=4.5, linestyle="none",
                    )  # fmt: skip
            _draw_limits(axes, passes)
            axes.set_title(f"data from {source}")
            axes.set_xlabel("time, in plain passes")
            axes.set_xlim(left=0)
        grid[0].set_yticks(range(len(cases)), cases)
        grid[0].invert_yaxis()
        handles, labels = grid[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def _draw_limits(axes: Axes, passes: pd.DataFrame) -> None:
    """Mark the tightest limit of each case; a column of `passes` is a contender."""
    places, limits = [], []
    for place, (case, row) in enumerate(passes.iterrows()):
        found = [
            limit * row[rival]
            for rival, limit in CASES[str(case)].limits.items()
            if limit is not None and rival in row
        ]
        if found:
            places.append(place)
            limits.append(min(found))
    axes.plot(
        limits, places, "|", color="black", markersize=9, label="limit", linestyle="none"
    )  # fmt: skip
