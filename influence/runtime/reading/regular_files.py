"""Regular files: what a path has to be before its bytes are read, and that it stays the same."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from influence.errors import InfluenceError

__all__ = ["Identity", "check_regular", "read_regular"]

LARGE = 2**30
"""From this size on a file is checked for holes, which cost nothing to make and much to read."""

MOST_HOLES = 64
"""A large file may have this many times as many bytes as are stored."""


@dataclass(frozen=True)
class Identity:
    """What tells one state of a file from another.

    Parameters
    ----------
    device, inode
        The place of the file.
    size, changed
        Its number of bytes, and when it was last written, in nanoseconds.

    Examples
    --------
    >>> Identity.of(__file__) == Identity.of(__file__)
    True
    """

    device: int
    inode: int
    size: int
    changed: int

    @classmethod
    def of(cls, path: str | os.PathLike[str] | int) -> Identity:
        """Return the identity of a path, or of an open file by its descriptor."""
        found = os.stat(path)
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def check_regular(path: str | os.PathLike[str], what: str = "file") -> Identity:
    """Check that a path names a file with an end, before anything of it is read.

    Devices and pipes may have no end, or wait for ever; a file that consists of holes takes no
    space, and as much time and memory as it likes.

    Parameters
    ----------
    path
        The path.
    what
        What it should be, for the message.

    Raises
    ------
    InfluenceError
        If there is no such file, or it is a folder, a device or a pipe, or almost all holes.

    Examples
    --------
    >>> check_regular(os.devnull)
    Traceback (most recent call last):
    influence.errors.InfluenceError: expected a file, but /dev/null is a device. Check the name
    """
    shown = os.fspath(path).replace("\0", "\\0")
    shown = shown if len(shown) <= 300 else f"{shown[:300]}..."
    try:
        found = os.stat(path)
    except FileNotFoundError as error:
        raise InfluenceError(f"{shown}: no such {what}. Check the name") from error
    except OSError as error:
        raise InfluenceError(
            f"could not read the {what} {shown}: {error.strerror}. Check the name"
        ) from error
    except ValueError as error:  # a NUL
        raise InfluenceError(f"{shown} is no name of a file: {error}. Check the name") from error
    if not stat.S_ISREG(found.st_mode):
        raise InfluenceError(
            f"expected a file, but {shown} is a {_kind(found.st_mode)}. Check the name"
        )
    if found.st_size > LARGE and _stored(path, found.st_size) * MOST_HOLES < found.st_size:
        raise InfluenceError(
            f"{shown}: its {found.st_size} bytes are almost all holes, which were never written. "
            f"Write or copy the {what} again"
        )
    return Identity.of(path)


def read_regular(path: str | os.PathLike[str], what: str = "file") -> bytes:
    """Return the content of a file, once it is known to have an end; see `check_regular`."""
    check_regular(path, what)
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise InfluenceError(
            f"could not read the {what} {path}: {error.strerror}. Check the name"
        ) from error
    except MemoryError as error:
        raise InfluenceError(
            f"could not read the {what} {path}: its {os.path.getsize(path)} bytes do not fit into "
            "memory. Take a machine with more of it"
        ) from error


def _kind(mode: int) -> str:
    if stat.S_ISDIR(mode):
        return "folder"
    return "pipe" if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else "device"


def _stored(path: str | os.PathLike[str], size: int) -> int:
    """Count the bytes of a file that are not in holes, where the system can tell."""
    if not hasattr(os, "SEEK_DATA"):
        return size
    stored = place = 0
    with open(path, "rb") as file:
        while stored * MOST_HOLES < size:
            try:
                start = os.lseek(file.fileno(), place, os.SEEK_DATA)
                place = os.lseek(file.fileno(), start, os.SEEK_HOLE)
            except OSError:  # no more data
                break
            stored += place - start
    return stored
