"""Quoted numbers: numbers in the prose of a README that name the place which they come from.

A number is quoted by a comment right behind it, which no reader of the page sees::

    zeros cost the labels 16.3<!-- cat1_zero --> points

and a hidden block, best at the end of the README, says what each name stands for::

    <!-- numbers
    cat1_zero = omega of influence.csv where network=jrn-cat1 mute=zero source=depth
        target=semantic metric=mean_iou level=all as x100 .1f
    nearest = min distance of distance.csv where mute=shuffle as .1f
    stable = count of verdicts.csv where verdict="stable sign" source!={target} as word
    epochs = joint.recipe.epochs of ../../experiments/rooms/study.toml
    -->

``COLUMN of FILE`` takes the one row for which all conditions hold; no row or several are an error.
Before it may stand what to make of several: `min`, `max`, `mean`, `sum`, `every` (all have the same
value) or `distinct` (how many values there are); ``count of FILE`` is the number of rows. See
`experiments.figures.cells.rows_where` for conditions. Files are named from the README's folder; of
a ``.toml`` or ``.json`` file the column is a key, with dots. ``as`` gives a factor such as
``x100``, if any, and a format such as ``.1f`` or ``,.0f``, or `word` (`Word` with a capital) for
small integers; without it the cell is quoted as it stands. Indented lines go on with the one
before, and what has spaces stands in quotes.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.figures.cells import RULES, rows_where, source_file, value_at, value_of
from influence.errors import InfluenceError, unknown
from influence.runtime.files import replace_on_success

__all__ = ["GIVEN", "Quote", "fill_quotes", "read_quotes", "write_quotes"]

GIVEN = "given"
"""The name behind a number that was not measured, and has no place to name."""

MARK = re.compile(r"((?:(?<!\w)[+−-])?\w+(?:[.,/-]\w+)*)?<!-- ([A-Za-z]\w*) -->")
BLOCK = re.compile(r"<!-- numbers\n(.*?)-->", re.DOTALL)
SHAPE = "NAME = [RULE] COLUMN of FILE [where CONDITION ...] [as [xFACTOR] FORMAT]"
WORDS = dict(enumerate((
    "none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten",
    "eleven", "twelve",
)))  # fmt: skip


@dataclass(frozen=True)
class Quote:
    """Where a number comes from, and how it is written.

    Parameters
    ----------
    rule
        What to make of several rows, one of `RULES`; empty where there must be one row.
    column
        The column of the number; a key with dots in a file that is no table; empty for a count.
    file
        From the README's folder.
    conditions
        Of the rows, all of which must hold.
    form
        A factor, a format, or both, or neither.
    """

    rule: str
    column: str
    file: str
    conditions: tuple[str, ...] = ()
    form: tuple[str, ...] = ()

    def text(self, read: Callable[[str], Any]) -> str:
        """Return the number as the page writes it, from what `read` makes of the file.

        >>> table = pd.DataFrame({"mute": ["zero", "mean"], "omega": ["0.1631", "-0.0001"]})
        >>> Quote("", "omega", "a.csv", ("mute=zero",), ("x100", ".1f")).text(lambda name: table)
        '16.3'
        >>> Quote("count", "", "a.csv", ("omega<0",), ("word",)).text(lambda name: table)
        'one'
        """
        found = read(self.file)
        if isinstance(found, pd.DataFrame):
            value = value_of(rows_where(found, self.conditions), self.column, self.rule)
        else:
            value = value_at(found, self.column)
        return _written(value, self.form)


def read_quotes(text: str) -> dict[str, Quote]:
    """Read the definitions of a README, by name.

    Raises
    ------
    InfluenceError
        If one cannot be understood, or a name is defined twice.

    Examples
    --------
    >>> read_quotes("<!-- numbers\\nn = every n of influence.csv where level=all\\n-->")["n"].column
    'n'
    """
    found: dict[str, Quote] = {}
    for block in BLOCK.findall(text):
        for line in re.sub(r"\n\s+", " ", block).splitlines():
            name, quote = _definition(line)
            if name in found:
                raise InfluenceError(f"number {name!r} is defined twice. Rename one")
            found[name] = quote
    return found


def fill_quotes(text: str, folder: Path) -> str:
    """Write every quoted number of a README anew.

    Raises
    ------
    InfluenceError
        If a name is not defined or not used, or what it stands for is not there.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "a.csv").write_text("mute,omega\\nzero,0.1631\\n")
    >>> block = "<!-- numbers\\nzero = omega of a.csv where mute=zero as x100 .1f\\n-->"
    >>> fill_quotes(f"It costs 1<!-- zero --> points.\\n{block}", folder).splitlines()[0]
    'It costs 16.3<!-- zero --> points.'
    """
    quotes = read_quotes(text)
    used = {name for _, name in MARK.findall(text)} - {GIVEN}
    for name in used - set(quotes):
        raise unknown("number", name, [*quotes, GIVEN])
    if unused := sorted(set(quotes) - used):
        raise InfluenceError(
            f"expected every number that is defined to be quoted, not so: {', '.join(unused)}"
        )
    read = cache(lambda name: source_file(folder / name))
    return MARK.sub(partial(_filled, quotes=quotes, read=read), text)


def write_quotes(path: Path) -> bool:
    """Fill the quoted numbers of a README; say whether it has any.

    Raises
    ------
    InfluenceError
        As `fill_quotes` does, with the file's name.
    """
    text = path.read_text(encoding="utf-8")
    if not BLOCK.search(text):
        return False
    try:
        filled = fill_quotes(text, path.parent)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}") from None
    with replace_on_success(path) as aside:
        aside.write_text(filled, encoding="utf-8")
    return True


def _definition(line: str) -> tuple[str, Quote]:
    try:
        (name, equals, *what), (file, *rest) = _split(shlex.split(line), "of")
        chosen, form = _split(rest, "as")
        where, *conditions = chosen or ["where"]
        rule = what.pop(0) if what[:1] and what[0] in RULES else ""
        column = "" if rule == "count" else what.pop(0)
    except (ValueError, IndexError):
        raise InfluenceError(f"expected {SHAPE}, got {line!r}") from None
    if what or (equals, where) != ("=", "where"):
        raise InfluenceError(f"expected {SHAPE}, got {line!r}")
    return name, Quote(rule, column, file, tuple(conditions), tuple(form))


def _split(words: list[str], at: str) -> tuple[list[str], list[str]]:
    place = words.index(at) if at in words else len(words)
    return words[:place], words[place + 1 :]


def _filled(
    match: re.Match[str], *, quotes: Mapping[str, Quote], read: Callable[[str], Any]
) -> str:
    before, name = match.groups()
    if not before:
        raise InfluenceError(f"expected a number right before <!-- {name} -->")
    if name == GIVEN:
        return match[0]
    try:
        return f"{quotes[name].text(read)}<!-- {name} -->"
    except InfluenceError as error:
        raise InfluenceError(f"number {name!r}: {error}") from None


def _written(value: Any, form: tuple[str, ...]) -> str:
    if not form:
        if isinstance(value, float):
            raise InfluenceError("expected a format such as `as .1f`")
        return str(value)
    *factors, last = form
    try:
        number = float(value)
        for factor in factors:
            number *= float(factor.removeprefix("x"))
        if last.lower() == "word":
            word = WORDS[round(number)]
            return word.capitalize() if last == "Word" else word
        return format(number, last).replace("-", "−")
    except (ValueError, KeyError, OverflowError, TypeError) as error:
        raise InfluenceError(f"{value!r} cannot be written as {' '.join(form)} ({error})") from None
