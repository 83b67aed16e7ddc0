"""A second reader of the tables in READMEs, which `make figures` writes: by the csv module alone.

It knows nothing of how a table was made. A number is founded if there is a CSV with a row that
answers to every label of the table's row and to the heading, and that holds the number and both
ends of its interval, if it has one. Labels stand for themselves, or for what `WORDS` says.
"""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from functools import cache
from pathlib import Path

__all__ = ["Cell", "Record", "is_founded", "is_made_of", "read_cells"]

Record = dict[str, str]

WORDS = {
    "rel": "abs_rel", "rel(sqr)": "sqr_rel", "rms(log)": "rms_log", "si(log)": "si_log",
    "δ < 1.25": "delta_1", "δ < 1.25²": "delta_2", "δ < 1.25³": "delta_3",
    "gamma<1.25": "delta_1", "gamma<1.25^2": "delta_2", "gamma<1.25^3": "delta_3",
    "ard": "abs_rel", "srd": "sqr_rel", "rmse-linear": "rms", "rmse-log": "rms_log",
    "sie": "si_log", "g": "pixel_accuracy", "c": "class_accuracy", "iouclass": "mean_iou",
    "mean iou": "mean_iou", "pixel accuracy": "pixel_accuracy", "class accuracy": "class_accuracy",
    "leave-one-out": "leave_one_out", "leave one out": "leave_one_out",
    "add-one-in": "add_one_in", "add one in": "add_one_in", "slope of the line": "linear|slope",
    "error of the line": "linear|prediction_error", "p of the bend": "f_statistic",
    "error of the concave fit": "concave|prediction_error",
}  # fmt: skip
"""What a page calls a name -> the name in the CSVs, or several; all in small letters."""

COLUMNS = {
    "rms": "rms(linear)", "δ < 1.25": "delta<1.25", "δ < 1.25²": "delta<1.25^2",
    "δ < 1.25³": "delta<1.25^3", "mean iou": "Mean IOU", "pixel accuracy": "Pix.Acc.",
    "ground": "Ground", "vertical": "Vertical", "ceiling": "Ceiling", "furniture": "Furniture",
    "object": "Object", "printed": "validation_accuracy_percent",
    "p of the bend": "p_value", "smallest": "smallest", "largest": "largest", "share": "share",
    "a": "a", "b": "b", "a − b": "difference", "one test": "raw", "any of them": "raw",
    "any after holm": "holm", "largest bias": "in_errors", "peak": "peak_mebibytes",
    "rank correlation": "panel", "worst": "panel", "worst of all mutes": "all",
    "networks": "seed",
}  # fmt: skip
"""What a page calls a column, in small letters -> the column."""

MAIN = ("power", "coverage", "omega", "value", "share", "of_plain")
"""The column that is meant where none is named."""

CHOOSING = {"printed", "in-sample", "other networks"}
"""Labels that say which file a row is of, and stand in none."""

KEYS = {"n", "sets", "groups", "samples", "draws"}
"""Columns of numbers that tell rows apart."""

END = re.compile(r"(?:^|_)(?:low|high)$|^predicted$")
"""Columns that stand behind another number, in brackets."""

NUMBER = r"[-−]?\d+(?:\.\d+)?(?:e[-+]\d+)?"
AMOUNT = re.compile(rf"({NUMBER})(?: \[({NUMBER}), ({NUMBER})\]| \(({NUMBER})\))?\*?!?")
SPAN = re.compile(rf"({NUMBER}) to ({NUMBER})")
PART = re.compile(rf"(?:(\w+) )?({NUMBER}) \[({NUMBER}), ({NUMBER})\](?: of {NUMBER} \w+)?")
"""A part of the evidence for a claim: ``depth 0.08 [-0.36, 0.55]``."""

MUTES = {"zero", "mean", "uniform", "shuffle", "noise", "optimal"}
FACTORS = (1, 100, -1, -100)
"""Pages show shares in percent, and errors so that more is better."""


