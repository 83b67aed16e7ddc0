"""``influence table``: a table of measured runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.display.tables import TABLES

__all__ = ["table"]


@click.command()
@click.argument("kind", type=click.Choice(list(TABLES)))
@options.runs
@options.format
@options.mute
@options.metric
@options.names("--source", help="Only these muted sites, joined by commas.")
@options.names("--target", help="Only these outputs, joined by commas.")
@click.option("--top", type=click.IntRange(min=1),
              help="How many helped and how many hurt samples; 10 by default.")  # fmt: skip
@options.names("--setup", help="Only these setups, such as depth+semantic; * for all.")
@click.option("--level", help="A slice such as class:floor, or a pattern such as 'class:*'.")
@click.option("--interval/--no-interval", default=None, help="Show the intervals, or not.")
def table(
    kind: str, runs: tuple[Path, ...], format: str, guard_formulas: bool, **asked: Any
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
    given = options.match_options(chosen.make, asked)
    beside = {name: options.read_frame(runs, name, optional=True) for name in chosen.beside}
    made = chosen.make(options.read_frame(runs, chosen.frame), **beside, **given)
    options.print_table(made, format, guard_formulas=guard_formulas)
