"""``influence power``: which omega a number of samples can detect."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from influence.cli import options

__all__ = ["power"]


@click.command()
@options.runs
@click.option("--power", default=0.8, show_default=True, help="Probability to detect.")
@click.option("--alpha", default=0.05, show_default=True, help="Level of the two-sided test.")
@click.option(
    "--n", "planned", type=click.IntRange(min=2),
    help="Number of planned samples; by default that of the run.",
)  # fmt: skip
@click.option(
    "--omega", type=float,
    help="The omega to detect, in natural units (0.01 of mean IoU); by default that of the run.",
)  # fmt: skip
@options.computed
def power(runs: tuple[Path, ...], metrics: tuple[str, ...], **asked: Any) -> None:
    """Compute which omega a number of samples can detect, and how many samples an omega needs.

    RUN is a directory that `influence measure` wrote: a first measurement, from which the variance
    of omega is estimated. The options --mute and --level choose what is printed; the .csv file
    holds all mutes and levels.
    """
    from influence.analysis.estimates import read_estimates
    from influence.analysis.power import plan_samples
    from influence.display.tables.precision import power_table

    options.keep_inputs(asked["out"], runs)
    plan = {name: asked.pop(name) for name in ("planned", "omega", "alpha", "power")}
    found = plan_samples(read_estimates(runs, metrics), **plan)
    options.print_computed(found, power_table, metrics, **asked)