@dataclass(frozen=True)
class Cell:
    """A number in a table, and what says which it is.

    Parameters
    ----------
    labels, names : the cells to the left that are no numbers, and the headings of these.
    numbers : the number, and the ends of its interval.
    keys : headings and numbers to the left that tell rows apart.
    mute : which one the whole table is of.
    """

    block: str
    labels: tuple[str, ...]
    names: tuple[str, ...]
    heading: str
    numbers: tuple[str, ...]
    keys: tuple[tuple[str, str], ...] = ()
    mute: str = ""


@dataclass(frozen=True)
class Row:
    """A row of a CSV: its cells in small letters, and those that are numbers."""

    names: frozenset[str]
    numbers: dict[str, Decimal]
    record: Record


def read_cells(text: str) -> Iterator[Cell]:
    """Yield the numbers of all tables between two markers.

    >>> table = "| net | ω |\\n|:--|--:|\\n| a | 1.5 [1, 2]\\\\* |\\n"
    >>> (cell,) = read_cells(f"<!-- t:begin -->\\n{table}<!-- t:end -->")
    >>> cell.labels, cell.heading, cell.numbers
    (('a',), 'ω', ('1.5', '1', '2'))
    """
    for block in re.finditer(r"(?s)<!-- (\w+):begin -->(.*?)<!-- \1:end -->", text):
        for caption, headings, rows in _tables(block[2]):
            mute = re.search(r"mute: (\w+)", caption)
            for row in rows:
                assert len(row) == len(headings), (block[1], row)
                for cell in _cells(block[1], headings, row):
                    yield replace(cell, mute=mute[1] if mute else "")


def is_founded(cell: Cell, folders: Sequence[Path]) -> bool:
    """Say whether a CSV of these folders has a cell's numbers where its labels point."""
    first, *ends = (Decimal(number.replace("−", "-")) for number in cell.numbers)
    return any(
        any(_rounds_to(value, first) for key, value in numbers.items() if not END.search(key))
        and all(
            any(_rounds_to(value, end) for key, value in numbers.items() if END.search(key))
            for end in ends
        )
        for folder in folders
        for path in sorted(folder.glob("*.csv"))
        for numbers in _answers(path, cell)
    )


def is_made_of(cell: Cell, path: Path, make: Callable[[list[Record]], float]) -> bool:
    """Say whether a cell's number is what `make` makes of the rows that its labels point to."""
    (number,) = cell.numbers
    made = Decimal(make([row.record for row in _labelled(path, cell)]))
    return _rounds_to(made, Decimal(number))


