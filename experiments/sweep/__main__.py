"""`python -m experiments.sweep STEP`: many joint refinement networks on NYU-Depth v2."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.publishing.commands import run
from experiments.sweep.study import CONDITIONS, Sweep
from experiments.training.commands import JOBS, in_parallel

PLACES = click.argument("places", nargs=-1)


@click.group()
@click.option("--data", help="The folder of NYU-Depth v2.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/sweep"))
@click.pass_context
def steps(context: click.Context, data: str | None, work: Path) -> None:
    """Train and measure the networks of sweep.toml; each step goes on where it stopped."""
    context.obj = Sweep(data=data, work=work)


@steps.command()
@JOBS
@click.pass_obj
def train_inputs(sweep: Sweep, jobs: int) -> None:
    """Train the single-task networks that predict cross-fitted inputs."""
    from experiments.training.single_task import train_single_task

    in_parallel(train_single_task, sweep.single_task_networks(), jobs)


@steps.command()
@PLACES
@JOBS
@click.pass_obj
def train(sweep: Sweep, places: tuple[str, ...], jobs: int) -> None:
    """Train networks, or all, and write their weights."""
    from experiments.sweep.members import gather_histories, train_member, write_statistics

    for condition in CONDITIONS:
        click.echo(write_statistics(sweep, condition))
    in_parallel(train_member, [(sweep, member) for member in sweep.choose(places)], jobs)
    click.echo(gather_histories(sweep))


@steps.command()
@PLACES
@JOBS
@click.option("--anew", is_flag=True, help="Also those that are measured.")
@click.pass_obj
def measure(sweep: Sweep, places: tuple[str, ...], jobs: int, anew: bool) -> None:
    """Measure networks, or all, from their trained weights."""
    from experiments.sweep.members import measure_member, test_file

    test_file(sweep)
    in_parallel(measure_member, [(sweep, member, anew) for member in sweep.choose(places)], jobs)


@steps.command()
@click.pass_obj
def gather(sweep: Sweep) -> None:
    """Put the runs together into the tables of reports/sweep/."""
    from experiments.publishing.files import write_csv
    from experiments.sweep.members import (
        gather_designs,
        gather_facts,
        gather_seeds,
        gather_tables,
        score_training_inputs,
        test_file,
    )
    from experiments.training.evaluation_data import input_scores

    for path in (*gather_tables(sweep), *gather_seeds(sweep)):
        click.echo(path)
    click.echo(gather_designs(sweep))
    click.echo(gather_facts(sweep))
    click.echo(write_csv(input_scores(test_file(sweep)), sweep.reports / "inputs.csv"))
    click.echo(score_training_inputs(sweep))


@steps.command(name="all")
@JOBS
@click.pass_context
def everything(context: click.Context, jobs: int) -> None:
    """Train, measure and gather; what is done already is not done again."""
    context.invoke(train_inputs, jobs=jobs)
    context.invoke(train, jobs=jobs)
    context.invoke(measure, jobs=jobs)
    context.invoke(gather)


if __name__ == "__main__":
    run(steps)
