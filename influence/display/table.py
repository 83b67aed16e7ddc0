"""A table: made of cells with headings, written as Markdown, LaTeX, CSV or plain text."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from textwrap import wrap
from typing import Any

import pandas as pd

from influence.display.notation import display_of, gains
from influence.errors import InfluenceError, unknown
from influence.runtime.text import guarded, on_one_line

__all__ = [
    "FORMATS",
    "SIGNIFICANT",
    "Heading",
    "Table",
    "format_table",
    "in_metric_order",
    "make_cells",
    "make_table",
    "omega_cells",
    "without_formulas",
]

Heading = tuple[str, str]
"""A group of columns, and a column of it."""

SIGNIFICANT = 0.05
"""Below this an adjusted p-value gets an asterisk."""

PARTS = ("value", "low", "high")
NARROW = 11  # letters in a line of a name


@dataclass(frozen=True)
class Dialect:
    """How a text format writes names, bold, an asterisk and a minus sign.

    `stack` puts an interval below its value, and `narrow` the lines of a heading below each other.
    Names come from files that anybody may have written: they may hold any character.
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
        return on_one_line(name).translate(self.escape)

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
    """A table of numbers, before it is text.

    Parameters
    ----------
    entries
        One row per cell, with the columns that `rows` names; `heading`, a `Heading`; `value`,
        `low`, `high`, in the unit of the heading; `digits`, how many decimals are shown; `marked`,
        whether the cell gets an asterisk; `best`, whether it is bold; and, if a table has them,
        `warned`, whether it gets an exclamation mark, and `text`, words in place of a number.
    rows
        The columns of `entries` that name a row of the table.
    title
        A few words for a caption.
    notes
        Sentences that say how to read the numbers: units, mute, interval, n.
    interval
        Whether the cells show the interval beside the value.
    headings
        The columns in their order; by default in that of the entries.
    stacked
        Whether intervals stand below their values, in a table as wide as a page, which suits
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
        """Return the wide form of the table, filled with one cell per entry.

        Rows are in the order of the entries; a cell without an entry is missing. The columns that
        name the rows come first.
        """
        names = self.entries[list(self.rows)]
        row = names.groupby(list(self.rows), sort=False, dropna=False).ngroup()
        headings = self.headings or tuple(dict.fromkeys(self.entries["heading"]))
        column = self.entries["heading"].map(headings.index)
        long = pd.DataFrame({"row": row, "column": column, "cell": cells})
        wide = long.pivot(index="row", columns="column", values="cell")
        wide.columns = pd.MultiIndex.from_tuples([headings[int(i)] for i in wide.columns])
        first = names.set_index(row).groupby(level=0).head(1)
        first.columns = pd.MultiIndex.from_product([[""], self.rows])
        return pd.concat([first, wide], axis=1)


def make_cells(
    frame: pd.DataFrame,
    heading: Heading | Callable[[Any], Heading],
    value: pd.Series | float,
    **columns: Any,
) -> pd.DataFrame:
    """Give each row of a frame one cell of a table.

    Parameters
    ----------
    frame
        Results, one row per cell.
    heading
        That of all cells, or a function that makes it from a row.
    value
        The numbers, in the unit of the heading.
    columns
        Other columns of `Table.entries`. By default a cell has no interval, no marks and no text,
        and the decimals that omegas of its metric have.

    Examples
    --------
    >>> frame = pd.DataFrame({"network": ["a"], "metric": "mean_iou", "omega": 0.02})
    >>> make_cells(frame, ("", "ω"), 100 * frame["omega"])[["heading", "value", "digits"]].values
    array([[('', 'ω'), 2.0, 2]], dtype=object)
    """
    headings = [heading if isinstance(heading, tuple) else heading(r) for r in frame.itertuples()]
    if "digits" not in columns:
        columns["digits"] = frame["metric"].map(lambda metric: display_of(metric).gain_digits)
    absent = dict.fromkeys(("low", "high"), float("nan")) | {"text": ""}
    unmarked = dict.fromkeys(("marked", "warned", "best"), False)
    return frame.assign(
        heading=pd.Series(headings, index=frame.index, dtype=object),
        value=value,
        **(absent | unmarked | columns),
    )


def omega_cells(
    frame: pd.DataFrame,
    heading: Heading | Callable[[Any], Heading],
    *names: str,
    **columns: Any,
) -> pd.DataFrame:
    """Give each row of a frame one cell with an omega, in the unit that is shown.

    Parameters
    ----------
    frame, heading, columns
        Those of `make_cells`.
    names
        The column of `frame` that holds the omegas, and those of the ends of their intervals.

    Examples
    --------
    >>> frame = pd.DataFrame({"network": ["a"], "metric": "mean_iou", "omega": 0.02})
    >>> omega_cells(frame, ("", "ω"), "omega")["value"].tolist()
    [2.0]
    """
    gain = gains(frame["metric"])
    shown = {part: frame[name] * gain for part, name in zip(PARTS, names, strict=False)}
    return make_cells(frame, heading, **shown, **columns)


def make_table(
    cells: Iterable[pd.DataFrame],
    rows: tuple[str, ...],
    title: str,
    notes: Sequence[str] = (),
    *,
    interval: bool,
    headings: tuple[Heading, ...] = (),
) -> Table:
    """Make a table of frames of cells.

    Parameters
    ----------
    cells
        Frames from `make_cells`, whose rows are the entries of the table.
    rows, title, interval, headings
        Those of `Table`.
    notes
        The first notes. Those that every table has follow: definitions of metrics, the level of
        intervals, n by data set, and the hashes of checkpoints.

    Raises
    ------
    InfluenceError
        If there are two numbers for one cell.
    """
    entries = pd.concat(cells, ignore_index=True)
    twice = entries.duplicated([*rows, "heading"])
    if twice.any():
        first = entries[twice].iloc[0]
        raise InfluenceError(
            f"two results claim one cell: network {first['network']!r}, column "
            f"{', '.join(first['heading'])!r}. Give each run once, and each network a name of its "
            "own (influence.json)"
        )
    if "seed" in entries:
        entries = entries.assign(seed=entries["seed"].astype("Int64"))
    every = (*notes, *_usual_notes(entries, interval=interval))
    return Table(entries, rows, title, every, interval, headings)


def in_metric_order(table: Table, metrics: Sequence[str]) -> Table:
    """Put the columns in the order of the metrics; without metrics the table stays as it is."""
    if not metrics:
        return table
    order = table.entries["metric"].map(list(metrics).index).argsort(kind="stable")
    return replace(table, headings=tuple(dict.fromkeys(table.entries["heading"].iloc[order])))


def _usual_notes(entries: pd.DataFrame, *, interval: bool) -> Iterator[str]:
    entries = entries[entries["n"].notna()]  # those of verdicts and distances are not counted
    displays = [display_of(metric) for metric in entries["metric"].unique()]
    definitions = [f"{each.label}: {each.definition}" for each in displays if each.definition]
    if definitions:
        yield "; ".join(definitions) + "."
    if interval and entries["low"].notna().any():
        levels = " or ".join(f"{level:.0%}" for level in entries["confidence"].dropna().unique())
        yield f"Brackets: {levels} interval."
    sizes = entries["n"].astype(int).groupby(entries["dataset"], sort=False, dropna=False).unique()
    counted = [f"n = {' or '.join(map(str, n))} samples of {name}" for name, n in sizes.items()]
    yield "; ".join(counted) + "."
    if "checkpoint_sha256" in entries:
        hashes = entries[["network", "checkpoint_sha256"]].fillna("").drop_duplicates()
        listed = [f"{network} {sha[:12]}" for network, sha in hashes.itertuples(index=False) if sha]
        if listed:
            yield f"Checkpoints (SHA-256): {', '.join(listed)}."


def format_table(table: Table, format: str, *, guard_formulas: bool = False) -> str:
    r"""Write a table as text.

    Parameters
    ----------
    table
        What is written. Names in it may hold any character.
    format
        `md`, `tex` (booktabs), `csv` (unrounded) or `text`. In `csv` names stand as they are, in
        the others on one line, with what acts on a terminal made visible.
    guard_formulas
        In `csv`, whether to guard the cells that a spreadsheet would run as formulas.

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
    return _csv(table, guard_formulas) if format == "csv" else FORMATS[format](table)