def _tables(text: str) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Yield caption, headings and rows of tables."""
    for table in re.finditer(r"(?m)(?:^\*\*(.*)\*\*\n\n)?((?:^\|.*\n)+)", text):
        lines = table[2].splitlines()
        cells = [[_plain(x) for x in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        yield table[1] or "", cells[0], cells[2:]


def _plain(cell: str) -> str:
    cell = re.sub(r"\\([][*|])", r"\1", html.unescape(cell)).replace("<br>", " ")
    return cell.replace("**", "").strip()


def _cells(block: str, headings: Sequence[str], row: Sequence[str]) -> Iterator[Cell]:
    places = list(zip(headings, row, strict=True))
    parts = [list(_parts(cell)) for cell in row]
    first = next((place for place, found in enumerate(parts) if found), len(row))
    left = {name: cell for name, cell in places[:first] if cell.strip("–")}
    keys = tuple((h, c) for h, c in places if h in KEYS and re.fullmatch(NUMBER, c))
    for heading, found in zip(headings, parts, strict=True):
        for target, *numbers in found:
            own = left | ({"target": target} if target else {})
            shown = tuple(filter(None, numbers))
            yield Cell(block, tuple(own.values()), tuple(own), heading, shown, keys)


def _parts(cell: str) -> Iterator[tuple[str, ...]]:
    """Yield what is measured, if the cell says it, and the numbers of a cell."""
    if amount := AMOUNT.fullmatch(cell):
        yield "", *amount.groups("")
    elif span := SPAN.fullmatch(cell):
        yield from (("", end) for end in span.groups())
    elif ": " in cell:
        for part in cell.partition(": ")[2].split("; "):
            if evidence := PART.fullmatch(part):
                yield evidence.groups("")


def _answers(path: Path, cell: Cell) -> Iterator[dict[str, Decimal]]:
    """Yield of the rows that answer to a cell the column that is meant, and the ends."""
    known, columns = _known(path)
    heading = cell.heading.partition(", printed")[0]
    named = set().union(*(_columns(label, columns) for label in (*cell.labels, heading)))
    asked = set() if heading in columns else _names(heading.lower(), known, False)
    if not (named or asked):
        return
    meant = named or {next((column for column in MAIN if column in columns), "")}
    for row in _labelled(path, cell):
        if asked <= row.names:
            yield {k: v for k, v in row.numbers.items() if k in meant or END.search(k)}


def _columns(label: str, columns: frozenset[str]) -> set[str]:
    """Return the columns of a CSV that a label or a part of it names."""
    if label in columns:
        return {label}
    parts = [part.strip(" %↑↓") for part in re.split(r"[:,]", label)]
    found = {COLUMNS.get(part.lower(), part) for part in parts}
    return found & columns


def _labelled(path: Path, cell: Cell) -> list[Row]:
    """Return the rows that answer to each label of a cell, none if a label means nothing here."""
    known, columns = _known(path)
    labels = [x.lower() for x in cell.labels if x not in columns and x not in CHOOSING]
    asked = [_names(label, known, "cross-fitted" in labels) for label in labels]
    wanted = frozenset().union(*asked)
    barred = MUTES - {cell.mute} if cell.mute else set()
    keys = {key: Decimal(value) for key, value in cell.keys if key in columns}
    exact = _arrow(cell) if {"source", "target"} <= columns else {}
    exact |= {
        name: label
        for name, label in zip(cell.names, cell.labels, strict=True)
        if name in columns and label.lower() in _values(path, name)
    }
    return [
        row
        for row in (_rows(path) if all(asked) else ())
        if wanted <= row.names
        and not barred & row.names
        and all(row.numbers.get(key) == value for key, value in keys.items())
        and all(row.record[key].lower() == value.lower() for key, value in exact.items())
    ]


def _arrow(cell: Cell) -> dict[str, str]:
    """Return source and target where an arrow says them."""
    for text in (*cell.labels, cell.heading):
        if arrow := re.match(r"(?:(?P<source>\w+) )?→ (?P<target>\w+)", text):
            return {key: value for key, value in arrow.groupdict().items() if value}
    return {}


def _names(label: str, known: frozenset[str], cross_fitted: bool) -> set[str]:
    """Return the names in a CSV that a label stands for: itself, or those of its parts."""
    if label == "cross-fitted" and label not in known:
        return {""}
    tail = "-crossfit" if cross_fitted and "cross-fitted" not in known else ""
    for name in (f"jrn-{label}{tail}", label, WORDS.get(label, label)):
        if known.issuperset(names := name.split("|")):
            return set(names)
    label = re.sub(r"\ba\((\w+)\)", r"\1", label)  # performance of an output
    parts = [part.strip(" %↑↓") for part in re.split(r"[:,·]| − |→|\. |−?100", label)]
    found = {WORDS.get(part, part) for part in parts if part}
    return found & known


@cache
def _rows(path: Path) -> list[Row]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Row(frozenset({"", *map(str.lower, record.values())}), dict(_numbers(record)), record)
            for record in csv.DictReader(file)
        ]


@cache
def _known(path: Path) -> tuple[frozenset[str], frozenset[str]]:
    """Return all names in a CSV, and its columns."""
    rows = _rows(path)
    return frozenset().union(*(row.names for row in rows)), frozenset(rows[0].record)


@cache
def _values(path: Path, column: str) -> frozenset[str]:
    return frozenset(row.record[column].lower() for row in _rows(path))


def _numbers(record: Record) -> Iterator[tuple[str, Decimal]]:
    for key, value in record.items():
        try:
            number = Decimal(value)
        except InvalidOperation:
            continue
        if number.is_finite():
            yield key, number


def _rounds_to(value: Decimal, shown: Decimal) -> bool:
    unit = Decimal(1).scaleb(int(shown.as_tuple().exponent))
    return any(abs(value * factor - shown) <= unit / 2 + unit / 10**5 for factor in FACTORS)
