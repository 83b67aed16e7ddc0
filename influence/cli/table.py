"""``influence table``: a table of measured runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import click

from influence.cli import options
from influence.display.table import format_table
from influence.display.tables import TABLES

__all__ = ["table"]


@dataclass(frozen=True)
class TableOptions:
    """The options of a table, called as the functions that make tables call them."""

    mute: tuple[str, ...]
    metric: tuple[str, ...]
    source: tuple[str, ...]
    target: tuple[str, ...]
    setup: tuple[str, ...]
    top: int | None
    level: str | None
    interval: bool | None


@click.command()
@click.argument("kind", type=click.Choice(list(TABLES)))
@options.runs
@options.format
@options.mute
@options.metric
@options.names("--source", "Only these muted sites, joined by commas.")
@options.names("--target", "Only these outputs, joined by commas.")
@click.option("--top", type=click.IntRange(min=1),
              help="How many helped and how many hurt samples; 10 by default.")  # fmt: skip
@options.names("--setup", "Only these setups, such as depth+semantic; * for all.")
@click.option("--level", help="A slice such as class:floor, or a pattern such as 'class:*'.")
@click.option("--interval/--no-interval", default=None, help="Show the intervals, or not.")
def table(
    kind: str,
    runs: tuple[Path, ...],
    format: str,
    mute: tuple[str, ...],
    metric: tuple[str, ...],
    source: tuple[str, ...],
    target: tuple[str, ...],
    top: int | None,
    setup: tuple[str, ...],
    level: str | None,
    interval: bool | None,
) -> None:
    """Print a table of measured runs.

    KIND is omega (how much each input helps each output), mutes (each direction under every mute,
    and whether they agree), interactions (what inputs contribute alone and together), performance
    (all metrics with nothing muted), classes (a metric class by class), samples (those that each
    input helps and hurts most) or seeds (several trainings of one network, with what training and
    samples add to the uncertainty). RUN is a directory that `influence measure` wrote; the rows of
    several runs are put together.
    """
    chosen = TABLES[kind]
    asked = TableOptions(mute, metric, source, target, setup, top, level, interval)
    given = options.match_options(chosen.make, asked)
    beside = {name: options.read_frame(runs, name, optional=True) for name in chosen.beside}
    made = chosen.make(options.read_frame(runs, chosen.frame), **beside, **given)
    click.echo(format_table(made, format), nl=False)
