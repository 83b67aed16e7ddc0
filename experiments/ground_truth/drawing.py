"""Drawing: coverage beside its band, and the damage of mutes against their distance."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from experiments.ground_truth.judgement import COVERAGE
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = ["draw_artefacts", "draw_coverage"]


def draw_coverage(coverage: pd.DataFrame) -> Figure:
    """Draw a point a quantity: one panel a metric and mute, one line a layout."""
    panels = list(coverage.groupby(["metric", "mute", "world"], sort=False))
    layouts = list(dict.fromkeys(coverage["data"]))
    signs = inks(coverage["kind"])
    with styled():
        figure = Figure(figsize=(2 * COLUMN_WIDTH + 2, 3.6), layout="constrained")
        grid = figure.subplots(2, -(-len(panels) // 2), sharex=True, sharey=True, squeeze=False)
        for axes, ((metric, mute, world), own) in zip(grid.ravel(), panels, strict=False):
            axes.axvspan(*COVERAGE, color="0.92", zorder=0)
            axes.axvline(0.95, color=GREY, linewidth=0.6, linestyle=":")
            for step, (kind, ink) in enumerate(signs.items()):
                shown = own[own["kind"] == kind]
                places = [layouts.index(name) + 0.15 * (step - 1.5) for name in shown["data"]]
                axes.plot(shown["coverage"], places, ink.marker, color=ink.colour, markersize=2.5,
                          label=kind.replace("_", " "), linestyle="none")  # fmt: skip
            axes.set_title(f"{metric}, {mute}, {world}")
            axes.set_xlabel("coverage")
        grid[0, 0].set_yticks(range(len(layouts)), layouts)
        grid[0, 0].invert_yaxis()
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure


def draw_artefacts(artefacts: pd.DataFrame) -> Figure:
    """Draw a point a mute, source and seed: one panel a network."""
    panels = list(artefacts.groupby(["data", "training"], sort=False))
    names = artefacts["mute"].where(artefacts["step"].fillna(0) == 0, "constants, in steps")
    signs = inks(names)
    with styled():
        figure = Figure(figsize=(2 * COLUMN_WIDTH, 4.4), layout="constrained")
        grid = figure.subplots(2, -(-len(panels) // 2), sharex=True, sharey=True, squeeze=False)
        for axes, ((data, training), own) in zip(grid.ravel(), panels, strict=False):
            for name, ink in signs.items():
                shown = own[names[own.index] == name]
                axes.plot(shown["distance"], shown["damage"], ink.marker, color=ink.colour,
                          markersize=2.5, label=name, linestyle="none")  # fmt: skip
            axes.axvline(own["threshold"].iloc[0], color=GREY, linewidth=0.6, linestyle=":")
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=0.1)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter("{x:g}")
            axes.set_title(f"{data}, {training}")
            axes.set_xlabel("distance from the data")
            axes.set_ylabel("damage")
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))
    return figure
