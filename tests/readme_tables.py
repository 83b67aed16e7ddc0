"""A second reader of the tables in READMEs and of CSVs: by the csv module and arithmetic alone."""

from __future__ import annotations

import csv
import html
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

__all__ = ["Record", "is_rounded", "read_csv", "read_rows", "with_intervals"]

Record = dict[str, str]

INTERVAL = re.compile(r"(-?\d+(?:\.\d+)?) \[(-?\d+(?:\.\d+)?), (-?\d+(?:\.\d+)?)\]")


def read_rows(text: str, block: str = r"\w+") -> list[Record]:
    """Return the rows of the tables between two markers: heading -> cell, without any markup.

    >>> read_rows("<!-- t:begin -->\\n| a | b |\\n|:--|--:|\\n| x | **1** |\\n<!-- t:end -->", "t")
    [{'a': 'x', 'b': '1'}]
    """
    rows = []
    for found in re.finditer(rf"(?s)<!-- ({block}):begin -->(.*?)<!-- \1:end -->", text):
        for table in re.findall(r"(?m)(?:^\|.*\n)+", found[2]):
            headings, _, *cells = (list(_cells(line)) for line in table.splitlines())
            rows += [dict(zip(headings, row, strict=True)) for row in cells]
    return rows


def with_intervals(rows: list[Record]) -> Iterator[tuple[str, str, str]]:
    """Yield each number that has an interval, with the ends of it."""
    for row in rows:
        for cell in row.values():
            yield from INTERVAL.findall(cell)


def is_rounded(shown: str, value: float) -> bool:
    """Say whether a number as a page shows it is a value, rounded to the digits shown.

    >>> is_rounded("16.3", 16.3499), is_rounded("16.3", 16.36)
    (True, False)
    """
    unit = 10.0 ** -len(shown.partition(".")[2])
    return abs(float(shown) - value) <= unit / 2 + unit * 1e-5


@cache
def read_csv(path: Path) -> list[Record]:
    """Read a CSV as text."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _cells(line: str) -> Iterator[str]:
    for cell in re.split(r"(?<!\\)\|", line)[1:-1]:
        plain = re.sub(r"\\([][*|])", r"\1", html.unescape(cell)).replace("<br>", " ")
        yield plain.replace("**", "").strip()
