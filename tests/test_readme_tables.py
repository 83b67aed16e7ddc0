"""The numbers in the tables of READMEs are those of the CSVs, by a second derivation."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from statistics import fmean, median
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.readme_tables import Record, is_rounded, read_csv, read_rows, with_intervals

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "reports"

TRIPLES = (
    ("omega", "omega_low", "omega_high"), ("omega", "low", "high"), ("value", "low", "high"),
    ("difference", "low", "high"),
)  # fmt: skip
"""Columns of a number and the ends of its interval."""


def rows_of(page: str, block: str) -> list[Record]:
    return read_rows((ROOT / page).read_text(encoding="utf-8"), block)


@cache
def triples(folder: Path) -> NDArray[np.float64]:
    """Return every number with its interval in the CSVs of a folder, and of all below it."""
    found = [
        tuple(float(row[name]) if row[name] else np.nan for name in columns)
        for path in sorted(folder.rglob("*.csv"))
        for columns in TRIPLES
        if columns[0] in (rows := read_csv(path))[0] and columns[1] in rows[0]
        for row in rows
    ]
    return np.array(found)


def is_founded(shown: tuple[str, str, str], folder: Path) -> bool:
    """Say whether a number and both ends of its interval stand in one row of a CSV.

    Pages show shares in per cent, and errors so that more is better.
    """
    number, *ends = map(float, shown)
    unit = 10.0 ** -len(shown[0].partition(".")[2])
    known = triples(folder)
    for factor in (1, -1, 100, -100):
        low, high = sorted(ends, reverse=factor < 0)
        apart = np.abs(factor * known - [number, low, high])
        if (np.nan_to_num(apart, nan=np.inf) <= unit / 2 + unit * 1e-5).all(axis=1).any():
            return True
    return False


@pytest.mark.parametrize(("study", "least"), [
    ("rooms", 230), ("nyuv2", 380), ("networks", 98), ("sweep", 440),
])  # fmt: skip
def test_every_number_with_an_interval_is_in_a_row_of_a_csv(study: str, least: int) -> None:
    folders = [REPORTS / study, REPORTS / "nyuv2"]  # whose networks stand on other pages, too
    folders += [REPORTS / "networks"] if study == "sweep" else []
    cells = list(with_intervals(rows_of(f"reports/{study}/README.md", r"\w+")))
    wrong = [cell for cell in cells if not any(is_founded(cell, one) for one in folders)]
    assert not wrong
    assert len(cells) >= least
    changed = [(one_more(number), low, high) for number, low, high in cells]
    found = [any(is_founded(cell, one) for one in folders) for cell in changed]
    assert sum(found) < 0.2 * len(found)


def one_more(shown: str) -> str:
    """Change the last digit: few numbers are then as right as before."""
    digits = len(shown.partition(".")[2])
    return f"{float(shown) + 10.0**-digits:.{digits}f}"


DIRECTIONS = {
    "depth → semantic: mean IoU, %": ("depth", "semantic", "mean_iou"),
    "semantic → depth: −100·rel(sqr)": ("semantic", "depth", "sqr_rel"),
}


@pytest.mark.parametrize(
    ("page", "block", "study"),
    [
        ("README.md", "rooms", "rooms"),
        ("reports/rooms/README.md", "mutes", "rooms"),
        ("reports/nyuv2/README.md", "mutes", "nyuv2"),
    ],
)
def test_the_table_of_mutes_has_the_numbers_of_the_csv(page: str, block: str, study: str) -> None:
    rows = [row for row in rows_of(page, block) if row["direction"] in DIRECTIONS]
    shown = {
        (row["network"], *DIRECTIONS[row["direction"]], heading.removeprefix("ω: ")): cell
        for row in rows
        for heading, cell in row.items()
        if heading.startswith("ω: ") and cell != "–"
    }
    names = ("network", "source", "target", "metric", "mute")
    kept = {
        tuple(row[name] for name in names): row
        for row in read_csv(REPORTS / study / "influence.csv")
        if row["level"] == "all"
    }
    assert shown.keys() == {key for key in kept if key[1:4] in DIRECTIONS.values()}
    for key, cell in shown.items():
        numbers = [float(number) for number in re.findall(r"-?\d+\.\d+", cell)]
        columns = ("omega", "omega_low", "omega_high")[: len(numbers)]
        expected = [100 * float(kept[key][column]) for column in columns]
        assert numbers == pytest.approx(expected, abs=0.005001), (key, cell)
    for row in rows:
        network, direction = row["network"], DIRECTIONS[row["direction"]]
        own = [key for key in shown if key[:4] == (network, *direction)]
        omegas = [100 * float(kept[key]["omega"]) for key in own]
        assert is_rounded(row["range: smallest"], min(omegas))
        assert is_rounded(row["range: largest"], max(omegas))


METRICS = {
    "depth: rel ↓": "abs_rel", "depth: rel(sqr), m ↓": "sqr_rel", "depth: log10 ↓": "log10",
    "depth: rms, m ↓": "rms", "depth: rms(log) ↓": "rms_log", "depth: δ < 1.25 ↑": "delta_1",
    "depth: δ < 1.25² ↑": "delta_2", "depth: δ < 1.25³ ↑": "delta_3",
    "semantic: mean IoU, % ↑": "mean_iou", "semantic: pixel accuracy, % ↑": "pixel_accuracy",
}  # fmt: skip


@pytest.mark.parametrize(
    ("page", "block", "least"),
    [("rooms", "table1", 60), ("nyuv2", "published", 60), ("networks", "performance", 110)],
)
def test_performances_are_those_of_the_csv(page: str, block: str, least: int) -> None:
    kept = {
        (row["network"], row["dataset"], row["metric"]): float(row["value"])
        for name in ("performance", "inputs")
        if (path := REPORTS / page / f"{name}.csv").exists()
        for row in read_csv(path)
        if row["mute"] == "none" and row["level"] == "all"
    }
    dataset = next(iter(kept))[1]
    cells = [
        (cell.partition(" ")[0], kept[key] * (100 if "%" in heading else 1))
        for row in rows_of(f"reports/{page}/README.md", block)
        for heading, cell in row.items()
        if (key := (row.get("network", ""), row.get("dataset", dataset), METRICS.get(heading, "")))
        in kept
    ]
    wrong = [(cell, value) for cell, value in cells if not is_rounded(cell, value)]
    assert not wrong
    assert len(cells) >= least


@pytest.mark.parametrize(("block", "mute"), [("claims", "shuffle"), ("claims_zero", "zero")])
def test_verdicts_and_evidence_of_every_claim_are_those_of_the_csvs(block: str, mute: str) -> None:
    mutes = (mute, "none", "unstated")
    judged = {
        (row["claim"], row["condition"]): row
        for row in read_csv(REPORTS / "sweep" / "judged.csv")
        if row["mute"] in mutes
    }
    parts = [row for row in read_csv(REPORTS / "sweep" / "claims.csv") if row["mute"] in mutes]
    shown = {
        (row["claim"].partition(". ")[0], condition): cell.partition(": ")
        for row in rows_of("reports/sweep/README.md", block)
        for condition, cell in list(row.items())[2:]
    }
    assert shown.keys() == judged.keys()
    for key, (verdict, _, evidence) in shown.items():
        assert verdict == in_words(judged[key])
        own = [row for row in parts if (row["claim"], row["condition"]) == key]
        for row, text in zip(own, evidence.split("; "), strict=True):
            numbers = re.findall(r"-?\d+(?:\.\d+)?", text.partition(" of ")[0])
            for number, column in zip(numbers, ("value", "low", "high"), strict=True):
                assert is_rounded(number, float(row[column])), (key, text)


def in_words(row: Record) -> str:
    changed = row["verdict"] != row["verdict_holm"] and row["verdict_holm"]
    return f"{row['verdict']}, not after Holm" if changed else row["verdict"]


CONTENDERS = ("influence", "setup loop", "captum")


def test_benchmarks_are_medians_over_rounds_of_the_ratio_to_a_plain_pass() -> None:
    seconds = {
        (row["case"], row["source"], row["contender"], row["round"]): float(row["seconds"])
        - float(row["statistics"])
        for row in read_csv(REPORTS / "benchmarks" / "rounds.csv")
    }
    cells = [
        (row["case"], row["source"], name, row[name])
        for row in rows_of("README.md", "benchmarks")
        for name in CONTENDERS
        if row[name]
    ]
    for case, source, name, cell in cells:
        ratios = [
            value / seconds[case, source, "plain pass", key[3]]
            for key, value in seconds.items()
            if key[:3] == (case, source, name)
        ]
        assert three_digits(cell, median(ratios)), (case, source, name)
    assert len(cells) > 20


def three_digits(cell: str, value: float) -> bool:
    return float(cell) == pytest.approx(value, rel=0.00501)


Make = Callable[[Record, str, list[Record]], list[float]]


def spans(row: Record, heading: str, own: list[Record]) -> list[float]:
    shares = [100 * float(r["coverage"]) for r in own if r["kind"] == heading.replace(" ", "_")]
    return [min(shares), max(shares)]


def powers(row: Record, heading: str, own: list[Record]) -> list[float]:
    (found,) = (
        r for r in own if r["data"] == heading and three_digits(row["omega"], float(r["omega"]))
    )
    return [100 * float(found["power"]), 100 * float(found["predicted"])]


def means(row: Record, heading: str, own: list[Record]) -> list[float]:
    return [fmean(float(r[heading]) for r in own if r["source"] == "x")]


def shares(row: Record, heading: str, own: list[Record]) -> list[float]:
    return [100 * float(r["share"]) for r in own if r["verdict"] == heading]


@pytest.mark.parametrize(
    ("block", "labels", "headings", "make", "within"),
    [
        ("coverage", ("metric", "world", "mute", "data"),
         ("leave one out", "add one in", "shapley", "interaction"), spans, {"abs": 0.0501}),
        ("power", ("metric",), ("100 samples", "654 samples"), powers, {"abs": 0.501}),
        ("artefacts", ("data", "training", "mute"),
         ("omega", "taken", "damage", "distance", "outside"), means,
         {"rel": 0.00501}),
        ("verdicts", ("source",), ("stable sign", "unstable sign"), shares, {"abs": 0.501}),
    ],
)  # fmt: skip
def test_ground_truth_is_that_of_the_simulations(
    block: str,
    labels: tuple[str, ...],
    headings: tuple[str, ...],
    make: Make,
    within: dict[str, Any],
) -> None:
    records = read_csv(REPORTS / "ground_truth" / f"{block}.csv")
    rows = rows_of("reports/ground_truth/README.md", block)
    for row in rows:
        own = [one for one in records if all(one[name] == row[name] for name in labels)]
        for heading in headings:
            numbers = [float(x) for x in re.findall(r"-?\d+(?:\.\d+)?", row[heading])]
            made = make(row, heading, own)
            expected = made[: len(numbers)] if np.ptp(made) < 0.05 else made
            assert numbers == pytest.approx(expected, **within), (row, heading)
    assert len(rows) >= 3
