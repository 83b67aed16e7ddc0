"""`python -m experiments.figures`: every figure and table of `reports/`, from its CSVs alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click

from experiments.benchmarks.report import write_report as write_benchmarks
from experiments.figures.architectures import write_directions
from experiments.figures.pages import NEEDED, blocks_of_pages
from experiments.figures.sweep import read_sweep, write_sweep
from experiments.ground_truth.report import write_report as write_ground_truth
from experiments.publishing.commands import run
from experiments.publishing.files import FIGURES, TABLES, Output, shown_output
from experiments.publishing.pages import check_page, write_page
from experiments.publishing.published import write_published
from experiments.publishing.studies import read_study, write_figures, write_tables, write_verdicts
from influence.errors import InfluenceError, unknown

REPORTS = Path(__file__).parents[2] / "reports"


def write_all(reports: Path, output: Output) -> Iterator[str]:
    """Write everything; yield a line for each file, and for each report that is not there."""
    folder = reports / "published"
    write_published(folder)
    yield from _lines(write_figures(read_study(folder), folder, output))
    for name, write in WRITERS.items():
        needed, command = NEEDED[name]
        if (reports / name / needed).exists():
            yield from _lines(write(reports / name, output))
        else:
            yield f"skipped {reports / name}: no {needed} there; {command} writes it"
    yield from _lines(write_page(page, own) for page, own in blocks_of_pages(reports).items())


def _write_measured(folder: Path, output: Output) -> Iterator[Path]:
    study = read_study(folder)
    yield write_verdicts(study, folder)
    yield from write_figures(study, folder, output)
    yield from write_tables(study, folder, output)


def _write_sweep(folder: Path, output: Output) -> Iterator[Path | str]:
    sweep = read_sweep(folder.parent)
    yield write_verdicts(sweep.measured, folder)
    yield from write_sweep(sweep, output)


WRITERS: Mapping[str, Callable[[Path, Output], Iterator[Path | str]]] = {
    "rooms": _write_measured,
    "nyuv2": _write_measured,
    "networks": write_directions,
    "sweep": _write_sweep,
    "benchmarks": write_benchmarks,
    "ground_truth": write_ground_truth,
}
"""Folder of a report -> what writes its figures, and the tables that follow from others."""


def _lines(made: Iterator[Path | str]) -> Iterator[str]:
    return (f"wrote {one}" if isinstance(one, Path) else one for one in made)


def _formats(_: click.Context, __: click.Parameter, value: str) -> tuple[str, ...]:
    formats = tuple(filter(None, value.split(",")))
    for name in formats:
        if name not in FIGURES + TABLES:
            raise unknown("format", name, FIGURES + TABLES)
    return formats


@click.command()
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
@click.option("--formats", default="", callback=_formats, metavar="SUFFIX,...",
              help="Write everything in these; by default what READMEs show.")  # fmt: skip
@click.option("--check", is_flag=True, help="Only compare the READMEs with the CSVs.")
def figures(reports: Path, formats: tuple[str, ...], check: bool) -> None:
    """Write the figures and tables of the reports from their CSVs alone."""
    if check:
        found = (check_page(page, own) for page, own in blocks_of_pages(reports).items())
        if differing := list(filter(None, found)):
            raise InfluenceError("\n".join([*differing, "Run `make figures`"]))
        click.echo("the READMEs say what the CSVs say")
        return
    for line in write_all(reports, shown_output(reports, formats)):
        click.echo(line)


if __name__ == "__main__":
    run(figures)
