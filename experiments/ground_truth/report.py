"""Report: the tables of the README and the figures, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmarks.cases import read_records
from experiments.ground_truth.judgement import COVERAGE, judge, rank_mutes
from experiments.publishing.files import Output, write_csv
from experiments.publishing.pages import plain_table
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = ["blocks", "draw_artefacts", "draw_coverage", "write_report"]


Panels = tuple[Figure, list[tuple[Axes, pd.DataFrame]]]


@contextmanager
def _panels(frame: pd.DataFrame, by: list[str], size: tuple[float, float]) -> Iterator[Panels]:
    """Make a figure with a panel for each group of the rows, and a legend of them all."""
    groups = list(frame.groupby(by, sort=False))
    with styled():
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(2, -(-len(groups) // 2), sharex=True, sharey=True, squeeze=False)
        for axes, (key, _) in zip(grid.flat, groups, strict=False):
            axes.set_title(", ".join(map(str, key)))
        yield figure, [(axes, own) for axes, (_, own) in zip(grid.flat, groups, strict=False)]
        handles, labels = grid[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(labels))


def draw_coverage(coverage: pd.DataFrame) -> Figure:
    """Draw a point a quantity: one panel a metric and mute, one line a layout."""
    layouts = list(dict.fromkeys(coverage["data"]))
    signs = inks(coverage["kind"])
    size = (2 * COLUMN_WIDTH + 2, 3.6)
    with _panels(coverage, ["metric", "mute", "world"], size) as (figure, panels):
        for axes, own in panels:
            axes.axvspan(*COVERAGE, color="0.92", zorder=0)
            axes.axvline(0.95, color=GREY, linewidth=0.6, linestyle=":")
            for step, (kind, ink) in enumerate(signs.items()):
                shown = own[own["kind"] == kind]
                places = [layouts.index(name) + 0.15 * (step - 1.5) for name in shown["data"]]
                axes.plot(shown["coverage"], places, ink.marker, color=ink.colour, markersize=2.5,
                          label=kind.replace("_", " "), linestyle="none")  # fmt: skip
            axes.set_xlabel("coverage")
        first, _ = panels[0]
        first.set_yticks(range(len(layouts)), layouts)
        first.invert_yaxis()
    return figure


def draw_artefacts(artefacts: pd.DataFrame) -> Figure:
    """Draw a point a mute, source and seed: one panel a network."""
    names = artefacts["mute"].where(artefacts["step"].fillna(0) == 0, "constants, in steps")
    signs = inks(names)
    size = (2 * COLUMN_WIDTH, 4.4)
    with _panels(artefacts, ["data", "training"], size) as (figure, panels):
        for axes, own in panels:
            for name, ink in signs.items():
                shown = own[names[own.index] == name]
                axes.plot(shown["distance"], shown["damage"], ink.marker, color=ink.colour,
                          markersize=2.5, label=name, linestyle="none")  # fmt: skip
            axes.axvline(own["threshold"].iloc[0], color=GREY, linewidth=0.6, linestyle=":")
            axes.set_xscale("log")
            axes.set_yscale("symlog", linthresh=0.1)
            for axis in (axes.xaxis, axes.yaxis):
                axis.set_major_formatter("{x:g}")
            axes.set_xlabel("distance from the data")
            axes.set_ylabel("damage")
    return figure


FIGURES = {"coverage": draw_coverage, "artefacts": draw_artefacts}
"""CSV -> what is drawn from it, into files of the same name."""


def write_report(folder: Path, output: Output) -> Iterator[Path]:
    """Write what follows from the CSVs of the studies; yield the files as they are written."""
    tables = _tables(folder)
    if "artefacts" in tables:
        ranks = pd.DataFrame(rank_mutes(tables["artefacts"]))
        yield write_csv(ranks, folder / "ranks.csv", digits=6)
    yield write_csv(judge(_tables(folder)), folder / "judged.csv", digits=6)
    for name in filter(tables.__contains__, FIGURES):
        yield from output.figure(folder, name, partial(FIGURES[name], tables[name]))


def blocks(folder: Path) -> dict[str, str]:
    """Return the README's tables by name; a table whose CSV is not there says so."""
    makers: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "judged": lambda frame: frame,
        "bias": _bias,
        "coverage": _coverage,
        "false_alarms": _false_alarms,
        "power": _power,
        "verdicts": _verdicts,
        "artefacts": _artefacts,
        "ranks": _ranks,
    }
    tables = _tables(folder)
    return {
        name: plain_table(make(tables[name]), "") if name in tables else "Not simulated yet."
        for name, make in makers.items()
    }


