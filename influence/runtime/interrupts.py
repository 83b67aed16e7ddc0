"""Interrupts: signals that end a command in good order, and a user's code that would end it."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from influence.errors import InfluenceError

__all__ = ["Interrupted", "foreign_code", "raise_on_signals", "working_directory"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)
"""What Ctrl-C sends, and what torchrun, job schedulers and `kill` do."""


class Interrupted(KeyboardInterrupt):
    """A signal has ended the command; files that are not whole are removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.name = signal.Signals(number).name
        self.code = 128 + number
        """The exit code by which shells tell that a signal ended a program."""


@contextmanager
def raise_on_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM raise `Interrupted` in the block, once.

    While the block cleans up after the first one, a further SIGTERM is ignored, and a further
    SIGINT ends the process at once. A signal that the process was told to ignore, as a shell does
    with SIGINT in the background, stays ignored. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    process = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # of a process that was forked, such as one that reads data
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if signal.SIGTERM in earlier:
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if signal.SIGINT in earlier:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
        raise Interrupted(number)

    earlier: dict[int, Any] = {}
    try:
        for number in SIGNALS:
            if (found := signal.getsignal(number)) not in (signal.SIG_IGN, None):
                earlier[number] = found
                signal.signal(number, stop)
        yield
    finally:
        for caught, handler in earlier.items():
            signal.signal(caught, handler)


@contextmanager
def foreign_code(what: str) -> Iterator[None]:
    """Run a user's code that must neither end the program nor change the working directory.

    A program that it ends would look as if all was done, and in another working directory the names
    of files would mean other files. The earlier one is restored.

    Parameters
    ----------
    what
        What runs, for messages, such as ``'mine:network'``.

    Raises
    ------
    InfluenceError
        If the code does either.

    Examples
    --------
    >>> with foreign_code("mine"):
    ...     raise SystemExit(0)
    Traceback (most recent call last):
    influence.errors.InfluenceError: mine ended the program: sys.exit(0) in <doctest ...
    """
    place = working_directory()
    try:
        yield
    except SystemExit as stop:
        last = traceback.extract_tb(stop.__traceback__)[-1]
        raise InfluenceError(
            f"{what} ended the program: sys.exit({stop.code!r}) in {last.filename}, line "
            f"{last.lineno}. Let it raise an error instead, or guard what is for a script of its "
            "own by: if __name__ == '__main__'"
        ) from stop
    except GeneratorExit as stop:
        raise InfluenceError(
            f"{what} raised GeneratorExit, by which Python ends generators. Raise another error"
        ) from stop
    finally:
        moved = _moved(place)
    if moved:
        raise InfluenceError(
            f"{what} changed the working directory to {moved}, in which names of files mean other "
            "files. Leave it as it is, or change it back"
        )


def working_directory() -> str:
    """Return the working directory.

    Raises
    ------
    InfluenceError
        If it was removed.
    """
    try:
        return os.getcwd()
    except FileNotFoundError as error:
        raise InfluenceError(
            "the working directory was removed, so that names of files mean nothing. Change to "
            "another one"
        ) from error


def _moved(place: str) -> str:
    """Go back to a working directory; return the one it was changed to, or nothing."""
    try:
        now = os.getcwd()
    except FileNotFoundError:
        now = "one that was removed"
    if now == place:
        return ""
    try:
        os.chdir(place)
    except OSError:  # it was moved or removed, so that the code need not have left it
        return ""
    return now
