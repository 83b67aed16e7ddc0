"""Probing: a look at a file in a process of its own, which a damaged file may end."""

from __future__ import annotations

import os
import pickle
import select
import signal
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import NoReturn

from influence.errors import InfluenceError

__all__ = ["probe"]

SECONDS = 12
"""The processor time that a look may take, and one second more for each `BYTES` of the file."""
BYTES = 2**21
MEMORY = 3 * 2**30
"""The memory that a look may take beyond what the process has, in bytes."""

_DEFAULT = (signal.SIGINT, signal.SIGTERM, signal.SIGABRT, signal.SIGFPE,
            signal.SIGSEGV)  # fmt: skip
"""Signals that end a fork, whatever the process does on them."""


def probe(
    look: Callable[[], object], path: str | os.PathLike[str], seconds: int | None = None
) -> None:
    """Run a function in a fork of this process first, so that it does no harm here.

    Libraries in C crash, loop for ever or ask for any amount of memory on some damaged files. A
    fork has everything imported and costs some ten milliseconds. Where the system cannot fork, the
    function is not run.

    Parameters
    ----------
    look
        Reads all of the file that the library has to interpret; its result is lost.
    path
        The file.
    seconds
        The processor time that the fork may take, by default according to the size of the file.

    Raises
    ------
    InfluenceError
        If the fork crashed, took too long or too much memory; or what `look` raised.

    Examples
    --------
    >>> probe(os.abort, "a.h5")
    Traceback (most recent call last):
    influence.errors.InfluenceError: a.h5: it is damaged in a way that ends the program that \
reads it (SIGABRT). Write or copy it again
    """
    if not hasattr(os, "fork"):
        return
    if seconds is None:
        seconds = SECONDS + (os.path.getsize(path) // BYTES if os.path.exists(path) else 0)
    try:
        reading, writing = os.pipe()
    except OSError:  # no file handles: reading the file says so
        return
    try:
        with warnings.catch_warnings():
            # Of forks of a process with threads; the fork uses none of theirs.
            warnings.simplefilter("ignore")
            child = os.fork()
    except OSError:  # no more processes or memory
        os.close(reading)
        os.close(writing)
        return
    if child == 0:
        _look_and_leave(look, writing, seconds)
    os.close(writing)
    try:
        found = _read_all(reading, 5 * seconds)
    finally:
        os.close(reading)
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)  # it has said all that it will say
        _, status = os.waitpid(child, 0)
    if not found:
        raise _ended(os.fspath(path), status, seconds)
    error = pickle.loads(found)
    if error is not None:
        raise error


def _look_and_leave(look: Callable[[], object], writing: int, seconds: int) -> NoReturn:
    """Run the function, write what it raised, and end without any clean-up of the parent's."""
    try:
        for number in _DEFAULT:
            signal.signal(number, signal.SIG_DFL)
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            for stream in (1, 2):  # what the C library says when it aborts
                os.dup2(null, stream)
        _limit(seconds)
        error: BaseException | None = None
        try:
            look()
        except MemoryError:
            error = _too_much()
        except Exception as raised:
            error = raised
        try:
            said = pickle.dumps(error)
            pickle.loads(said)
        except Exception:  # an exception that cannot be pickled: the parent meets it again
            said = pickle.dumps(None)
        while said:
            said = said[os.write(writing, said) :]
    finally:
        os._exit(0)


def _limit(seconds: int) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(OSError, ValueError):  # a lower limit is set
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    with suppress(OSError, ValueError):  # no such file system, or a lower limit is set
        with open("/proc/self/statm", encoding="ascii") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY,) * 2)


def _read_all(reading: int, seconds: int) -> bytes:
    found = b""
    said = select.poll()  # which, unlike select, takes any number of open files
    said.register(reading)
    while said.poll(min(1000 * seconds, 2**31 - 1)):
        block = os.read(reading, 1 << 16)
        if not block:
            break
        found += block
    return found


def _too_much() -> InfluenceError:
    return InfluenceError(
        f"it asks for more than {MEMORY >> 30} GB of memory before a sample is read. It is damaged "
        "or claims more than it holds: write or copy it again"
    )


def _ended(path: str, status: int, seconds: int) -> InfluenceError:
    number = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if number in (signal.SIGKILL, getattr(signal, "SIGXCPU", None)):
        return InfluenceError(
            f"{path}: it could not be opened in {seconds} seconds of computing, {5 * seconds} in "
            "all; it is damaged in a way that makes its library search for ever, or its disk does "
            "not answer. Write or copy it again"
        )
    name = signal.Signals(number).name if number else "no message"
    return InfluenceError(
        f"{path}: it is damaged in a way that ends the program that reads it ({name}). Write or "
        "copy it again"
    )
