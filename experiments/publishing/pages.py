"""Pages: READMEs whose numbers and tables are written from the files that they come from.

A table stands between two comments, and is given by name to `fill_page`::

    <!-- omega:begin -->
    ...
    <!-- omega:end -->

A number in prose has a comment with a name right behind it, which no reader of the page sees::

    zeros cost the labels 16.3<!-- zero_cost --> points

and a hidden block, best at the end of the page, says what each name stands for::

    <!-- numbers
    zero_cost = omega of influence.csv where network == "jrn-cat1" and mute == "zero" as x100 .1f
    nearest = min distance of distance.csv where mute in ["shuffle", "noise"] as .1f
    networks = count of designs.csv as word
    epochs = joint.epochs of ../../experiments/rooms/study.toml
    -->

``COLUMN of FILE`` takes the one row for which the condition behind ``where`` holds, an expression
of `pandas.DataFrame.query`. Before the column may stand one of `RULES`, which says what to make of
several rows. Files are named from the page's folder; in a ``.toml`` or ``.json`` file the column is
a key, with dots between tables. Behind ``as`` stand a factor, if any, and a format such as ``.1f``
or ``,.0f``, or `word` (`Word` with a capital) for small integers.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial, reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_numeric_dtype

from influence.errors import InfluenceError, unknown
from influence.runtime.files import replace_on_success

__all__ = ["GIVEN", "Number", "check_page", "fill_blocks", "fill_page", "linked_files",
           "page_paths", "plain_table", "write_page"]  # fmt: skip

GIVEN = "given"
"""The name behind a number that was not measured, and has no file to come from."""


def _only_one(cells: pd.Series) -> Any:
    if len(cells) != 1:
        found = ", ".join(map(str, cells.head(3))) or "none"
        raise InfluenceError(f"expected one value, found {len(cells)}: {found}. Narrow the rows")
    return cells.tolist()[0]


def _aggregate(cells: pd.Series, rule: str) -> float:
    if cells.empty or not is_numeric_dtype(cells):
        raise InfluenceError(f"expected numbers, found {', '.join(cells.head(3)) or 'none'}")
    return float(cells.agg(rule))


RULES: Mapping[str, Callable[[pd.Series], Any]] = {
    "every": lambda cells: _only_one(cells.drop_duplicates()),
    "count": len,
    "distinct": lambda cells: cells.nunique(),
    **{name: partial(_aggregate, rule=name) for name in ("min", "max", "mean", "sum")},
}
"""Name -> what is made of the cells of several rows; `every`: all of them have the same value."""

MARK = re.compile(r"((?:(?<!\w)[+−-])?\w+(?:[.,/-]\w+)*)?<!-- ([A-Za-z]\w*) -->")
BLOCK = re.compile(r"<!-- numbers\n(.*?)-->", re.DOTALL)
DEFINITION = re.compile(
    r"(\w+) = (?:(RULES) ?)?(.*?) ?\bof (\S+)(?: where (.+?))?(?: as (?:x(\S+) )?(\S+))?".replace(
        "RULES", "|".join(rf"{rule}\b" for rule in RULES)
    )
)
SHAPE = "NAME = [RULE] COLUMN of FILE [where CONDITION] [as [xFACTOR] FORMAT]"
WORDS = (
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)  # fmt: skip


@dataclass(frozen=True)
class Number:
    """Where a number comes from and how it is written; see the module for the parts."""

    rule: str
    column: str
    file: str
    condition: str = ""
    factor: str = ""
    format: str = ""

    def text(self, read: Callable[[str], Any]) -> str:
        """Return the number as the page writes it, from what `read` makes of the file."""
        found = read(self.file)
        value = self._of_table(found) if isinstance(found, pd.DataFrame) else self._of_keys(found)
        if not self.format:
            if isinstance(value, float):
                raise InfluenceError("expected a format such as `as .1f`")
            return str(value)
        try:
            number = float(value) * float(self.factor or 1)
            if self.format.lower() == "word":
                word = dict(enumerate(WORDS))[round(number)]
                return word.capitalize() if self.format == "Word" else word
            return format(number, self.format).replace("-", "−")
        except (ValueError, KeyError, OverflowError, TypeError) as error:
            form = f"x{self.factor} {self.format}" if self.factor else self.format
            raise InfluenceError(
                f"expected a number that can be written as {form}, got {value!r} ({error})"
            ) from None

    def _of_table(self, table: pd.DataFrame) -> Any:
        try:
            rows = table.query(self.condition) if self.condition else table
        except (LookupError, ValueError, TypeError, NameError, SyntaxError) as error:
            raise InfluenceError(
                f"expected a condition on the rows, got {self.condition!r} ({error})"
            ) from None
        if self.column and self.column not in rows:
            raise unknown("column", self.column, rows.columns.astype(str))
        cells = rows[self.column] if self.column else rows.index.to_series()
        return RULES.get(self.rule, _only_one)(cells)

    def _of_keys(self, found: Any) -> Any:
        def inside(found: Any, key: str) -> Any:
            if isinstance(found, list):
                found = {str(place): value for place, value in enumerate(found)}
            if not isinstance(found, dict) or key not in found:
                raise unknown("key", key, found if isinstance(found, dict) else [])
            return found[key]

        return reduce(inside, self.column.split("."), found)


def fill_page(text: str, folder: Path, blocks: Mapping[str, str] | None = None) -> str:
    """Write the tables and the numbers of a page anew; all other text stays as it is.

    Parameters
    ----------
    text
        The page.
    folder
        Where the files are looked for.
    blocks
        The text between the two comments of a block, by name.

    Raises
    ------
    InfluenceError
        If a block has not exactly one pair of comments, a name is not defined, not used or defined
        twice, or what it stands for is not there.
    """
    text = fill_blocks(text, blocks or {})
    numbers = _read_numbers(text)
    used = {name for _, name in MARK.findall(text)} - {GIVEN}
    for name in used - numbers.keys():
        raise unknown("number", name, [*numbers, GIVEN])
    if unused := sorted(numbers.keys() - used):
        raise InfluenceError(
            f"expected every number that is defined to be quoted, not so: {', '.join(unused)}"
        )
    read = cache(lambda name: _read_file(folder / name))

    def written(match: re.Match[str]) -> str:
        before, name = match.groups()
        if not before:
            raise InfluenceError(f"expected a number right before <!-- {name} -->")
        if name == GIVEN:
            return match[0]
        try:
            return f"{numbers[name].text(read)}<!-- {name} -->"
        except InfluenceError as error:
            raise InfluenceError(f"number {name!r}: {error}") from None

    return MARK.sub(written, text)


def fill_blocks(text: str, blocks: Mapping[str, str]) -> str:
    """Write the tables of a page anew, by the name of their block; see `fill_page`."""
    for name, content in blocks.items():
        begin, end = (f"<!-- {name}:{side} -->" for side in ("begin", "end"))
        parts = re.split(f"{re.escape(begin)}.*?{re.escape(end)}", text, flags=re.DOTALL)
        if len(parts) != 2:
            raise InfluenceError(
                f"expected one block {begin} ... {end}, found {len(parts) - 1}. Restore the markers"
            )
        text = f"{begin}\n{content.strip()}\n{end}".join(parts)
    return text


def write_page(path: Path, blocks: Mapping[str, str] | None = None) -> Path:
    """Write the tables and the numbers of a page into its file; see `fill_page`."""
    filled = _filled(path, blocks)
    with replace_on_success(path) as aside:
        aside.write_text(filled, encoding="utf-8")
    return path


def check_page(path: Path, blocks: Mapping[str, str] | None = None) -> str:
    """Return the first line in which a page differs from what its files say, empty if none does."""
    lines = (text.splitlines() for text in (_filled(path, blocks), path.read_text("utf-8")))
    for place, (expected, found) in enumerate(zip_longest(*lines), start=1):
        if expected != found:
            return f"{path}, line {place}: expected\n{expected}\ngot\n{found}"
    return ""


def plain_table(frame: pd.DataFrame, missing: str = "nan") -> str:
    """Return a frame in Markdown, floats with three digits."""
    shown = frame.copy()
    for lacking in frame.columns[frame.isna().any()]:
        shown[lacking] = frame[lacking].astype(object).fillna(missing)
    for column in frame.select_dtypes(bool):
        shown[column] = frame[column].map({True: "yes", False: "**no**"})
    return str(shown.to_markdown(index=False, floatfmt=".3g"))


def page_paths(reports: Path) -> list[Path]:
    """Return the READMEs of the project, whose folder of reports is given."""
    root = reports.parent
    return sorted(
        [
            *root.glob("README.md"),
            *root.glob("experiments/*/README.md"),
            *reports.glob("**/README.md"),
        ]
    )


def linked_files(reports: Path) -> frozenset[Path]:
    """Return the files that READMEs and pages of the manual show or link to."""
    return frozenset(
        (path.parent / target).resolve()
        for path in (*page_paths(reports), *reports.parent.glob("docs/**/*.md"))
        for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text(encoding="utf-8"))
    )


def _filled(path: Path, blocks: Mapping[str, str] | None) -> str:
    try:
        return fill_page(path.read_text(encoding="utf-8"), path.parent, blocks)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}") from None


def _read_numbers(text: str) -> dict[str, Number]:
    """Read the definitions of a page, by name; an indented line goes on with the one before."""
    found: dict[str, Number] = {}
    for block in BLOCK.findall(text):
        for line in re.sub(r"\n\s+", " ", block).splitlines():
            match = DEFINITION.fullmatch(line)
            name, rule, column, *parts = match.groups("") if match else ("",) * 7
            if bool(column) == (rule == "count"):
                raise InfluenceError(f"expected {SHAPE}, got {line!r}")
            if name in found:
                raise InfluenceError(f"number {name!r} is defined twice. Rename one")
            found[name] = Number(rule, column, *parts)
    return found


def _read_file(path: Path) -> Any:
    try:
        if path.suffix == ".csv":
            return pd.read_csv(
                path,
                dtype_backend="numpy_nullable",
                keep_default_na=False,  # a network may be called NA
                na_values=[""],
            )
        load = tomllib.loads if path.suffix == ".toml" else json.loads
        return load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(f"{path}: expected a CSV, TOML or JSON file ({error})") from error
