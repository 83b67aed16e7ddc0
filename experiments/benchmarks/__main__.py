"""`python -m experiments.benchmarks`: time everything beside its rivals, into reports/benchmarks/.

About half an hour on two quiet cores.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch

from experiments.benchmarks import intervals, memory
from experiments.benchmarks.cases import CASES
from experiments.benchmarks.networks import NETWORKS
from experiments.benchmarks.records import describe_machine, replace_case
from experiments.benchmarks.report import blocks, write_report
from experiments.benchmarks.rivals import check_agreement
from experiments.benchmarks.subject import prepared
from experiments.benchmarks.timing import count_flops, time_case
from experiments.publishing.commands import run
from experiments.publishing.files import shown_output
from experiments.publishing.pages import write_page

REPORTS = Path(__file__).parents[2] / "reports" / "benchmarks"
MEMORY_ROUNDS = 3  # what a process takes hardly varies


def run_case(
    name: str, reports: Path, *, rounds: int, samples: int | None, batch_size: int, device: str,
    report: Callable[[str], None],
) -> None:  # fmt: skip
    """Check one case, count its FLOPs, time it, and write its records."""
    case = CASES[name]
    with prepared(
        NETWORKS[case.network](),
        samples=samples or case.samples,
        batch_size=batch_size,
        device=device,
    ) as subject:
        replace_case(reports / "checks.csv", name, check_agreement(case, subject))
        replace_case(reports / "flops.csv", name, count_flops(case, subject))
        replace_case(reports / "rounds.csv", name, time_case(case, subject, rounds, report))


@click.command()
@click.option("--case", "cases", multiple=True,
              type=click.Choice([*CASES, intervals.CASE, memory.CASE]),
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--rounds", default=5, show_default=True, help="Medians are taken over these.")
@click.option("--samples", type=int, help="Another number of samples than the case's.")
@click.option("--batch-size", default=16, show_default=True)
@click.option("--threads", default=2, show_default=True, help="Of torch.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def benchmarks(
    cases: Sequence[str], rounds: int, samples: int | None, batch_size: int, threads: int,
    device: str, reports: Path,
) -> None:  # fmt: skip
    """Time `influence.measure` beside what one would otherwise run."""
    torch.set_num_threads(threads)
    for name in cases or (*CASES, intervals.CASE, memory.CASE):
        click.echo(f"== {name}")
        if name == intervals.CASE:
            found = intervals.time_intervals(rounds, report=click.echo)
            replace_case(reports / "intervals.csv", name, found)
        elif name == memory.CASE:
            found = memory.measure_peaks(min(rounds, MEMORY_ROUNDS), report=click.echo)
            replace_case(reports / "memory.csv", name, found)
        else:
            run_case(
                name, reports, rounds=rounds, samples=samples, batch_size=batch_size,
                device=device, report=click.echo,
            )  # fmt: skip
        replace_case(reports / "machine.csv", name, [describe_machine(name, device)])
    for path in write_report(reports, shown_output(reports.parent)):
        click.echo(f"wrote {path}")
    if (page := reports / "README.md").exists():
        click.echo(f"wrote {write_page(page, blocks(reports))}")


if __name__ == "__main__":
    run(benchmarks)
