"""Verdicts: the judged lines, from the CSVs alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from experiments.benchmarks.cases import CASES, INFLUENCE, RIVALS
from experiments.benchmarks.records import read_records

__all__ = ["evaluation_seconds", "in_order", "in_units_of", "interval_seconds", "judge",
           "parts_table"]  # fmt: skip

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
    for row in checks[checks["contender"] == INFLUENCE].to_dict("records"):
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
