"""``influence power``: a measured run in, what samples can detect out."""

from __future__ import annotations

from pathlib import Path

import click

from influence.cli.options import metric_names, names
from influence.display.table import FORMATS

__all__ = ["power"]


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("--power", "chance", default=0.8, show_default=True, help="Probability to detect.")
@click.option("--alpha", default=0.05, show_default=True, help="Level of the two-sided test.")
@click.option("--n", "planned", type=click.IntRange(min=2), help="Samples that are planned.")
@click.option("--omega", type=float, help="A wished omega, as in the files: 0.01 of mean IoU.")
@click.option(
    "--metric", callback=metric_names, help="Only these, or module:name; joined by commas."
)
@click.option("--mute", callback=names, help="Show only these mutes, joined by commas.")
@click.option("--level", default="all", show_default=True, help="A slice or a pattern to show.")
@click.option("--format", default="text", show_default=True, type=click.Choice(list(FORMATS)))
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Also write a .csv.")
def power(
    runs: tuple[Path, ...],
    chance: float,
    alpha: float,
    planned: int | None,
    omega: float | None,
    metric: tuple[str, ...],
    mute: tuple[str, ...],
    level: str,
    format: str,
    out: Path | None,
) -> None:
    """Say which omega a number of samples can detect, and how many an omega needs.

    RUN is a directory that `influence measure` wrote: a first measurement, which tells how much
    omega varies. Without --n, as many samples are planned as it has; without --omega, the omega
    that it found is wished. The .csv holds all metrics, mutes and levels.
    """
    from influence.analysis.estimates import read_estimates
    from influence.analysis.power import plan_samples
    from influence.display.table import format_table
    from influence.display.tables.precision import power_table
    from influence.runtime.files import replace_on_success

    found = plan_samples(
        read_estimates(runs, metric), planned=planned, omega=omega, alpha=alpha, power=chance
    )
    shown = list(found["metric"].unique()) if metric else []
    table = power_table(found, metric=shown, mute=mute, level=level)
    click.echo(format_table(table, format), nl=False)
    if out:
        with replace_on_success(out) as aside:
            found.to_csv(aside, index=False, lineterminator="\n")
        click.echo(f"wrote {out}", err=True)
