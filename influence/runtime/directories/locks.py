"""Locks: one process at a time writes into a directory.

The lock is that of the operating system on a small file in the directory, which ends with the
process however it ends. The file says who writes: for messages, and for machines that share the
directory but not the locks of their operating systems.
"""

from __future__ import annotations

import errno
import json
import os
import shlex
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from threading import get_ident

from influence.errors import InfluenceError

__all__ = ["LOCK", "Held", "hold"]

LOCK = ".writer.json"
"""The file that is locked; a directory has none while nobody writes into it."""

NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EBADF)

LONGEST = 4096
"""Most bytes of the file that are read."""


class Held(InfluenceError):
    """Another process writes into the directory."""


@dataclass(frozen=True)
class _Writer:
    """The process that writes into a directory."""

    host: str
    pid: int
    since: str
    command: str

    def __str__(self) -> str:
        text = f"process {self.pid} on {self.host} since {self.since} ({self.command})"
        return "".join(c if c.isprintable() else "?" for c in text)


_held: dict[str, tuple[int, int]] = {}
"""Directories that this process holds -> the open lock file and the thread that asked for it."""


def _leave_to_parent() -> None:
    # Else a lock would last as long as the last process that was forked, such as one that reads.
    for file, _ in _held.values():
        os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


@contextmanager
def hold(directory: str | os.PathLike[str]) -> Iterator[str]:
    """Let no other process write into a directory for the time of the block.

    The directory is created if it does not exist, and removed at the end if it is empty. The same
    thread may hold it again inside the block.

    Yields
    ------
    str
        A note if the process that held it before has ended without giving it back; else empty.

    Raises
    ------
    Held
        If another process holds it.
    InfluenceError
        If the directory cannot be written, or its file system has no locks.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with hold(folder), hold(folder):
    ...     [path.name for path in folder.iterdir()]
    ['.writer.json']
    >>> list(folder.iterdir())
    []
    """
    directory = Path(directory)
    key = os.path.realpath(directory)
    if key in _held and _held[key][1] == get_ident():
        yield ""
        return
    made: list[Path] = []
    try:
        try:
            _make(directory, made)
            file, note = _acquire(directory / LOCK)
        except OSError as error:
            raise _refusal(directory, error) from error
        _held[key] = file, get_ident()
        try:
            yield note
        finally:
            if _held.pop(key, None):  # else this is a fork, and the lock is its parent's
                try:
                    with suppress(OSError):
                        os.unlink(directory / LOCK)
                finally:
                    os.close(file)
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # those that hold something stay
                folder.rmdir()


def _refusal(directory: Path, error: OSError) -> InfluenceError:
    if os.path.exists(directory) and not os.path.isdir(directory):
        return InfluenceError(
            f"{directory} is a file, expected a directory for the results. Choose another"
        )
    if error.errno in NO_LOCKS:
        return InfluenceError(
            f"{directory}: expected a file system with locks, so that no two runs write into one "
            f"directory, got {error}. Choose a directory on another one"
        )
    return InfluenceError(
        f"{directory}: expected a directory to write results to, got {error}. Choose another"
    )


def _make(directory: Path, made: list[Path]) -> None:
    """Create a directory, and append it and the parents that had to be created to `made`."""
    for folder in [*reversed(directory.parents), directory]:
        if not folder.is_dir():
            try:
                folder.mkdir()
                made.append(folder)
            except FileExistsError:
                if not folder.is_dir():  # else another process was quicker
                    raise


def _acquire(path: Path) -> tuple[int, str]:
    """Open and lock the file; a note says whose lock was left."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        try:
            _lock(file)
            if _is(file, path):
                return file, _take_over(file, path)
            os.close(file)  # whoever held it has removed it meanwhile
        except BlockingIOError as error:
            found = _read(file)
            os.close(file)
            raise Held(
                f"{path.parent} is being written by {found or 'another process'}. Wait for it, or "
                "choose another directory"
            ) from error
        except BaseException:
            os.close(file)
            raise


def _lock(file: int) -> None:
    if sys.platform != "win32":  # where the content of the file alone has to do
        import fcntl

        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _is(file: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(file), os.lstat(path))
    except FileNotFoundError:
        return False


def _take_over(file: int, path: Path) -> str:
    earlier = _read(file)
    if earlier and earlier.host != socket.gethostname():
        raise Held(
            f"{path.parent} is being written by {earlier}. Wait for it, or choose another "
            f"directory; if that process is gone, remove {path}"
        )
    command = " ".join(map(shlex.quote, sys.argv))[:500]
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    mine = _Writer(socket.gethostname(), os.getpid(), since, command)
    try:
        os.ftruncate(file, 0)
        os.lseek(file, 0, os.SEEK_SET)
        os.write(file, json.dumps(asdict(mine)).encode())
    except OSError:
        with suppress(OSError):
            os.unlink(path)
        raise
    return f"{path.parent} is taken over from {earlier}, which has ended" if earlier else ""


def _read(file: int) -> _Writer | None:
    try:
        os.lseek(file, 0, os.SEEK_SET)
        found = json.loads(os.read(file, LONGEST))
        return _Writer(**{field.name: found[field.name] for field in fields(_Writer)})
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
