"""``influence report``: runs in, one page for readers out."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["report"]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The page, .html.")
@click.option("--title", help="By default it names the data sets.")
@click.option(
    "--gallery/--no-gallery",
    default=True,
    show_default=True,
    help="Show samples, where runs have pictures.",
)
def report(runs: tuple[Path, ...], out: Path, title: str | None, gallery: bool) -> None:
    """Write a page that shows measured runs to readers, in one file.

    It opens by double click, needs no server and asks nobody for anything: a summary in words,
    plots, tables to sort, filter and download, samples, and where the numbers come from. RUN is a
    directory that `influence measure` wrote, or a folder with its tables; what it lacks is left
    out. Of several the networks are shown together.
    """
    from influence.display.report.page import write_page

    write_page(runs, out, title=title, gallery=gallery)
    click.echo(f"wrote {click.format_filename(out)} ({out.stat().st_size / 1e6:.1f} MB)")
