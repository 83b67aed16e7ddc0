"""A second reader of the numbers in READMEs: by the csv module and decimal arithmetic alone.

It shares no code with `experiments.publishing.pages`, which writes them; see there for the syntax.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from tests.readme_tables import Record, read_csv

__all__ = ["KINDS", "unexplained_numbers", "wrong_numbers"]

MARKED = r"(?:(?<!\w)[+−-])?\w+(?:[.,/-]\w+)*<!-- \w+ -->"
NUMERALS = ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
            "eleven", "twelve"]  # fmt: skip

NOT_PROSE = {
    "a block that make figures writes": r"(?s)<!-- (\S+):begin -->.*?<!-- \1:end -->",
    "the definitions": r"(?s)<!-- numbers\n.*?-->",
    "code": r"(?s)^ *```.*?^ *```|(?<=\n\n)(?: {4}[^\n]*\n)+|`[^`]+`",
    "where a link goes": r"\]\([^)]*\)|https?://\S+",
    "a number that is quoted or given": MARKED,
}
KINDS = {
    "a year behind a name": r"(?:[A-Z]\w*|al\.),? (?:19|20)\d\d\b|\((?:19|20)\d\d\)",
    "a paper": r"\barXiv \d{4}\.\d{5}\b",
    "a place in a paper": r"\b(?:Figs?\.|Tables?|Sec\.|equation) \(?\d+\)?(?: and \d+\b)?",
    "a version": r"\b(?:Python|Mitsuba) \d+(?:\.\d+)*\b",
    "a size in pixels": r"\b\d+x\d+\b",
    "a kind": r"\b\d+-(?:bit|class|clause|based)\b",
    "a confidence or a level": r"\b95%(?=\s+interval)|\bat 5%",
    "the name of a metric": r"δ < 1\.25[²³]?",
    "a seed": r"\bseed \(?0\b",
    "a step of a list": r"^ *\d+\. ",
    "a part of a name": r"[^\W\d_]\w*(?:-\w+)*",
}
"""What a number may be that no file holds; anything else is quoted, or is marked as given."""

NUMERAL = "|".join(
    [*NUMERALS[1:], "twice", "hundred", "hundreds", "tens", "hundredths?", "half an?"]
)
MEASURE = rf"\b(?:{NUMERAL})(?: of(?: an?)?)? (?:times|points?|per cent|of the (?:{NUMERAL}))\b"
"""A number in words that says how much."""


def unexplained_numbers(text: str) -> list[str]:
    """Return the numbers in prose that are neither quoted nor given nor of a kind, with context.

    >>> unexplained_numbers("Table 1 of arXiv 1702.08009: Cat60, 160x120, `x = 3`, 5<!-- given -->")
    []
    >>> unexplained_numbers("It gains 16.3 points, which is ten times as much.")
    ['It gains 16.3 points, which is te', 's, which is ten times as much.']
    """
    for pattern in NOT_PROSE.values():
        text = re.sub(pattern, " ", text, flags=re.MULTILINE)
    words = [_around(text, match) for match in re.finditer(MEASURE, text, re.IGNORECASE)]
    for pattern in KINDS.values():
        text = re.sub(pattern, lambda match: re.sub(r"\d", "_", match[0]), text, flags=re.MULTILINE)
    return [_around(text, match) for match in re.finditer(r"\d+(?:[.,]\d+)*", text)] + words


def wrong_numbers(path: Path) -> list[str]:
    """Return what is wrong with the quoted numbers of a README, one line each."""
    text = path.read_text(encoding="utf-8")
    defined = dict(_definitions(text))
    wrong = []
    for before, name in re.findall(r"(\S*)<!-- (\w+) -->", text):
        last = re.search(r"[+−-]?\w[\w.,/-]*$", before)
        if last is None:
            wrong.append(f"{name}: no number before it")
        elif name != "given" and (why := _differs(last[0], defined[name], path.parent)):
            wrong.append(f"{name}: {why}")
    return wrong


def _around(text: str, match: re.Match[str]) -> str:
    return " ".join(text[max(0, match.start() - 12) : match.end() + 20].split())


def _definitions(text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the parts of each definition: what, of which file, where what holds, as what."""
    for block in re.findall(r"<!-- numbers\n(.*?)\n-->", text, re.DOTALL):
        for line in block.splitlines():
            name, _, rest = line.partition(" = ")
            what, *parts = re.split(r" (of|where|as) ", rest)
            yield name, {"what": what, **dict(zip(parts[::2], parts[1::2], strict=True))}


def _differs(said: str, definition: dict[str, str], folder: Path) -> str:
    """Say how a number differs from its source; nothing if it does not."""
    *factors, form = definition.get("as", "").split(" ")
    value = _value(definition, folder / definition["of"])
    if not form:
        return "" if said == str(value) else f"{said!r}, and {value!r} in the file"
    expected = Decimal(value)
    for factor in factors:
        expected *= Decimal(factor.removeprefix("x"))
    if form.lower() == "word":
        right = NUMERALS[round(expected)]
        right = right.title() if form == "Word" else right
        return "" if said == right else f"{said!r}, and {right!r} by the file"
    shown = Decimal(said.replace("−", "-").replace(",", ""))
    wanted = re.search(r"\.(\d+)f$", form)
    places = -int(shown.as_tuple().exponent)
    if wanted is None or places != int(wanted[1]):
        return f"{said!r} has {places} decimals, {form} says other"
    unit = Decimal(1).scaleb(-places)
    near = abs(shown - expected) <= unit / 2 + unit / 10**6
    return "" if near else f"{said}, and {expected} in the file"


def _value(definition: dict[str, str], path: Path) -> Any:
    rule, _, column = definition["what"].rpartition(" ")
    if path.suffix != ".csv":
        found = _settings(path)
        for key in column.split("."):
            found = found[int(key) if isinstance(found, list) else key]
        return found
    # A condition is an expression of Python, too, but for the test that a cell is empty.
    condition = re.sub(
        r"(\w+)\.isna\(\)", r"str(\1) in ('', 'nan')", definition.get("where", "True")
    )
    holds = compile(condition, "<condition>", "eval")
    rows = [row for row, typed in _typed(path) if eval(holds, {}, typed)]
    if column == "count":
        return len(rows)
    if definition["what"] in read_csv(path)[0]:
        rule, column = "", definition["what"]  # a name of several words
    cells = [row[column] for row in rows]
    match rule:
        case "distinct":
            return len(set(cells))
        case "" | "every":
            assert len(set(cells) if rule else cells) == 1, (definition, cells)
            return cells[0]
    numbers = sorted(Decimal(cell) for cell in cells)
    total = sum(numbers, Decimal(0))
    made = {"min": numbers[0], "max": numbers[-1], "sum": total, "mean": total / len(numbers)}
    return made[rule]


@cache
def _typed(path: Path) -> list[tuple[Record, dict[str, Any]]]:
    """Return each row as text, and with numbers in the columns that hold numbers alone."""
    rows = read_csv(path)
    number = re.compile(r"-?\d+(?:\.\d+)?(?:e[+-]\d+)?|")
    numeric = {name for name in rows[0] if all(number.fullmatch(row[name]) for row in rows)}
    return [(row, row | {name: float(row[name] or "nan") for name in numeric}) for row in rows]


@cache
def _settings(path: Path) -> Any:
    text = path.read_text(encoding="utf-8")
    return tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
