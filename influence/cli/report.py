"""``influence report``: a page for readers, in one file, of measured runs."""

from __future__ import annotations

from pathlib import Path

import click

from influence.cli import options
from influence.cli.output import echo

__all__ = ["report"]


@click.command()
@options.runs
@click.option("--out", required=True, type=options.PATH, help="The page, .html.")
@click.option("--title", help="The title; by default it names the data sets.")
@click.option("--gallery/--no-gallery", default=True, show_default=True,
              help="Show the samples of runs that have a gallery.")  # fmt: skip
def report(runs: tuple[Path, ...], out: Path, title: str | None, gallery: bool) -> None:
    """Write a page that shows measured runs to readers, in one file.

    It holds a summary in words, plots, tables that readers can sort, filter and download, samples,
    and where the numbers come from. It opens in any browser, without a server or a connection. RUN
    is a directory that `influence measure` wrote, or a folder with its tables; sections that need
    what it lacks are left out. The networks of several runs are shown together.
    """
    from influence.display.report.page import write_page

    options.keep_inputs(out, runs)
    write_page(runs, out, title=title, gallery=gallery)
    echo(f"wrote {out} ({out.stat().st_size / 1e6:.1f} MB)")
