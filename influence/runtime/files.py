"""Files: writing without leaving incomplete files, and hashes of files.

A file is written under a temporary name beside its own, and renamed when it is whole. The temporary
name holds the machine and the process that made it, so that what a killed process has left is known
and removed by the next that writes there.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
import re
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path

import h5py

from influence.errors import InfluenceError
from influence.runtime.reading.regular_files import check_regular

__all__ = [
    "is_temporary",
    "make_temporary",
    "remove",
    "replace_on_success",
    "sha256_of",
    "sweep",
    "sync",
    "write_error",
    "write_hdf5",
]

TEMPORARY = re.compile(
    r"\.writing-(?P<target>[0-9a-f]{8})-(?P<machine>[0-9a-f]{8})-(?P<pid>[0-9]+)"
    r"-(?P<started>[0-9]+)-[0-9a-f]{8}(\.[^/]*)?"
)
"""Names of temporaries: hashes of the target's name and of the machine, the process and when it
started, and a random part."""


@contextmanager
def replace_on_success(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary path has the same suffix, from which some writers choose the format. On any
    exception, including an interrupt, the temporary file is removed and an existing `path` is kept.
    If `path` is a link to a file, that file is replaced.
    What killed processes have left of the same file is removed first.

    Parameters
    ----------
    path
        The file.
    durable
        Whether the content is on the disk before the file gets its name, so that it is whole after
        a loss of power too. Not worth its time for many small files whose damage is noticed and
        which can be made again; leftovers of these are not looked for either.

    Raises
    ------
    InfluenceError
        If `path` is a folder, a device or a link to one, which a rename would replace, or if
        the operating system cannot write to it (no permission, disk full).

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "note.txt"
    >>> with replace_on_success(target) as aside:
    ...     _ = aside.write_text("whole")
    >>> target.read_text()
    'whole'
    """
    path = _end_of_links(Path(path))
    aside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if durable:
            sweep(path.parent, path.name)
        aside = make_temporary(path.parent, path.name)
        yield aside
        if durable:
            sync(aside)
        os.replace(aside, path)
        aside = None
        if durable:
            sync(path.parent)
    except OSError as error:
        raise write_error(path, error) from error
    finally:
        if aside:
            remove(aside)


def _end_of_links(path: Path) -> Path:
    """Return the file to which a path leads: links stay, and what they lead to is replaced."""
    end, allowed = path, not os.path.lexists(path) or os.path.isfile(path)
    while allowed and end.is_symlink():
        # Of a link such as /dev/stdout, a file would take the place.
        allowed = os.path.realpath(end.parent).split(os.sep)[1] not in ("dev", "proc")
        end = end.parent / os.readlink(end)
    if not allowed:
        raise InfluenceError(
            f"could not write {path}: expected the name of a file, got a folder or a device, or a "
            "link to none. Choose another name"
        )
    return end


def write_error(path: Path, error: OSError) -> InfluenceError:
    """Build the error for a path that the operating system does not write."""
    return InfluenceError(
        f"could not write {path}: {error}. Free space or choose another folder; what was there "
        "before is unchanged"
    )


def make_temporary(folder: Path, target: str, *, directory: bool = False) -> Path:
    """Create an empty temporary file, or folder, for what will be called `target`.

    Nothing that is there already is opened, and no link is followed.
    """
    pid = os.getpid()
    begin = f".writing-{_short(target)}-{_machine()}-{pid}-{_started(pid)}"
    suffix = "" if directory else Path(target).suffix
    path = folder / f"{begin}-{secrets.token_hex(4)}{suffix}"
    if directory:
        path.mkdir()
    else:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    return path


def is_temporary(name: str) -> bool:
    """Return whether a name is one of `make_temporary`."""
    return TEMPORARY.fullmatch(name) is not None


def sweep(folder: str | os.PathLike[str], target: str | None = None) -> None:
    """Remove temporaries that processes of this machine have left which are no more.

    Parameters
    ----------
    folder
        The folder; need not exist.
    target
        Only those of this name; by default all.
    """
    try:
        names = os.listdir(folder)
    except OSError:
        return
    for name in names:
        found = TEMPORARY.fullmatch(name)
        if (
            found
            and (target is None or found["target"] == _short(target))
            and found["machine"] == _machine()
            and found["started"] != _started(int(found["pid"]))
        ):
            remove(Path(folder) / name)


def remove(path: Path) -> None:
    """Remove a temporary file, or a temporary folder of files, if it is there and can be."""
    with suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            for name in os.listdir(path):
                os.unlink(path / name)
            path.rmdir()
        else:
            os.unlink(path)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk, where the system can tell."""
    folder = path.is_dir()
    try:
        file = os.open(path, os.O_RDONLY if folder else os.O_RDWR)
        try:
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        if not folder and error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise


def _short(text: str) -> str:
    return hashlib.sha256(os.fsencode(text)).hexdigest()[:8]


@lru_cache
def _machine() -> str:
    """Name this machine, or the container in which processes are numbered on their own."""
    try:
        space = os.readlink("/proc/self/ns/pid")
    except OSError:
        space = ""
    return _short(f"{socket.gethostname()} {space}")


def _started(pid: int) -> str | None:
    """Return when a process started, which tells it from later ones of its number.

    It is `None` if there is no such process, and 0 if the system does not tell.
    """
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
        return None if state in b"ZX" else fields[18].decode()
    except FileNotFoundError:
        if os.path.exists("/proc/self/stat"):
            return None
    except (OSError, IndexError):
        pass
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return None
    except OSError:
        pass
    return "0"


@contextmanager
def write_hdf5(path: str | os.PathLike[str]) -> Iterator[h5py.File]:
    """Yield an empty HDF5 file in memory; write it to `path` if the block succeeds.

    When the disk is full, the HDF5 library raises an error on writing and again on closing, and
    then crashes; a file in memory avoids this.

    Raises
    ------
    InfluenceError
        As for `replace_on_success`.
    """
    image = io.BytesIO()
    with h5py.File(image, "w") as file:
        yield file
    with replace_on_success(path) as aside:
        aside.write_bytes(image.getbuffer())


def sha256_of(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 hash of a file in hexadecimal digits.

    Raises
    ------
    InfluenceError
        If it is no regular file, whose bytes may have no end.
    """
    check_regular(path)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
