"""The command line: one module a command, imported when it is called."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from typing import Any

import click

from influence.cli.options import tell_interrupted, translate
from influence.cli.output import PrintingGroup, echo_error
from influence.errors import InfluenceError, said
from influence.runtime.interrupts import Interrupted, foreign_code, raise_on_signals
from influence.runtime.memory import available_memory, check_address_space, in_gigabytes

__all__ = ["main"]

COMMANDS = {
    "compare": "Test whether two networks or runs differ, on the same samples.",
    "gallery": "Save pictures of the samples that inputs helped and hurt most.",
    "maps": "Map the pixels in which an input helps or hurts an output.",
    "measure": "Mute each input of trained networks and measure what each output loses.",
    "optimal": "Learn the constants of the mute optimal from training data.",
    "plot": "Draw a figure of measured runs.",
    "power": "Compute which omega a number of samples can detect.",
    "report": "Write a page with the results of measured runs.",
    "show": "List metrics or mutes, or describe a checkpoint or data file.",
    "table": "Print a table of measured runs.",
}


RUN_NETWORKS = ("gallery", "maps", "measure", "optimal", "show")
"""Commands that load torch."""

WAIT_POLICIES = {"OMP_WAIT_POLICY": "PASSIVE", "KMP_BLOCKTIME": "0"}
"""Environment variables of the libraries with which torch computes in several threads, GNU's and
Intel's, and values that let a thread sleep while it waits for another one. By default it waits
actively, and beside another busy process it then holds up the thread that it waits for."""


class _Lazy(PrintingGroup):
    """A group that imports a command only when it is called, and prints the library's errors."""

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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] in RUN_NETWORKS:
            check_address_space()
        return super().resolve_command(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        # The variables are read when torch is imported, which is after this.
        for name, value in WAIT_POLICIES.items():
            os.environ.setdefault(name, value)
        try:
            with raise_on_signals(), foreign_code("code of yours"):
                return super().invoke(ctx)
        except InfluenceError as error:
            # Messages of other commands speak of how a run was measured.
            names = [ctx.invoked_subcommand or "measure", "measure"]
            commands = [command for name in names if (command := self.get_command(ctx, name))]
            echo_error(translate(str(error), *commands))
            sys.exit(1)
        except RecursionError as error:
            echo_error(f"something that was given holds itself, or is nested too deep: {error}")
            sys.exit(1)
        except (ImportError, MemoryError) as error:
            free = in_gigabytes(available_memory())
            echo_error(
                f"{type(error).__name__}: {error or 'no more memory'}. {free} of memory are free: "
                "torch and its libraries need about 1 GB, and a network its own; if that is there, "
                "install the libraries again"
            )
            sys.exit(1)
        except Interrupted as stop:
            tell_interrupted(stop, ctx)
            sys.exit(stop.code)
        except (Exception, SystemExit):
            raise
        except BaseException as error:  # such as KeyboardInterrupt, raised by a user's code
            echo_error(
                f"code of yours raised {said(error)}, by which programs are ended. Let it raise an "
                "exception of another kind"
            )
            sys.exit(1)


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cross-influence", prog_name="influence")
def main() -> None:
    """Measure how much each input of a trained joint network helps each output.

    Exit codes: 0 for success, 1 for an error in your files or network, 2 for wrong usage; 130 if
    Ctrl-C has ended the command, 143 if SIGTERM has.
    """
