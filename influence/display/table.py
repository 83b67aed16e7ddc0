"""A table between numbers and text, and its four formats: Markdown, LaTeX, CSV, plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any

import pandas as pd

from influence.errors import unknown

__all__ = ["FORMATS", "Table", "format_table"]

PARTS = ("value", "low", "high")
NARROW = 11  # letters in a line of a name


@dataclass(frozen=True)
class Dialect:
    """How a text format writes names, bold, an asterisk and a minus sign.

    `stack` puts an interval below its value, and `narrow` the lines of a heading below each other.
    Names come from files of strangers: they may hold any character.
    """

    escape: Mapping[int, str] = field(default_factory=dict)
    bold: str = "{}"
    star: str = "*"
    warning: str = "!"
    stack: str = "{} {}"
    narrow: str = ""
    minus: str = "-"
    absent: str = "–"

    def name(self, name: object) -> str:
        """Return a name on one line, safe in this format."""
        return " ".join(str(name).split()).translate(self.escape)

    def broken(self, name: object) -> str:
        """Return a name on several lines where this format can: see `narrow`."""
        tied = re.sub(" ([↑↓])", "\N{NO-BREAK SPACE}\\1", str(name))
        lines = wrap(tied, NARROW, break_long_words=False) if self.narrow else []
        if len(lines) < 2:
            return self.name(name)
        return self.narrow.format(r"\\".join(map(self.name, lines)))


TEXT = Dialect()
MARKDOWN = Dialect(
    escape=str.maketrans(
        {c: f"\\{c}" for c in "\\`*|~[]"} | {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
    ),
    bold="**{}**",
    star="\\*",
    stack="{}<br>{}",
)
LATEX = Dialect(
    escape=str.maketrans(
        {c: f"\\{c}" for c in "&%$#_{}"}
        | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
        | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--", "—": "---"}
        | {"[": "{[}", "]": "{]}"}  # a bracket after a line's end would be read as its argument
        | {"→": r"$\rightarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "ω": r"$\omega$"}
        | {"δ": r"$\delta$", "−": "$-$", "·": r"$\cdot$", "²": r"\textsuperscript{2}"}
        | {"³": r"\textsuperscript{3}"}
    ),
    bold=r"\textbf{{{}}}",
    minus="$-$",
    absent="--",
    stack=r"\shortstack{{{}\\{{\tiny {}}}}}",
    narrow=r"\shortstack{{{}}}",
)

COMPACT = "\\centering\\footnotesize\\setlength{\\tabcolsep}{1.4pt}\n"


@dataclass(frozen=True)
class Table:
    """A table before it is text.

    Parameters
    ----------
    entries : one row per cell. The columns named by `rows`; `heading`, a pair (group of columns,
        column); `value`, `low`, `high` in the unit of the heading; `digits`, decimals to show;
        `marked`, gets an asterisk; `best`, gets bold; and, where a table has them, `warned`, gets
        an exclamation mark; `text`, words in place of a number.
    rows : the columns of `entries` that name a row of the table.
    title : a few words for a caption.
    notes : sentences that say how to read the numbers: units, mute, interval, n.
    interval : whether the cells show the interval beside the value.
    headings : the order of the columns; by default that of the entries.
    stacked : whether intervals stand below their values, in a table as wide as a page: what has
        many columns.
    """

    entries: pd.DataFrame
    rows: tuple[str, ...]
    title: str
    notes: tuple[str, ...] = ()
    interval: bool = True
    headings: tuple[tuple[str, str], ...] = ()
    stacked: bool = False

    def spread(self, cells: pd.Series) -> pd.DataFrame:
        """Arrange one cell per entry: rows of the table down, in the order of the entries.

        A cell without an entry is missing. The columns that name the rows come first.
        """
        names = self.entries[list(self.rows)]
        row = names.groupby(list(self.rows), sort=False, dropna=False).ngroup()
        headings = self.headings or tuple(dict.fromkeys(self.entries["heading"]))
        column = self.entries["heading"].map(headings.index)
        long = pd.DataFrame({"row": row, "column": column, "cell": cells})
        wide = long.pivot(index="row", columns="column", values="cell")
        wide.columns = pd.MultiIndex.from_tuples([headings[int(place)] for place in wide.columns])
        first = names.set_index(row).groupby(level=0).head(1)
        first.columns = pd.MultiIndex.from_product([[""], self.rows])
        return pd.concat([first, wide], axis=1)


def format_table(table: Table, format: str) -> str:
    r"""Write a table as text: `md`, `tex` (booktabs), `csv` (unrounded) or `text`.

    Raises
    ------
    InfluenceError
        If the format is unknown.

    Examples
    --------
    >>> entries = pd.DataFrame({
    ...     "network": ["a|b"], "heading": [("depth", "rms, m")], "value": [0.687], "low": [0.66],
    ...     "high": [0.71], "digits": [3], "marked": [False], "best": [True]})
    >>> table = Table(entries, ("network",), "Performance", ("n = 654.",))
    >>> print(format_table(table, "md").splitlines()[4])
    | a\|b      | **0.687 [0.660, 0.710]** |
    >>> print(format_table(table, "csv"), end="")
    network,"depth: rms, m","depth: rms, m low","depth: rms, m high"
    a|b,0.687,0.66,0.71
    """
    if format not in FORMATS:
        raise unknown("format", format, FORMATS)
    return FORMATS[format](table)


def _cell(entry: Any, dialect: Dialect, table: Table) -> str:
    if words := getattr(entry, "text", ""):
        return dialect.name(words)
    if pd.isna(entry.value):
        return dialect.absent
    ends = ""
    shown = f"{entry.value:.{entry.digits}f}".replace("-", dialect.minus)
    if table.interval and not pd.isna(entry.low):
        ends = f"[{entry.low:.{entry.digits}f}, {entry.high:.{entry.digits}f}]"
        ends = ends.replace("-", dialect.minus)
    signs = (dialect.star if entry.marked else "") + (
        dialect.warning if getattr(entry, "warned", False) else ""
    )
    if table.stacked and ends:
        value = dialect.bold.format(shown) if entry.best else shown
        return dialect.stack.format(value + signs, ends)
    shown = " ".join(filter(None, [shown, ends]))
    return f"{dialect.bold.format(shown) if entry.best else shown}{signs}"


def _dressed(table: Table, dialect: Dialect) -> pd.DataFrame:
    """Return the table as strings, headings included, safe in a dialect."""
    entries = table.entries
    cells = [_cell(entry, dialect, table) for entry in entries.itertuples()]
    wide = table.spread(pd.Series(cells, index=entries.index)).astype(object).fillna(dialect.absent)
    below = dialect.broken if table.stacked else dialect.name
    wide.iloc[:, : len(table.rows)] = wide.iloc[:, : len(table.rows)].map(below)
    wide.columns = pd.MultiIndex.from_tuples(
        [(dialect.name(heading[0]), below(heading[1])) for heading in wide.columns]
    )
    return wide


def _notes(table: Table) -> list[str]:
    bold = ["Bold: the best of a column."] if table.entries["best"].any() else []
    return [*bold, *table.notes]


def _flat(wide: pd.DataFrame) -> pd.DataFrame:
    """Join the two lines of headings into one."""
    names = [": ".join(filter(None, heading)) for heading in wide.columns]
    return wide.set_axis(names, axis=1)


def _aligned(table: Table, columns: int) -> list[str]:
    return ["left"] * len(table.rows) + ["right"] * (columns - len(table.rows))


def _markdown(table: Table) -> str:
    cells = _flat(_dressed(table, MARKDOWN))
    body = cells.to_markdown(
        index=False, disable_numparse=True, colalign=_aligned(table, cells.shape[1])
    )
    notes = " ".join(map(MARKDOWN.name, _notes(table)))
    return f"**{MARKDOWN.name(table.title)}**\n\n{body}\n\n{notes}\n"


def _latex(table: Table) -> str:
    cells = _dressed(table, LATEX)
    alignment = "".join(side[0] for side in _aligned(table, cells.shape[1]))
    written = cells.to_latex(
        index=False,
        escape=False,
        column_format=alignment,
        multicolumn_format="c",
        position="t",
        caption=LATEX.name(". ".join([table.title, " ".join(_notes(table))])),
    )
    if table.stacked:
        for end in ("begin", "end"):
            written = written.replace(f"\\{end}{{table}}", f"\\{end}{{table*}}")
        written = written.replace("\\begin{tabular}", f"{COMPACT}\\begin{{tabular}}")
    return f"% needs \\usepackage{{booktabs}}\n{written}"


def _csv(table: Table) -> str:
    entries = table.entries
    if "text" in entries:
        entries = entries.assign(
            value=entries["text"].where(entries["text"] != "", entries["value"])
        )
    parts = [table.spread(entries[part]) for part in PARTS]
    names = len(table.rows)
    wide = _flat(parts[0]).iloc[:, :names]
    for column in range(names, parts[0].shape[1]):
        for part, frame in zip(PARTS, parts, strict=True):
            heading = _flat(frame).columns[column] + ("" if part == "value" else f" {part}")
            if part == "value" or frame.iloc[:, column].notna().any():
                wide[heading] = frame.iloc[:, column]
    return wide.to_csv(index=False, lineterminator="\n")


def _text(table: Table) -> str:
    cells = _flat(_dressed(table, TEXT))
    body = cells.to_markdown(
        index=False,
        tablefmt="simple",
        disable_numparse=True,
        colalign=_aligned(table, cells.shape[1]),
    )
    return "\n".join([table.title, "", body, "", *table.notes]) + "\n"


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "md": _markdown,
    "tex": _latex,
    "csv": _csv,
    "text": _text,
}
