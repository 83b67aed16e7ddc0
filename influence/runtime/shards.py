"""Shards: the rows of finished batches on disk, from which an interrupted run is resumed."""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.runtime.directories.locks import LOCK
from influence.runtime.files import is_temporary, replace_on_success, sweep

__all__ = ["ShardStore"]

PLAN = "plan.json"
"""The file by which a folder is known as one of shards."""

OWN = re.compile(r"[0-9]{8,}-[0-9a-f]{12}\.npz|(data|optimal|probes|tour|trials)\.json")
"""Names of the other files that a store writes; no others are removed."""


class ShardStore:
    """A folder with one file of rows for each finished batch.

    File names contain a hash of the plan, so that shards of another plan in the same folder are
    never read.

    Parameters
    ----------
    folder
        The folder of the shards.
    plan
        All settings on which rows depend.
    resume
        Whether to keep the shards of an interrupted run with the same plan; by default all shards
        are removed.

    Raises
    ------
    InfluenceError
        If `resume` is set and the folder holds shards of another plan, a file is damaged, or the
        folder holds something else.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp()) / "shards"
    >>> ShardStore(folder, {"seed": 0}).save(3, {"rows": np.ones((2, 1))})
    >>> list(ShardStore(folder, {"seed": 0}, resume=True).finished())
    [3]
    """

    def __init__(self, folder: Path, plan: Mapping[str, object], *, resume: bool = False) -> None:
        self.folder = folder
        self.check(folder)
        sweep(folder)
        stamp = folder / PLAN
        wanted = json.loads(json.dumps(plan))
        self._mark = sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
        if stamp.exists() and not resume:
            self._clear(folder)
        if stamp.exists():
            found = _read(stamp)
            if not isinstance(found, dict):
                raise _damaged(stamp, "no object")
            if found != wanted:
                changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
                raise InfluenceError(
                    f"{folder}: the interrupted run there was started with other "
                    f"{', '.join(changed)}. Resume with the same arguments, or start afresh "
                    "with resume=False"
                )
        with replace_on_success(stamp) as aside:
            aside.write_text(json.dumps(wanted, indent=1))

    @staticmethod
    def check(folder: Path) -> None:
        """Check that a folder, if it is there, is one of shards, or empty.

        Raises
        ------
        InfluenceError
            If it is not: somebody else has made it.
        """
        if not os.path.lexists(folder) or (folder / PLAN).is_file():
            return
        if not folder.is_dir() or not all(
            name == LOCK or is_temporary(name) for name in os.listdir(folder)
        ):
            raise InfluenceError(
                f"{folder} is there and holds no {PLAN}: it is not a folder of the rows of "
                "finished batches, which would be kept there. Move it away"
            )

    @classmethod
    def remove(cls, folder: Path) -> None:
        """Remove the shards in a folder, and the folder if nothing else is in it."""
        if (folder / PLAN).is_file():
            cls._clear(folder)
            sweep(folder)
            with suppress(OSError):
                folder.rmdir()

    @staticmethod
    def _clear(folder: Path) -> None:
        # Rows before what was found out for them: else a run that goes on would find it out anew.
        for name in sorted(os.listdir(folder)):
            if OWN.fullmatch(name):
                (folder / name).unlink(missing_ok=True)
        # Removed last: without it, the shards would be taken for those of another run.
        (folder / PLAN).unlink(missing_ok=True)

    def _path(self, batch: int) -> Path:
        return self.folder / f"{batch:08d}-{self._mark}.npz"

    def finished(self) -> list[int]:
        """List the numbers of the batches whose rows are stored in the folder."""
        paths = self.folder.glob(f"[0-9]*-{self._mark}.npz")
        return sorted(int(path.stem.partition("-")[0]) for path in paths)

    def save_json(self, name: str, content: object) -> None:
        """Write a result computed before the first batch to ``name.json``, for a resumed run."""
        with replace_on_success(self.folder / f"{name}.json") as aside:
            aside.write_text(json.dumps(content))

    def load_json(self, name: str) -> Any:
        """Return the content of ``name.json``; `None` if the file does not exist."""
        path = self.folder / f"{name}.json"
        return _read(path) if path.exists() else None

    def save(self, batch: int, rows: Mapping[str, NDArray[np.float64]]) -> None:
        """Write the rows of a batch; after an error no incomplete file is left."""
        with replace_on_success(self._path(batch), durable=False) as aside:
            np.savez(aside, **dict(rows))  # type: ignore[arg-type]

    def load(self, batch: int) -> dict[str, NDArray[np.float64]]:
        """Read the rows of a batch."""
        path = self._path(batch)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
        except FileNotFoundError as error:
            raise InfluenceError(
                f"{path}: the rows of a finished batch were removed. Measure again, and make "
                "sure that no other run writes to the same directory"
            ) from error
        except (OSError, ValueError, EOFError, BadZipFile, zlib.error) as error:
            raise _damaged(path, error, "Remove that file and go on with resume=True") from error


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise _damaged(path, error) from error


def _damaged(
    path: Path, fault: object, remedy: str = "Start afresh with resume=False"
) -> InfluenceError:
    return InfluenceError(
        f"{path}: expected a file of an interrupted run, got a damaged file ({fault}). {remedy}"
    )
