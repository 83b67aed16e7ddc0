"""Commits: several files of a folder are replaced at one instant.

The new files are written into a folder aside. One rename makes them the valid ones; then each is
moved to its place. If the process is killed in between, whoever next opens the folder ends that.
"""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from influence.errors import InfluenceError
from influence.runtime.directories.locks import Held, hold
from influence.runtime.files import make_temporary, remove, sweep, sync, write_error

__all__ = ["located", "replace_files_on_success", "settle"]

COMMITTED = ".committed"
"""The folder of files that are valid and not yet in their places."""

ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG, errno.ELOOP)
"""Errors of a folder that is not there, and so holds no commit."""

LIST = "files.json"
"""What is in that folder or was, and which earlier files are no longer valid."""

PATIENCE = 10.0
"""The seconds that a reader waits, once, for the process that moves files to their places."""

_waited: set[Path] = set()
"""The folders for which this process has waited in vain; `located` finds their files too."""


@contextmanager
def replace_files_on_success(
    folder: str | os.PathLike[str], owned: Callable[[str], bool]
) -> Iterator[Path]:
    """Yield an empty folder; if the block succeeds, the files in it replace those of `folder`.

    At one instant all new files are valid and no earlier one is. Files that are not `owned` stay.
    The caller holds the folder, or the one in which it lies: `influence.runtime.directories.locks`.

    Parameters
    ----------
    folder
        The folder, which is created if it does not exist.
    owned
        Whether a file of this name is one that may be replaced or removed.

    Raises
    ------
    InfluenceError
        If the operating system cannot write.

    Examples
    --------
    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "pages"
    >>> for name in ("1.txt", "2.txt"):
    ...     with replace_files_on_success(target, lambda name: name.endswith(".txt")) as aside:
    ...         _ = (aside / name).write_text("whole")
    >>> [page.name for page in target.iterdir()]
    ['2.txt']
    """
    folder = Path(folder)
    stage: Path | None = None
    try:
        _complete(folder, owned)
        there = os.path.isdir(folder)
        place = folder if there else folder.parent
        place.mkdir(parents=True, exist_ok=True)
        sweep(place, folder.name)
        stage = make_temporary(place, folder.name, directory=True)
        yield stage
        names = sorted(os.listdir(stage))
        for name in names:
            sync(stage / name)
            if os.path.isdir(folder / name):  # which no file can replace
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(folder / name))
        if there:
            gone = sorted(
                name
                for name in os.listdir(folder)
                if owned(name) and name not in names and not os.path.isdir(folder / name)
            )
            (stage / LIST).write_text(json.dumps({"files": names, "removed": gone}))
            sync(stage / LIST)
        sync(stage)
        os.rename(stage, folder / COMMITTED if there else folder)
        sync(place)
    except OSError as error:
        raise write_error(folder, error) from error
    finally:
        if stage:
            remove(stage)
    try:
        _complete(folder, owned)
    except OSError as error:
        raise InfluenceError(
            f"{folder}: the results are written, but in {folder / COMMITTED} ({error}). They are "
            "moved to their places when the directory is next read or written"
        ) from error


def settle(folder: str | os.PathLike[str], owned: Callable[[str], bool]) -> None:
    """Move the files of an interrupted commit to their places, where the folder can be written.

    Parameters
    ----------
    folder
        The folder.
    owned
        Whether a file of this name is one that a commit may replace or remove.
    """
    folder = Path(folder)
    until = time.monotonic() + PATIENCE * (folder not in _waited)
    while _pending(folder):
        try:
            with hold(folder):
                _complete(folder, owned)
        except Held:  # by a process that is about to move them
            if time.monotonic() > until:
                _waited.add(folder)
                return
            time.sleep(0.01)
        except (InfluenceError, OSError):
            return


def _pending(folder: Path) -> bool:
    try:
        return LIST in (found := os.listdir(folder / COMMITTED)) or not found
    except OSError:
        return False


def located(path: Path) -> Path:
    """Return where the valid file of a path is: there, or not yet moved from a commit.

    If it is no longer valid, the path that is returned does not exist.
    """
    listed = _listed(path.parent)
    if listed is None or path.name not in listed["files"] + listed["removed"]:
        return path
    waiting = path.parent / COMMITTED / path.name
    moved = path.name in listed["files"] and not os.path.exists(waiting)
    return path if moved else waiting


def _complete(folder: Path, owned: Callable[[str], bool]) -> None:
    listed = _listed(folder)
    if listed is None:
        with suppress(OSError):
            (folder / COMMITTED).rmdir()  # if it is empty, all was done
        return
    if foreign := [name for name in (*listed["files"], *listed["removed"]) if not owned(name)]:
        raise InfluenceError(
            f"{folder / COMMITTED} would replace or remove {foreign[0]!r}, which no measurement "
            "writes. Remove that folder"
        )
    for name in listed["removed"]:
        with suppress(FileNotFoundError):
            os.unlink(folder / name)
    for name in listed["files"]:
        with suppress(FileNotFoundError):  # was moved
            os.replace(folder / COMMITTED / name, folder / name)
    sync(folder)
    os.unlink(folder / COMMITTED / LIST)
    (folder / COMMITTED).rmdir()


def _listed(folder: Path) -> dict[str, list[str]] | None:
    """Read the list of a commit; `None` if there is none."""
    path = folder / COMMITTED / LIST
    try:
        found = json.loads(path.read_text())
        names = [*found["files"], *found["removed"]]
        if all(
            isinstance(n, str) and n and n[0] != "." and n == os.path.basename(n) for n in names
        ):
            return {key: list(found[key]) for key in ("files", "removed")}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        if getattr(error, "errno", None) in ABSENT:
            return None
    raise InfluenceError(
        f"{path}: expected the list of files that a measurement was about to put in their places, "
        "got another file. Remove that folder"
    )
