"""`python -m experiments.networks STEP`: the field's other joint networks on NYU-Depth v2."""

from __future__ import annotations

from pathlib import Path

import click

from experiments.networks.study import NetworkStudy
from experiments.training.commands import run

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

    for name in names or study.plans:
        train_network(study, name)


if __name__ == "__main__":
    run(steps)
