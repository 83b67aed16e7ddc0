"""Report: verdicts, figure and the tables of the README, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmarks.cases import CASES, INFLUENCE, RIVALS
from experiments.benchmarks.records import read_records
from experiments.benchmarks.verdicts import (
    evaluation_seconds,
    in_order,
    in_units_of,
    interval_seconds,
    judge,
    parts_table,
)
from experiments.publishing.files import Output, write_csv
from experiments.publishing.pages import plain_table
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = ["blocks", "draw_times", "summary", "write_report"]

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


WHOLE, INNER = "influence, whole call", "influence, evaluation alone"


def write_report(folder: Path, output: Output) -> Iterator[Path]:
    """Write what follows from the CSVs of measurements; yield the files as they are written."""
    rounds = read_records(folder / "rounds.csv")
    yield write_csv(judge(folder), folder / "judged.csv")
    if rounds is not None:
        yield write_csv(parts_table(rounds), folder / "parts.csv")
        yield from output.figure(folder, "times", partial(draw_times, rounds))


def summary(folder: Path) -> str:
    """Return the table for the project's README: seconds over those of one plain evaluation."""
    rounds = read_records(folder / "rounds.csv")
    machine = read_records(folder / "machine.csv")
    if rounds is None or machine is None:
        return "Not measured yet."
    units = in_units_of("plain pass", rounds)
    columns = [name for name in (INFLUENCE, "setup loop", "captum") if name in units]
    table = units[columns].reset_index().fillna("")
    facts = machine.iloc[0]
    return (
        f"Time over that of one plain evaluation pass with torchmetrics ({facts['cpu']}, "
        f"{facts['threads']} threads, torch {facts['torch']}; median of "
        f"{_span(rounds.groupby('case')['round'].nunique())} rounds; more in "
        f"[reports/benchmarks](reports/benchmarks/README.md)):\n\n{plain_table(table)}"
    )


def blocks(folder: Path) -> dict[str, str]:
    """Return the README's tables by name; a table whose CSV is not there yet says so."""
    makers: Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
        "parts": ("rounds", parts_table),
        "times": ("rounds", _times),
        "checks": ("checks", lambda frame: frame.fillna("")),
        "flops": ("flops", _flops),
        "intervals": ("intervals", _intervals),
        "memory": ("memory", _memory),
        "machine": ("machine", _machine),
    }
    found = {"judged": plain_table(judge(folder))}
    for block, (name, make) in makers.items():
        frame = read_records(folder / f"{name}.csv")
        found[block] = "Not measured yet." if frame is None else plain_table(make(frame))
    return found


def _span(counts: pd.Series) -> str:
    least, most = counts.min(), counts.max()
    return f"{most}" if least == most else f"{least} to {most}"


def _times(rounds: pd.DataFrame) -> pd.DataFrame:
    """Median seconds by contender; of ours also the whole call, and the evaluation in it."""
    ours = rounds[rounds["contender"] == INFLUENCE]
    whole = ours.assign(contender=WHOLE, statistics=0.0)
    inner = ours.assign(contender=INNER, statistics=0.0, seconds=ours["evaluate"])
    shown = evaluation_seconds(pd.concat([rounds, whole, inner], ignore_index=True))
    names = (INFLUENCE, WHOLE, INNER, *RIVALS)
    medians = in_order(shown.groupby(level=["case", "source"], sort=False).median())
    facts = rounds.groupby("case").agg(
        n=("n", "first"), resolution=("resolution", "first"), batch_size=("batch_size", "first"),
        rounds=("round", "nunique"),
    )  # fmt: skip
    table = medians[[name for name in names if name in medians]].reset_index()
    return table.merge(facts, on="case").fillna("")


def _flops(flops: pd.DataFrame) -> pd.DataFrame:
    """FLOPs in forward passes."""
    table = flops.pivot_table(index="case", columns="what", values="of_plain", sort=False)
    plain = flops[flops["what"] == "plain"].set_index("case")["flops"] / 1e9
    table.insert(0, "plain, GFLOPs", plain)
    return table.drop(columns="plain").reset_index()


def _intervals(intervals: pd.DataFrame) -> pd.DataFrame:
    found = interval_seconds(intervals)
    return found.rename(columns={"scaled": "seconds for the wanted draws"})


def _memory(memory: pd.DataFrame) -> pd.DataFrame:
    peaks = memory.groupby("samples")["peak_mebibytes"].agg(["median", "min", "max"])
    return peaks.add_prefix("peak, MiB: ").reset_index()


def _machine(machine: pd.DataFrame) -> pd.DataFrame:
    """One row a machine, with the cases that ran on it."""
    facts = [column for column in machine if column != "case"]
    return machine.groupby(facts, sort=False, dropna=False)["case"].agg(", ".join).reset_index()
