"""The command line: one module a command, imported when it is called."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from influence.errors import InfluenceError

__all__ = ["main"]

COMMANDS = {
    "compare": "Say whether two networks or runs differ, on the same samples.",
    "gallery": "Show the samples that inputs helped and hurt most in a run, as images.",
    "maps": "Map where in chosen samples an input helps and hurts an output.",
    "measure": "Mute each input of trained networks and measure what each output loses.",
    "optimal": "Learn the constants that hurt a network least, on training data.",
    "plot": "Draw a figure from measured runs.",
    "power": "Say which omega samples can detect, and how many an omega needs.",
    "report": "Write one page for readers: summary, plots, tables, samples, provenance.",
    "show": "Show metrics, mutes, or what a checkpoint or an evaluation file holds.",
    "table": "Print a table from measured runs.",
}


class _Lazy(click.Group):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"influence.cli.{cmd_name}"), cmd_name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except InfluenceError as error:
            click.echo(f"influence: {error}", err=True)
            sys.exit(1)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cross-influence", prog_name="influence")
def main() -> None:
    """Measure how much each input of a trained joint network helps each output.

    Exit codes: 0 done; 1 an error about your files or network; 2 wrong usage.
    """
