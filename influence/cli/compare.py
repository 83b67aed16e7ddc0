"""``influence compare``: two runs, or two networks of one, and their differences."""

from __future__ import annotations

from pathlib import Path

import click

from influence.cli.options import metric_names, names
from influence.display.table import FORMATS

__all__ = ["compare"]


def _pairs(
    context: click.Context, parameter: click.Parameter, texts: tuple[str, ...]
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
@click.option(
    "--pair",
    "pairs",
    multiple=True,
    callback=_pairs,
    metavar="A=B",
    help="Which network with which; by default those of one name. May be repeated.",
)
@click.option(
    "--metric", callback=metric_names, help="Only these, or module:name; joined by commas."
)
@click.option("--mute", callback=names, help="Show only these mutes, joined by commas.")
@click.option("--level", default="all", show_default=True, help="A slice or a pattern to show.")
@click.option("--format", default="text", show_default=True, type=click.Choice(list(FORMATS)))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write a .csv.")
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
    """Say whether omega, or the performance, differs between networks or runs.

    RUN_A and RUN_B are directories that `influence measure` wrote, on the same samples; with
    RUN_A alone, --pair names two of its networks. The .csv holds all metrics, mutes and levels.
    """
    from influence.analysis.comparison import compare as compare_runs
    from influence.analysis.comparison import data_notes
    from influence.display.table import format_table
    from influence.display.tables.comparison import comparison_table
    from influence.results.run import read_run
    from influence.runtime.files import replace_on_success

    first = read_run(run_a, rows=True)
    second = read_run(run_b, rows=True) if run_b else first
    if not run_b and not pairs:
        raise click.UsageError("Name a second run, or two networks of this one by --pair A=B.")
    found = compare_runs(first, second, pairs=pairs, metrics=metric)
    shown = list(found["metric"].unique()) if metric else []
    table = comparison_table(found, metric=shown, mute=mute, level=level)
    click.echo(format_table(table, format), nl=False)
    for note in data_notes(first, second):
        click.echo(note, err=True)
    if out:
        with replace_on_success(out) as aside:
            found.to_csv(aside, index=False, lineterminator="\n")
        click.echo(f"wrote {out}", err=True)