def _tables(folder: Path) -> dict[str, pd.DataFrame]:
    found = {path.stem: read_records(path) for path in sorted(folder.glob("*.csv"))}
    return {name: frame for name, frame in found.items() if frame is not None}


def _span(shares: Any) -> str:
    """Show the least and the greatest of some shares, in per cent."""
    low, high = 100 * np.min(shares), 100 * np.max(shares)
    return f"{low:.1f}" if high - low < 0.05 else f"{low:.1f} to {high:.1f}"


def _bias(bias: pd.DataFrame) -> pd.DataFrame:
    """One row a world and metric, over all mutes, kinds and players."""
    grouped = bias.assign(size=bias["in_errors"].abs()).groupby(
        ["world", "about", "metric"], sort=False
    )
    table = grouped.agg(
        n=("n", "first"), sets=("sets", "first"), values=("n", "size"), largest=("size", "max"),
        mean=("z", "mean"), deviation=("z", "std"),
    )  # fmt: skip
    words = {"about": "what it shows", "largest": "largest bias, in standard errors",
             "mean": "mean of z", "deviation": "deviation of z"}  # fmt: skip
    return table.reset_index().rename(columns=words)


def _coverage(coverage: pd.DataFrame) -> pd.DataFrame:
    """One row a metric, mute and layout, one column a kind."""
    keys = ["metric", "world", "mute", "data", "groups", "sets"]
    table = coverage.pivot_table(
        index=keys, columns="kind", values="coverage", aggfunc=_span, sort=False
    )
    return table.reset_index().rename(columns=lambda name: str(name).replace("_", " "))


def _false_alarms(alarms: pd.DataFrame) -> pd.DataFrame:
    """One row a world, mute and layout."""
    records = []
    for key, own in alarms.groupby(["world", "mute", "data"], sort=False):
        single, whole = own[own["source"] != "any"], own[own["source"] == "any"].iloc[0]
        records.append(
            {
                **dict(zip(("world", "mute", "data"), key, strict=True)),
                "groups": whole["groups"],
                "sets": whole["sets"],
                "tests": len(single),
                "one test, %": _span(single["raw"]),
                "any of them, %": _span([whole["raw"]]),
                "any after Holm, %": _span([whole["holm"]]),
            }
        )
    return pd.DataFrame(records)


def _power(power: pd.DataFrame) -> pd.DataFrame:
    """One row an effect, one column a layout: found, and predicted in brackets."""
    pairs = zip(power["power"], power["predicted"], strict=True)
    shown = power.assign(text=[f"{100 * x:.0f} ({100 * expected:.0f})" for x, expected in pairs])
    keys = ["metric", "omega", "sets"]
    table = shown.pivot_table(
        index=keys, columns="data", values="text", aggfunc="first", sort=False
    )
    return table.reset_index()


def _verdicts(verdicts: pd.DataFrame) -> pd.DataFrame:
    """One row a source, one column a verdict."""
    shown = verdicts.assign(share=100 * verdicts["share"])
    expected = verdicts[verdicts["expected"]].set_index("source")["verdict"]
    table = shown.pivot_table(
        index=["source", "n", "sets"], columns="verdict", values="share", sort=False
    ).reset_index()
    table.insert(1, "wanted", table["source"].map(expected))
    return table


def _artefacts(artefacts: pd.DataFrame) -> pd.DataFrame:
    """One row a network and mute: means over seeds, for the source x."""
    own = artefacts[artefacts["source"] == "x"]
    columns = ["omega", "taken", "damage", "distance", "outside"]
    return own.groupby(["data", "training", "mute"], sort=False)[columns].mean().reset_index()


def _ranks(ranks: pd.DataFrame) -> pd.DataFrame:
    """One row a network: means over seeds and sources."""
    grouped = ranks.groupby(["data", "training"], sort=False)
    table = grouped.agg(
        networks=("seed", "nunique"), panel=("panel", "mean"), worst=("panel", "min"),
        all=("all", "mean"), worst_of_all=("all", "min"), ladder=("ladder", "all"),
    )  # fmt: skip
    words = {"panel": "rank correlation, panel", "all": "rank correlation, all mutes",
             "worst_of_all": "worst of all mutes", "ladder": "ladder in order"}  # fmt: skip
    return table.reset_index().rename(columns=words)
