"""`python -m experiments.networks STEP`: the field's other joint networks on NYU-Depth v2."""

from __future__ import annotations

from itertools import takewhile
from pathlib import Path

import click

from experiments.networks.study import NetworkStudy
from experiments.publishing.commands import run

NAMES = click.argument("names", nargs=-1)


@click.group()
@click.option("--data", help="The folder of NYU-Depth v2.")
@click.option("--work", type=click.Path(path_type=Path), default=Path("runs/networks"))
@click.pass_context
def steps(context: click.Context, data: str | None, work: Path) -> None:
    """Train, export and measure the networks of the configuration files beside this module."""
    context.obj = NetworkStudy(data=data, work=work)


@steps.command()
@NAMES
@click.pass_obj
def train(study: NetworkStudy, names: tuple[str, ...]) -> None:
    """Train networks by name, or all; goes on where it stopped."""
    from experiments.networks.training import train_network

    for name in study.choose(names):
        train_network(study, name)


@steps.command()
@NAMES
@click.pass_obj
def export(study: NetworkStudy, names: tuple[str, ...]) -> None:
    """Write checkpoints of trained networks into the work folder."""
    from experiments.networks.training import export_network

    for name in study.choose(names):
        click.echo(export_network(study, name))


@steps.command(context_settings={"ignore_unknown_options": True})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[NAMES]... [OPTIONS]...")
@click.pass_obj
def measure(study: NetworkStudy, arguments: tuple[str, ...]) -> None:
    """Measure networks by name, or all; options behind go to `influence measure`."""
    from experiments.networks.measuring import measure_network, measure_trivial

    given = list(takewhile(lambda argument: not argument.startswith("-"), arguments))
    names = study.choose(given)
    for labels in dict.fromkeys(study.plan(name).labels for name in names):
        measure_trivial(study, labels)
    for name in names:
        measure_network(study, name, arguments[len(given) :])


@steps.command()
@click.pass_obj
def gather(study: NetworkStudy) -> None:
    """Put the runs together into the tables of reports/networks/; compare networks."""
    from experiments.networks.measuring import gather_comparisons, gather_history, gather_tables

    for path in (*gather_tables(study), gather_comparisons(study), gather_history(study)):
        click.echo(path)


if __name__ == "__main__":
    run(steps)
