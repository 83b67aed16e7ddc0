"""Commands that do what no command may, to see that each fault is found."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["ask", "crash", "die", "hide", "leave", "run_code", "say", "scatter", "wait"]


def crash(arguments: list[str], **_: Any) -> NoReturn:
    raise ValueError("planted")


def die(arguments: list[str], **_: Any) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def run_code(arguments: list[str], **_: Any) -> None:
    Path("../canary").touch()


def scatter(arguments: list[str], **_: Any) -> None:
    """Change, make or remove a file, as the argument says."""
    (action,) = arguments
    notes = Path("../outside/notes.txt")
    if action == "change":
        notes.write_text("other")
    elif action == "touch":
        os.utime(notes, ns=(1, 1))
    elif action == "remove":
        notes.unlink()
    elif action == "link":
        Path("link").symlink_to(notes)
    elif action == "told":
        Path("out/inside").mkdir(parents=True)
        Path("out/inside/x.csv").touch()
    else:
        Path(action).touch()


def wait(arguments: list[str], **_: Any) -> None:
    time.sleep(600)


def ask(arguments: list[str], **_: Any) -> None:
    """Take the megabytes that the argument says."""
    assert b"\1" * (int(arguments[0]) * 2**20)


def say(arguments: list[str], **_: Any) -> NoReturn:
    """Print a text, and end with exit code 1."""
    print(arguments[0], file=sys.stderr)
    sys.exit(1)


def leave(arguments: list[str], **_: Any) -> NoReturn:
    sys.exit(int(arguments[0]))


def hide(arguments: list[str], **_: Any) -> None:
    """Leave a process behind that goes on."""
    if os.fork() == 0:
        time.sleep(600)
