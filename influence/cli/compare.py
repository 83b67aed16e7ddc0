"""``influence compare``: differences between two runs, or two networks of one run."""

from __future__ import annotations

from pathlib import Path

import click

from influence.cli import options

__all__ = ["compare"]


def _pairs(
    context: click.Context, option: click.Parameter, texts: tuple[str, ...]
) -> list[tuple[str, str]]:
    pairs = []
    for text in texts:
        first, _, second = text.partition("=")
        if not first or not second:
            raise click.BadParameter(f"expected network=network, got {text!r}")
        pairs.append((first, second))
    return pairs


@click.command()
@click.argument("run_a", type=click.Path(path_type=Path))
@click.argument("run_b", required=False, type=click.Path(path_type=Path))
@click.option("--pair", "pairs", multiple=True, callback=_pairs, metavar="A=B",
              help="Compare networks A and B; by default those of equal name.")  # fmt: skip
@options.computed_metric
@options.mute
@options.level
@options.format
@options.csv
def compare(
    run_a: Path,
    run_b: Path | None,
    pairs: list[tuple[str, str]],
    metric: tuple[str, ...],
    mute: tuple[str, ...],
    level: str,
    format: str,
    out: Path | None,
) -> None:
    """Test whether omega, or the performance, differs between networks or runs.

    RUN_A and RUN_B are directories that `influence measure` wrote, on the same samples. With RUN_A
    alone, name two of its networks by --pair. The options --mute and --level choose what is
    printed; the .csv file holds all mutes and levels.
    """
    from influence.analysis.comparison import compare as compare_runs
    from influence.analysis.comparison import data_notes
    from influence.display.table import format_table
    from influence.display.tables.comparison import comparison_table
    from influence.results.run import read_run

    if not run_b and not pairs:
        raise click.UsageError("Name a second run, or two networks of this one by --pair A=B.")
    first = read_run(run_a, rows=True)
    second = read_run(run_b, rows=True) if run_b else first
    found = compare_runs(first, second, pairs=pairs, metrics=metric)
    shown = list(found["metric"].unique()) if metric else []
    table = comparison_table(found, metric=shown, mute=mute, level=level)
    click.echo(format_table(table, format), nl=False)
    for note in data_notes(first, second):
        click.echo(note, err=True)
    if out:
        options.write_csv(found, out)
