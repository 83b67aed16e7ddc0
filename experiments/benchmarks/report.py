"""Report: verdicts, figure and the tables of the README, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.benchmarks.cases import CASES, INFLUENCE, RIVALS, read_records
from experiments.publishing.files import Output, write_csv
from experiments.publishing.pages import plain_table
from influence.display.plots.style import COLUMN_WIDTH, GREY, inks, styled

__all__ = [
    "blocks",
    "draw_times",
    "in_order",
    "in_units_of",
    "judge",
    "parts_table",
    "summary",
    "write_report",
]

READS, FLOPS, INTERVALS, SECONDS, MEMORY = 1.0, 1.05, 1 / 200, 1.0, 1.1
"""The limits that belong to no rival."""


def evaluation_seconds(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return the seconds that are compared, by case, source and round; a column a contender.

    Ours are those of the whole call without those of tables and intervals.
    """
    return rounds.assign(seconds=rounds["seconds"] - rounds["statistics"]).pivot_table(
        index=["case", "source", "round"], columns="contender", values="seconds", sort=False
    )


def in_units_of(contender: str, rounds: pd.DataFrame) -> pd.DataFrame:
    """Return seconds over those of one contender: medians of the ratios of every round.

    Rows are cases in the order of `CASES`, and sources; columns are contenders.
    """
    seconds = evaluation_seconds(rounds)
    shares = seconds.div(seconds[contender], axis=0)
    return in_order(shares.groupby(level=["case", "source"], sort=False).median())


def in_order(frame: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by the level `case` of the index, in the order of `CASES`, others after them."""
    place = {case: number for number, case in enumerate(CASES)}
    places = frame.index.get_level_values("case").map(lambda case: place.get(case, len(place)))
    return frame.iloc[np.argsort(places, kind="stable")]


def judge(folder: Path) -> pd.DataFrame:
    """Return one row a judged line: what, the case, the source of the data, value, limit, met."""
    makers = {"rounds": _of_rounds, "checks": _of_checks, "flops": _of_flops,
              "intervals": _of_intervals, "memory": _of_memory}  # fmt: skip
    lines = [
        line
        for name, make in makers.items()
        if (frame := read_records(folder / f"{name}.csv")) is not None
        for line in make(frame)
    ]
    judged = pd.DataFrame(lines, columns=["case", "source", "what", "value", "limit"])
    judged["met"] = judged["value"] <= judged["limit"]
    return in_order(judged.set_index("case")).reset_index()


Line = tuple[str, str, str, float, float]


def _of_rounds(rounds: pd.DataFrame) -> Iterator[Line]:
    for rival in RIVALS:
        if rival in set(rounds["contender"]):
            found = in_units_of(rival, rounds)[INFLUENCE].dropna().reset_index()
            for case, source, value in zip(*(found[column] for column in found), strict=True):
                limit = CASES[case].limits.get(rival) if case in CASES else None
                if limit is not None:
                    yield case, source, f"time / {rival}", value, limit


def _of_checks(checks: pd.DataFrame) -> Iterator[Line]:
    # Of batches in memory the first one is looked at before the run, which costs no reading.
    ours = checks[(checks["contender"] == INFLUENCE) & (checks["source"] == "file")]
    for row in ours.to_dict("records"):
        yield row["case"], row["source"], "reads per sample", row["reads_per_sample"], READS


def _of_flops(flops: pd.DataFrame) -> Iterator[Line]:
    for case, rows in flops.groupby("case", sort=False):
        counts = rows.set_index("what")["flops"]
        if "least possible" in counts:
            share = counts["shared"] / counts["least possible"]
            yield str(case), "", "FLOPs / least possible", share, FLOPS
        if "bound" in counts:
            yield str(case), "", "FLOPs / bound", counts["shared"] / counts["bound"], 1.0


def interval_seconds(intervals: pd.DataFrame) -> pd.DataFrame:
    """Return by contender and draws: median seconds, and scaled to the draws that are wanted."""
    keys = ["contender", "draws", "wanted_draws"]
    found = intervals.groupby(keys, sort=False)["seconds"].median().reset_index()
    found["scaled"] = found["seconds"] / found["draws"] * found["wanted_draws"]
    return found


def _of_intervals(intervals: pd.DataFrame) -> Iterator[Line]:
    found = interval_seconds(intervals)
    case = str(intervals["case"].iloc[0])
    ours = found[found["contender"] == INFLUENCE]["scaled"].item()
    theirs = found[found["contender"] != INFLUENCE]["scaled"]
    yield case, "memory", "time / BootStrapper, scaled", ours / theirs.min(), INTERVALS
    yield case, "memory", "seconds", ours, SECONDS


def _of_memory(memory: pd.DataFrame) -> Iterator[Line]:
    peaks = memory.groupby("samples")["peak_mebibytes"].median()
    what = f"peak of {peaks.index.max()} / of {peaks.index.min()} samples"
    yield str(memory["case"].iloc[0]), "stream", what, peaks.iloc[-1] / peaks.iloc[0], MEMORY


def parts_table(rounds: pd.DataFrame) -> pd.DataFrame:
    """Return what each measurement consists of, in forward passes over all samples.

    Each part is the median over the rounds of its seconds over those of the forward pass of the
    same round; `rest` is what is left of the whole: trying out whether work can be shared, muting,
    checks that predictions are finite, collecting.
    """
    seconds = evaluation_seconds(rounds).unstack("source")
    forward, shared, metrics = (
        seconds[name, "memory"] for name in ("forward", "shared", "metrics")
    )
    tables = []
    for source in dict.fromkeys(rounds["source"]):
        parts = {
            "whole": seconds[INFLUENCE, source],
            "forward": forward,
            "muted parts": shared - forward,
            "reading": seconds["reading", source],
            "metrics": metrics,
        }
        table = pd.DataFrame(parts).div(forward, axis=0).groupby(level="case", sort=False).median()
        table["rest"] = 2 * table["whole"] - table.sum(axis=1)
        table.insert(0, "source", source)
        tables.append(table)
    return in_order(pd.concat(tables)).reset_index()


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
    table = units[columns].reset_index()
    facts = machine.iloc[0]
    return (
        f"Time over that of one plain evaluation pass with torchmetrics ({facts['cpu']}, "
        f"{facts['threads']} threads, torch {facts['torch']}; median of "
        f"{_span(rounds.groupby('case')['round'].nunique())} rounds; more in "
        f"[reports/benchmarks](reports/benchmarks/README.md)):\n\n{plain_table(table, '')}"
    )


def blocks(folder: Path) -> dict[str, str]:
    """Return the README's tables by name; a table whose CSV is not there yet says so."""
    makers: Mapping[str, tuple[str, Callable[[pd.DataFrame], pd.DataFrame]]] = {
        "parts": ("rounds", parts_table),
        "times": ("rounds", _times),
        "checks": ("checks", lambda frame: frame),
        "flops": ("flops", _flops),
        "intervals": ("intervals", _intervals),
        "memory": ("memory", _memory),
        "machine": ("machine", _machine),
    }
    found = {"judged": plain_table(judge(folder))}
    for block, (name, make) in makers.items():
        frame = read_records(folder / f"{name}.csv")
        missing = "nan" if block == "flops" else ""
        found[block] = "Not measured yet." if frame is None else plain_table(make(frame), missing)
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
    return table.merge(facts, on="case")


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
