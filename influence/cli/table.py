"""``influence table``: runs in, a table for readers out."""

from __future__ import annotations

from inspect import signature
from pathlib import Path
from typing import Any

import click

from influence.cli.options import metric_names, names, read_seeds
from influence.display.table import FORMATS, format_table
from influence.display.tables import TABLES
from influence.results.tables import read_tables

__all__ = ["table"]


@click.command()
@click.argument("kind", type=click.Choice(list(TABLES)))
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--format", default="text", show_default=True, type=click.Choice(list(FORMATS)))
@click.option("--mute", callback=names, help="Only these mutes, joined by commas.")
@click.option("--metric", callback=metric_names, help="Only these metrics, joined by commas.")
@click.option("--source", callback=names, help="Only these muted sites, joined by commas.")
@click.option("--target", callback=names, help="Only these outputs, joined by commas.")
@click.option("--top", type=click.IntRange(min=1), help="How many samples a side; 10 by default.")
@click.option("--setup", callback=names, help="Setups such as depth+semantic; * for all.")
@click.option("--level", help="A slice such as class:floor, or a pattern such as 'class:*'.")
@click.option("--interval/--no-interval", default=None, help="Show the intervals, or not.")
def table(kind: str, runs: tuple[Path, ...], format: str, **options: Any) -> None:
    """Print a table from the directories that measured runs were written to.

    KIND is omega (what each input gives each output), mutes (each direction under every mute,
    and whether they agree), interactions (what inputs give alone and together), performance (all
    metrics with nothing muted), classes (a metric class by class), samples (those that each
    input helps and hurts most) or seeds (several trainings of one network, with what training and
    samples add to the uncertainty). RUN is a directory that `influence measure` wrote; of several
    the rows are put together.
    """
    chosen = TABLES[kind]
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if foreign := sorted(given.keys() - signature(chosen.make).parameters.keys()):
        raise click.UsageError(f"the table {kind} has no option --{foreign[0]}")
    beside = {name: read_tables(runs, name, optional=True) for name in chosen.beside}
    frame = read_seeds(runs) if chosen.frame == "seeds" else read_tables(runs, chosen.frame)
    click.echo(format_table(chosen.make(frame, **beside, **given), format), nl=False)
