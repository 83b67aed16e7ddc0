"""Files: CSVs, figures and tables as the reports keep them, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from experiments.publishing.pages import linked_files
from influence.display.plots.style import FORMATS, save_figure
from influence.display.table import Table, format_table
from influence.runtime.files import replace_on_success

__all__ = ["FIGURES", "TABLES", "Output", "shown_output", "write_csv"]

FIGURES = tuple(FORMATS)
TABLES = ("md", "tex")


@dataclass(frozen=True)
class Output:
    """Which figures and tables are written, and in which formats.

    Parameters
    ----------
    formats
        Everything is written in these, some of `FIGURES` and `TABLES`. If there are none, only what
        is `shown` is written.
    shown
        Files that pages show or link to.
    """

    formats: tuple[str, ...] = ()
    shown: frozenset[Path] = frozenset()

    def figure(self, folder: Path, stem: str, draw: Callable[[], Figure | None]) -> Iterator[Path]:
        """Write a figure, if it can be drawn; yield its files as they are written."""
        paths = self._wanted(folder, stem, FIGURES)
        if paths and (figure := draw()) is not None:
            for path in paths:
                save_figure(figure, path)
                yield path

    def table(self, folder: Path, stem: str, table: Table) -> Iterator[Path]:
        """Write a table; yield its files as they are written."""
        for path in self._wanted(folder, stem, TABLES):
            with replace_on_success(path) as aside:
                aside.write_text(format_table(table, path.suffix[1:]), encoding="utf-8")
            yield path

    def _wanted(self, folder: Path, stem: str, known: tuple[str, ...]) -> list[Path]:
        paths = [folder / f"{stem}.{suffix}" for suffix in known]
        if self.formats:
            return [path for path in paths if path.suffix[1:] in self.formats]
        return [path for path in paths if path.resolve() in self.shown]


def shown_output(reports: Path, formats: tuple[str, ...] = ()) -> Output:
    """Return the output of what the project's pages show, or of everything in some formats."""
    return Output(formats, linked_files(reports))


def write_csv(frame: pd.DataFrame, path: Path, *, digits: int | None = None) -> Path:
    """Write a frame as CSV, with so many significant digits, all by default."""
    with replace_on_success(path) as aside:
        frame.to_csv(
            aside,
            index=False,
            lineterminator="\n",
            float_format=None if digits is None else f"%.{digits}g",
        )
    return path
