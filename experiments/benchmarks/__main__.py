"""`python -m experiments.benchmarks`: time everything beside its rivals, into reports/benchmarks/.

About half an hour on two quiet cores.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
import torch

from experiments.benchmarks import intervals, memory
from experiments.benchmarks.cases import CASES, describe_machine, replace_case
from experiments.benchmarks.networks import NETWORKS
from experiments.benchmarks.report import blocks, write_report
from experiments.benchmarks.rivals import check_agreement
from experiments.benchmarks.subject import prepared
from experiments.benchmarks.timing import count_flops, time_case
from experiments.publishing.commands import run
from experiments.publishing.files import shown_output
from experiments.publishing.pages import write_page

REPORTS = Path(__file__).parents[2] / "reports" / "benchmarks"
MEMORY_ROUNDS = 3  # what a process takes hardly varies

Tables = dict[str, Sequence[Mapping[str, Any]]]
"""Records by the name of the table that they go into."""


def run_case(
    name: str, rounds: int, samples: int | None, batch_size: int | None, **options: Any
) -> Tables:
    """Check one case, count its FLOPs and time it; return its records by table."""
    case = CASES[name]
    network = NETWORKS[case.network]()
    options |= {"samples": samples or case.samples, "batch_size": batch_size or case.batch_size}
    with prepared(network, **options) as subject:
        return {
            "checks": check_agreement(case, subject),
            "flops": count_flops(case, subject),
            "rounds": time_case(case, subject, rounds, click.echo),
        }


@click.command()
@click.option("--case", "cases", multiple=True,
              type=click.Choice([*CASES, intervals.CASE, memory.CASE]),
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, help="Medians are taken over these.")
@click.option("--samples", type=int, help="Another number of samples than the case's.")
@click.option("--batch-size", type=int, help="Another one than the case's.")
@click.option("--threads", default=2, show_default=True, help="Of torch.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def benchmarks(
    cases: Sequence[str], rounds: int, samples: int | None, batch_size: int | None,
    threads: int, device: str, reports: Path,
) -> None:  # fmt: skip
    """Time `influence.measure` beside what one would otherwise run."""
    torch.set_num_threads(threads)
    for name in cases or (*CASES, intervals.CASE, memory.CASE):
        click.echo(f"== {name}")
        found: Tables
        if name == intervals.CASE:
            found = {name: intervals.time_intervals(rounds, report=click.echo)}
        elif name == memory.CASE:
            found = {name: memory.measure_peaks(min(rounds, MEMORY_ROUNDS), report=click.echo)}
        else:
            found = run_case(name, rounds, samples, batch_size, device=device)
        for table, records in (found | {"machine": [describe_machine(name, device)]}).items():
            replace_case(reports / f"{table}.csv", name, records)
    for path in write_report(reports, shown_output(reports.parent)):
        click.echo(f"wrote {path}")
    if (page := reports / "README.md").exists():
        click.echo(f"wrote {write_page(page, blocks(reports))}")


if __name__ == "__main__":
    run(benchmarks)
