"""Every number in the tables of READMEs is that of the CSV which it comes from."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from statistics import fmean, median, stdev

import pytest

from tests.readme_tables import Cell, Record, is_founded, is_made_of, read_cells

REPORTS = Path(__file__).parents[1] / "reports"
READMES = sorted([REPORTS.parent / "README.md", *REPORTS.glob("*/README.md")])
Make = Callable[[list[Record]], float]


def ratio(records: list[Record], contender: str) -> float:
    """The median over rounds of seconds over those of a plain pass, without those of tables."""
    seconds = {
        (record["round"], record["contender"]): float(record["seconds"])
        - float(record["statistics"])
        for record in records
    }
    plain = {number: value for (number, name), value in seconds.items() if name == "plain pass"}
    return median(seconds[number, contender] / value for number, value in plain.items())


def seconds(records: list[Record], contender: str, column: str, less: str = "") -> float:
    """The median over rounds, less those of another column."""
    own = [record for record in records if record["contender"] == contender]
    return median(float(r[column]) - (float(r[less]) if less else 0.0) for r in own)


def numbers(records: list[Record], column: str) -> list[float]:
    return [float(record[column]) for record in records if record[column]]


def mean_of(records: list[Record], column: str) -> float:
    """The mean over the seeds, of what the first source gives."""
    return fmean(float(record[column]) for record in records if record["source"] == "x")


def share(records: list[Record], verdict: str) -> float:
    return 100 * sum(float(r["share"]) for r in records if r["verdict"] == verdict)


def extreme(records: list[Record], pick: Callable[[Iterable[float]], float]) -> float:
    """The smallest or largest omega of any mute."""
    return pick(float(record["omega"]) for record in records if record["level"] == "all")


def farthest(records: list[Record], mute: str, column: str) -> float:
    """What a mute gives at the place where it takes the features farthest from the data."""
    own = [record for record in records if record["mute"] == mute]
    return float(max(own, key=lambda record: float(record["distance"]))[column])


MADE: dict[tuple[str, str, str], tuple[str, Make]] = {
    **{
        ("benchmarks", "benchmarks", name): ("rounds", partial(ratio, contender=name))
        for name in ("influence", "setup loop", "captum")
    },
    **{
        (study, block, f"range: {word}"): ("influence", partial(extreme, pick=pick))
        for study, block in (("rooms", "rooms"), ("rooms", "mutes"), ("nyuv2", "mutes"))
        for word, pick in (("smallest", min), ("largest", max))
    },
    **{
        ("benchmarks", "times", contender): (
            "rounds",
            partial(seconds, contender=contender, column="seconds", less="statistics"),
        )
        for contender in ("influence", "plain pass", "setup loop", "captum")
    },
    ("benchmarks", "times", "influence, whole call"): (
        "rounds",
        partial(seconds, contender="influence", column="seconds"),
    ),
    ("benchmarks", "times", "influence, evaluation alone"): (
        "rounds",
        partial(seconds, contender="influence", column="evaluate"),
    ),
    ("benchmarks", "times", "rounds"): ("rounds", lambda rows: len({r["round"] for r in rows})),
    ("benchmarks", "flops", "plain, GFLOPs"): (
        "flops",
        lambda rows: next(float(r["flops"]) / 1e9 for r in rows if r["what"] == "plain"),
    ),
    ("benchmarks", "intervals", "seconds for the wanted draws"): (
        "intervals",
        lambda rows: median(
            float(r["seconds"]) * int(r["wanted_draws"]) / int(r["draws"]) for r in rows
        ),
    ),
    ("ground_truth", "ranks", "rank correlation, panel"): (
        "ranks",
        lambda rows: fmean(numbers(rows, "panel")),
    ),
    ("ground_truth", "ranks", "networks"): (
        "ranks",
        lambda rows: len({row["seed"] for row in rows}),
    ),
    ("ground_truth", "bias", "values"): ("bias", len),
    ("ground_truth", "bias", "mean of z"): ("bias", lambda rows: fmean(numbers(rows, "z"))),
    ("ground_truth", "bias", "deviation of z"): (
        "bias",
        lambda rows: stdev(numbers(rows, "z")),
    ),
    ("ground_truth", "false_alarms", "tests"): (
        "false_alarms",
        lambda rows: sum(r["source"] != "any" for r in rows),
    ),
    **{
        ("ground_truth", "verdicts", verdict): ("verdicts", partial(share, verdict=verdict))
        for verdict in ("stable sign", "unstable sign", "not distinguishable from zero")
    },
    **{
        ("ground_truth", "artefacts", column): ("artefacts", partial(mean_of, column=column))
        for column in ("omega", "taken", "damage", "distance", "outside")
    },
    ("ground_truth", "ranks", "rank correlation, all mutes"): (
        "ranks",
        lambda rows: fmean(numbers(rows, "all")),
    ),
}
"""(study, table, heading) -> the CSV, and what the numbers are that are made of several rows."""


DISTANCES = {
    "distance from the data": "distance",
    "channels outside the data, %": "outside",
}
"""What a row of the table of mutes shows in place of omega -> the column of `distance.csv`."""

SHARED = {
    "sweep": ["published", "networks"],
    "nyuv2": ["published"],
    "networks": ["published"],
}
"""Study -> others whose numbers stand on its page, too."""

NOT_READ = {
    ("networks", "published", f"measured, {depth} depth, %") for depth in ("true", "predicted")
}
"""Headings of numbers whose network is named by another column of the table."""


def is_right(path: Path, cell: Cell) -> bool:
    study = cell.block if path.parent == REPORTS.parent else path.parent.name
    folder = REPORTS / study
    if cell.block == "scaled_start":
        folder /= "scaled_start"
    if cell.block == "verdicts":  # of all verdicts, not of the wanted one alone
        cell = replace(cell, labels=cell.labels[:1], names=cell.names[:1])
    if column := DISTANCES.get(cell.labels[-1].partition(": ")[2] if cell.labels else ""):
        mute = cell.heading.removeprefix("ω: ")
        far = partial(farthest, mute=mute, column=column)
        return is_made_of(cell, folder / "distance.csv", far)
    if (study, cell.block, cell.heading) in MADE:
        name, make = MADE[study, cell.block, cell.heading]
        return is_made_of(cell, folder / f"{name}.csv", make)
    return is_founded(cell, [folder, *(REPORTS / other for other in SHARED.get(study, ()))])


def name(path: Path) -> str:
    return path.parent.name if path.parent != REPORTS.parent else "README"


@pytest.mark.parametrize("path", READMES, ids=name)
def test_every_number_in_a_table_is_that_of_its_csv(path: Path) -> None:
    cells = list(read_cells(path.read_text(encoding="utf-8")))
    wrong = [cell for cell in cells if not is_right(path, cell)]
    assert {(path.parent.name, cell.block, cell.heading) for cell in wrong} <= NOT_READ, wrong


def test_the_tables_of_the_study_are_read() -> None:
    sweep = read_cells((REPORTS / "sweep" / "README.md").read_text(encoding="utf-8"))
    tables = Counter(cell.block for cell in sweep)
    assert tables.keys() == {
        "claims", "claims_zero", "fits", "correlations", "table1", "table2", "table3",
    }  # fmt: skip
    assert min(tables.values()) > 40


@pytest.mark.parametrize(("block", "mute"), [("claims", "shuffle"), ("claims_zero", "zero")])
def test_every_verdict_is_that_of_its_csv(block: str, mute: str) -> None:
    text = (REPORTS / "sweep" / "README.md").read_text(encoding="utf-8")
    lines = text.split(f"<!-- {block}:begin -->")[1].split(f"<!-- {block}:end -->")[0].splitlines()
    headings, _, *rows = ([x.strip() for x in y.split("|")[1:-1]] for y in lines if y[:1] == "|")
    shown = {
        (row[0].partition(". ")[0], condition): cell.partition(": ")[0]
        for row in rows
        for condition, cell in zip(headings[2:], row[2:], strict=True)
    }
    with (REPORTS / "sweep" / "judged.csv").open(newline="", encoding="utf-8") as file:
        judged = [row for row in csv.DictReader(file) if row["mute"] in (mute, "none", "unstated")]
    assert shown == {(row["claim"], row["condition"]): in_words(row) for row in judged}


def in_words(row: Record) -> str:
    changed = row["verdict"] != row["verdict_holm"] and row["verdict_holm"]
    return f"{row['verdict']}, not after Holm" if changed else row["verdict"]


@pytest.mark.parametrize("path", READMES, ids=name)
def test_a_changed_last_digit_is_found(path: Path) -> None:
    """Few numbers fit as well with one more in their last digit: they have a near neighbour."""
    cells = list(read_cells(path.read_text(encoding="utf-8")))
    found = [not is_right(path, replace(cell, numbers=changed(cell))) for cell in cells]
    assert sum(found) >= 0.8 * len(found)


def changed(cell: Cell) -> tuple[str, ...]:
    first = Decimal(cell.numbers[0].replace("−", "-"))
    return (str(first + Decimal(1).scaleb(int(first.as_tuple().exponent))), *cell.numbers[1:])