def without_formulas(frame: pd.DataFrame) -> pd.DataFrame:
    """Guard the headings and cells of a frame that a spreadsheet would run as formulas.

    >>> without_formulas(pd.DataFrame({"network": ["=1+1", "a"], "omega": [-1.0, 2.0]})).values
    array([["'=1+1", -1.0],
           ['a', 2.0]], dtype=object)
    """
    texts = frame.select_dtypes(exclude=["number", "bool"]).columns
    cells = {name: [guarded(c) if isinstance(c, str) else c for c in frame[name]] for name in texts}
    return frame.assign(**cells).rename(columns=guarded)


def _cell(entry: Any, dialect: Dialect, table: Table) -> str:
    if words := getattr(entry, "text", ""):
        return dialect.name(words)
    if pd.isna(entry.value):
        return dialect.absent
    value, low, high = (
        f"{part:.{entry.digits}f}".replace("-", dialect.minus)
        for part in (entry.value, entry.low, entry.high)
    )
    signs = dialect.star if entry.marked else ""
    signs += dialect.warning if getattr(entry, "warned", False) else ""
    bold = dialect.bold if entry.best else "{}"
    if not table.interval or pd.isna(entry.low):
        return bold.format(value) + signs
    ends = f"[{low}, {high}]"
    if table.stacked:
        return dialect.stack.format(bold.format(value) + signs, ends)
    return bold.format(f"{value} {ends}") + signs


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


