"""The folders in which one input is run, and what was touched in them."""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["CANARY", "Attack", "Sandbox"]

CANARY = "canary"
"""A file beside the work folder: code inside an input tries to write it, and must never run."""

SECRET = "what nobody may read into a result\n"


@dataclass
class Attack:
    """A command on hostile input, and what may come of it.

    Parameters
    ----------
    arguments
        The arguments of ``influence``.
    note
        What was done to the input, for readers.
    writes
        Paths in the work folder that the command is told to write.
    may_succeed
        Whether an exit code of 0 is right: what was changed may be without meaning.
    encoding
        The encoding of the console.
    lost
        Whether the working directory is deleted before the command runs; it has to be empty.
    """

    arguments: list[str]
    note: str
    writes: tuple[str, ...] = ()
    may_succeed: bool = True
    encoding: str = "utf-8"
    lost: bool = False


@dataclass
class Sandbox:
    """A folder for one input.

    Parameters
    ----------
    root
        The folder; its subfolder ``work`` is the working directory, ``outside`` holds files that
        are not the command's, ``home`` and ``temporary`` are the user's.
    seeds
        The folder of the sound files from which inputs are made.
    """

    root: Path
    seeds: Path
    before: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("work", "outside", "home", "temporary"):
            (self.root / name).mkdir(parents=True)
        (self.root / "outside" / "notes.txt").write_text(SECRET)
        (self.root / "outside" / "folder").mkdir()

    @property
    def work(self) -> Path:
        return self.root / "work"

    @property
    def canary(self) -> Path:
        return self.root / CANARY

    def take(self, name: str, to: str | None = None) -> Path:
        """Copy a sound file or folder into the work folder."""
        source, target = self.seeds / name, self.work / (to or name)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copyfile(source, target)
        return target

    def listing(self) -> dict[str, object]:
        """Describe every file: its kind, size, time of change and hash, or where it points to."""
        found: dict[str, object] = {}
        folders = [self.root]
        while folders:
            for entry in os.scandir(folders.pop()):
                path = os.path.relpath(entry.path, self.root)
                status = entry.stat(follow_symlinks=False)
                found[path] = stat.S_IFMT(status.st_mode)
                if entry.is_symlink():
                    found[path] = os.readlink(entry.path)
                elif entry.is_dir():
                    folders.append(Path(entry.path))
                elif entry.is_file():
                    digest = hashlib.sha256(Path(entry.path).read_bytes()).hexdigest()
                    found[path] = (status.st_size, status.st_mtime_ns, digest)
        return found

    def watch(self) -> None:
        """Remember what is there."""
        self.before = self.listing()

    def touched(self, attack: Attack) -> list[str]:
        """List what was made, changed or removed and is not what the command was told to write."""
        after = self.listing()
        for name in ("stdout", "stderr", CANARY):
            after.pop(name, None)
        told = {os.path.normpath(os.path.join("work", path)) for path in attack.writes}
        above = {os.fspath(parent) for path in told for parent in Path(path).parents}
        return sorted(
            path
            for path in {*self.before, *after}
            if self.before.get(path) != after.get(path)
            and not any(path == t or path.startswith(t + os.sep) for t in told)
            and not (path in above and after.get(path) == stat.S_IFDIR)
            and not (attack.lost and path.partition(os.sep)[0] == "work")
        )

    def remove(self) -> None:
        shutil.rmtree(self.root)
