"""`python -m experiments.ground_truth`: simulate everything, into reports/ground_truth/.

About ten minutes on two quiet cores.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from experiments.ground_truth.report import write_report, write_table
from experiments.ground_truth.studies import STUDIES, run_study
from influence.errors import InfluenceError

REPORTS = Path(__file__).parents[2] / "reports" / "ground_truth"


@click.command()
@click.option("--study", "studies", multiple=True, type=click.Choice(list(STUDIES)),
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--sets", type=int, help="Another number of simulated sets than each study's.")
@click.option("--processes", default=2, show_default=True, help="How many parts run at a time.")
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def ground_truth(studies: Sequence[str], sets: int | None, processes: int, reports: Path) -> None:
    """Hold what `influence` finds against what is known to be true."""
    try:
        for name in studies or STUDIES:
            click.echo(f"== {name}")
            frame = run_study(name, sets=sets, processes=processes)
            click.echo(f"wrote {write_table(frame, reports / f'{name}.csv')}")
        for path in write_report(reports):
            click.echo(f"wrote {path}")
    except InfluenceError as error:
        click.echo(f"ground_truth: {error}", err=True)
        sys.exit(1)


if __name__ == "__main__":
    ground_truth()