def _alignment(table: Table, columns: int) -> list[str]:
    return ["left"] * len(table.rows) + ["right"] * (columns - len(table.rows))


def _body(table: Table, dialect: Dialect, style: str) -> str:
    cells = _flat(_dressed(table, dialect))
    alignment = _alignment(table, cells.shape[1])
    return cells.to_markdown(index=False, tablefmt=style, disable_numparse=True, colalign=alignment)


def _markdown(table: Table) -> str:
    notes = " ".join(map(MARKDOWN.name, _notes(table)))
    return f"**{MARKDOWN.name(table.title)}**\n\n{_body(table, MARKDOWN, 'pipe')}\n\n{notes}\n"


def _latex(table: Table) -> str:
    cells = _dressed(table, LATEX)
    alignment = "".join(side[0] for side in _alignment(table, cells.shape[1]))
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


def _csv(table: Table, guard_formulas: bool = False) -> str:
    entries = table.entries
    if "text" in entries and (entries["text"] != "").any():
        entries = entries.assign(
            value=entries["text"].where(entries["text"] != "", entries["value"])
        )
    parts = {part: _flat(table.spread(entries[part])) for part in PARTS}
    names = len(table.rows)
    columns = [parts["value"].iloc[:, :names]]
    for i in range(names, parts["value"].shape[1]):
        for part, frame in parts.items():
            cells = frame.iloc[:, i]
            if part == "value" or cells.notna().any():
                columns.append(cells.to_frame(f"{cells.name} {part}".removesuffix(" value")))
    wide = pd.concat(columns, axis=1)
    wide = without_formulas(wide) if guard_formulas else wide
    return wide.to_csv(index=False, lineterminator="\n")


def _text(table: Table) -> str:
    body = _body(table, TEXT, "simple")
    title, *notes = map(TEXT.name, (table.title, *table.notes))
    return "\n".join([title, "", body, "", *notes]) + "\n"


FORMATS: Mapping[str, Callable[[Table], str]] = {
    "md": _markdown,
    "tex": _latex,
    "csv": _csv,
    "text": _text,
}
