"""`python -m experiments.ground_truth`: simulate everything, into reports/ground_truth/.

About ten minutes on two quiet cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from experiments.ground_truth.report import blocks, write_report
from experiments.ground_truth.studies import STUDIES, run_study
from experiments.publishing.commands import run
from experiments.publishing.files import shown_output, write_csv
from experiments.publishing.pages import write_page

REPORTS = Path(__file__).parents[2] / "reports" / "ground_truth"


@click.command()
@click.option("--study", "studies", multiple=True, type=click.Choice(list(STUDIES)),
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--sets", type=int, help="Another number of simulated sets than each study's.")
@click.option("--processes", default=2, show_default=True, help="How many parts run at a time.")
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def ground_truth(studies: Sequence[str], sets: int | None, processes: int, reports: Path) -> None:
    """Hold what `influence` finds against what is known to be true."""
    for name in studies or STUDIES:
        click.echo(f"== {name}")
        frame = run_study(name, sets=sets, processes=processes)
        click.echo(f"wrote {write_csv(frame, reports / f'{name}.csv', digits=6)}")
    for path in write_report(reports, shown_output(reports.parent)):
        click.echo(f"wrote {path}")
    if (page := reports / "README.md").exists():
        click.echo(f"wrote {write_page(page, blocks(reports))}")


if __name__ == "__main__":
    run(ground_truth)
