"""`python -m experiments.networks_of_users`: measure all kinds, into reports/networks_of_users/.

About five minutes on one quiet core.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click
import torch

from experiments.benchmarks.cases import processor
from experiments.networks_of_users.kinds import KINDS, find_kind
from experiments.networks_of_users.measuring import measure_kind
from experiments.networks_of_users.report import blocks, replace_rows
from experiments.publishing.commands import run
from experiments.publishing.files import write_csv
from experiments.publishing.pages import write_page
from influence.errors import InfluenceError
from influence.results.run_directory import Run

REPORTS = Path(__file__).parents[2] / "reports" / "networks_of_users"
QUESTIONS = "easy-vqa"


def describe_machine(kind: str) -> dict[str, Any]:
    """Return processor, cores, threads and versions."""
    packages = {name: version(name) for name in ("torch", "numpy")}
    return {
        "kind": kind,
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "python": platform.python_version(),
        **packages,
    }


def write_questions(found: Run, path: Path, samples: int | None) -> Path:
    """Write which input helps which type of question, with intervals."""
    from experiments.networks_of_users.easy_vqa import count_questions

    rows = found.influence[found.influence["level"] == "all"]
    questions = rows["target"].map(count_questions(samples or find_kind(QUESTIONS).samples))
    columns = ["target", "source", "mute", "full", "muted", "omega", "omega_low", "omega_high",
               "p_value", "p_holm", "n"]  # fmt: skip
    table = rows[columns].assign(questions=questions)
    return write_csv(table.sort_values("target", kind="stable"), path, digits=9)


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(list(KINDS)),
              help="Only this one; may be given several times.")  # fmt: skip
@click.option("--samples", type=int, help="Another number of samples than each kind's.")
@click.option("--rounds", default=3, show_default=True, help="How often everything is timed.")
@click.option("--reports", default=REPORTS, type=click.Path(path_type=Path, file_okay=False))
def networks_of_users(
    kinds: Sequence[str], samples: int | None, rounds: int, reports: Path
) -> None:
    """Measure networks as users have them, and compare omega with loops written by hand."""
    torch.set_num_threads(1)
    for name in kinds or KINDS:
        try:
            records, found = measure_kind(name, samples=samples, rounds=rounds)
        except InfluenceError as error:
            if kinds:
                raise
            click.echo(f"skipped {name}: {error}")
            continue
        worst = max(record["difference"] for record in records)
        click.echo(f"{name}: {len(records)} omegas, largest difference {worst:.2g}")
        replace_rows(reports / "table.csv", name, records)
        replace_rows(reports / "machine.csv", name, [describe_machine(name)])
        if name == QUESTIONS:
            click.echo(f"wrote {write_questions(found, reports / 'easy_vqa.csv', samples)}")
    if (page := reports / "README.md").exists():
        click.echo(f"wrote {write_page(page, blocks(reports))}")


if __name__ == "__main__":
    run(networks_of_users)
