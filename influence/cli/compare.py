"""``influence compare``: differences between two runs, or two networks of one run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options
from influence.cli.output import echo

__all__ = ["compare"]


@click.command()
@click.argument("run_a", type=options.PATH)
@click.argument("run_b", required=False, type=options.PATH)
@options.pairs("--pair", "pairs", form="network=network", metavar="A=B",
               help="Compare networks A and B; by default those of equal name.")  # fmt: skip
@options.computed
def compare(
    run_a: Path,
    run_b: Path | None,
    pairs: list[tuple[str, str]],
    metrics: tuple[str, ...],
    **shown: Any,
) -> None:
    """Test whether omega, or the performance, differs between networks or runs.

    RUN_A and RUN_B are directories that `influence measure` wrote, on the same samples. With RUN_A
    alone, name two of its networks by --pair. The options --mute and --level choose what is
    printed; the .csv file holds all mutes and levels.
    """
    from influence.analysis.comparison import compare as compare_runs
    from influence.analysis.comparison import data_notes
    from influence.display.tables.comparison import comparison_table
    from influence.results.run_directory import read_run

    if not run_b and not pairs:
        raise click.UsageError("Name a second run, or two networks of this one by --pair A=B.")
    options.keep_inputs(shown["out"], (run_a, run_b))
    first = read_run(run_a, rows=True)
    second = read_run(run_b, rows=True) if run_b else first
    found = compare_runs(first, second, pairs=pairs, metrics=metrics)
    options.print_computed(found, comparison_table, metrics, **shown)
    for note in data_notes(first, second):
        echo(note, err=True)
