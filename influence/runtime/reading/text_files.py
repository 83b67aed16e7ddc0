"""Text files of other people: opened only if they have an end, and read only while they are text.

A pipe or a device would be waited for without an end, a small packed file may unpack to more than
the memory holds, and a NUL ends a cell for some readers and not for others.
"""

from __future__ import annotations

import gzip
import io
import os
import stat
from pathlib import Path
from typing import IO, Any

from influence.runtime.memory import available_memory, in_gigabytes

__all__ = ["open_table", "open_text", "read_text"]

MOST_COLUMNS = 1000
"""A table of more columns is no table of a run; pandas would take minutes to read it."""

HELD = 6
"""Bytes of memory that a byte of text may take once it is read, about."""


class _Text(io.RawIOBase):
    """The bytes of a text file, which end in an error if there are too many or a NUL."""

    def __init__(self, source: IO[bytes]) -> None:
        self.source = source
        self.left = available_memory() // HELD

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self.source.read(len(buffer))
        self.left -= len(block)
        if self.left < 0:
            free = in_gigabytes(available_memory())
            raise ValueError(f"it holds more text than fits into the {free} of free memory")
        if b"\0" in block:
            raise ValueError("it holds a NUL, which no text does")
        buffer[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self.source.close()
        super().close()


def open_text(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a text file for reading, as bytes; one whose name ends in ``.gz`` is unpacked.

    Raises
    ------
    OSError, ValueError
        If the file cannot be read or is no file but a folder, a pipe or a device; on reading, if it
        holds a NUL, or more than fits into memory.

    Examples
    --------
    >>> open_text(os.devnull)
    Traceback (most recent call last):
    ValueError: expected a file, got a folder, a pipe or a device
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise ValueError("expected a file, got a folder, a pipe or a device")
    packed = Path(path).suffix == ".gz"
    source: Any = gzip.open(path, "rb") if packed else open(path, "rb", buffering=0)  # noqa: SIM115
    return io.BufferedReader(_Text(source), buffer_size=1 << 18)


def open_table(path: str | os.PathLike[str]) -> io.BufferedReader:
    """Open a CSV file for reading, as `open_text` does.

    Raises
    ------
    OSError, ValueError
        As of `open_text`, or if it has more than a thousand columns.
    """
    file = open_text(path)
    try:
        columns = file.peek().partition(b"\n")[0].count(b",") + 1
    except BaseException:
        file.close()
        raise
    if columns > MOST_COLUMNS:
        file.close()
        raise ValueError(f"it has {columns} columns or more")
    return file


def read_text(path: str | os.PathLike[str]) -> bytes:
    """Return the content of a text file; see `open_text` for what is an error."""
    with open_text(path) as file:
        return file.read()
