"""Output of the command line: visible, on every console, and a sentence if it cannot be written."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from influence.errors import visible
from influence.runtime.text import shortened, spell_out_on_consoles

__all__ = ["PrintingGroup", "echo", "echo_csv", "echo_error"]


LONGEST, MOST_LINES = 2000, 10
"""The most characters and lines of an error that are printed."""


def echo(text: object, *, err: bool = False) -> None:
    """Print a line or more on standard output, or on standard error with `err`; see `visible`."""
    click.echo(visible(text), err=err)


def echo_error(text: object) -> None:
    """Print an error; further lines of it are indented, so that no name can start a line.

    Of a long one, such as of a user's code, the middle is left out.
    """
    lines = shortened(visible(text), LONGEST).splitlines()
    if len(lines) > MOST_LINES:
        lines[MOST_LINES - 1 : -1] = ["..."]
    echo("influence: " + "\n  ".join(lines), err=True)


def echo_csv(text: str) -> None:
    """Print a table that other programs read: as it is, but visibly on a terminal."""
    shown = visible(text) if sys.stdout and sys.stdout.isatty() else text
    click.echo(shown, nl=False, color=True)  # else escapes are taken out of names


class PrintingGroup(click.Group):
    """Commands whose messages about wrong usage are visible as well, on every console."""

    def main(self, *args: Any, **options: Any) -> Any:
        spell_out_on_consoles()
        try:
            return super().main(*args, **options)
        except (OSError, ValueError) as error:  # such as a full disk, to which the output goes
            if isinstance(error, ValueError) and not sys.stdout.closed:
                raise
            rest = "" if getattr(error, "filename", None) else ". Nothing more was printed"
            echo_error(f"{str(error).rstrip('.')}{rest}")
            # Python would try once more to write what is left.
            sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            sys.exit(1)

    def make_context(self, *args: Any, **options: Any) -> click.Context:
        with _visible_usage():
            return super().make_context(*args, **options)

    def invoke(self, ctx: click.Context) -> Any:
        with _visible_usage():
            return super().invoke(ctx)


@contextmanager
def _visible_usage() -> Iterator[None]:
    """Make messages about wrong usage visible, which quote arguments and names of files."""
    try:
        yield
    except click.ClickException as error:
        vars(error)["message"] = visible(error.message)
        raise
