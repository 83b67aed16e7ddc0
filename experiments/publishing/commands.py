"""Commands: how a command line of the experiments ends."""

from __future__ import annotations

import sys

import click

from influence.errors import InfluenceError

__all__ = ["run"]


def run(command: click.Command) -> None:
    """Run a command line; a mistake in the user's files ends it with a message and code 1."""
    try:
        command(standalone_mode=True)
    except InfluenceError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
