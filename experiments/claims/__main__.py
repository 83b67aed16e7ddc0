"""`python -m experiments.claims`: test the paper's claims on the sweep and the printed numbers."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.publishing.commands import run
from experiments.sweep.study import Sweep


@click.command()
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/sweep"))
@click.option("--draws", default=2000, show_default=True, help="Of the bootstrap.")
@click.option("--partial", is_flag=True, help="Also if networks are missing.")
def claims(work: Path, draws: int, partial: bool) -> None:
    """Write the tables of the claims into reports/sweep/."""
    from experiments.claims.study import write_study

    for path in write_study(Sweep(work=work), draws=draws, partial=partial):
        click.echo(path)


if __name__ == "__main__":
    run(claims)
