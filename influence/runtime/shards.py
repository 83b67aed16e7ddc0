"""Shards: the rows of finished batches on disk, from which an interrupted run is resumed.

Each shard says which samples it holds, has a digest of them as they were read, and a checksum of
its own. The versions of this program and of torch belong to the plan: rows of two versions are not
mixed.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from influence.errors import InfluenceError
from influence.runtime.digests import digest_of
from influence.runtime.directories.locks import LOCK
from influence.runtime.files import is_temporary, replace_on_success, sweep
from influence.runtime.reading.regular_files import check_regular

__all__ = ["ShardStore"]

PLAN = "plan.json"
"""The file by which a folder is known as one of shards."""

ENDING = "safetensors"
"""The format of shards, which is quick for many small arrays, and holds no code."""

OWN = re.compile(
    rf"[0-9]{{8,}}-[0-9a-f]{{12}}\.(npz|{ENDING})|(data|optimal|probes|tour|trials)\.json"
)
"""Names of the other files that a store writes, or wrote in version 0.1; no others are removed."""

OLD = {"mutes", "networks", "seed"}
"""By these a plan of version 0.1 is known, which says no versions."""

INDICES, STAMP = "indices", "stamp"
"""What a shard holds beside rows: the indices of its samples; the digests of these, and its own."""


class ShardStore:
    """A folder with one file of rows for each finished batch.

    File names contain a hash of the plan, so that shards of another plan in the same folder are
    never read.

    Parameters
    ----------
    folder
        The folder of the shards.
    plan
        All settings on which rows depend; the versions of this program and of torch are added.
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
    >>> ShardStore(folder, {"seed": 0}).save(3, {"rows": np.ones((2, 1))}, np.arange(2), "")
    >>> list(ShardStore(folder, {"seed": 0}, resume=True).finished())
    [3]
    """

    def __init__(self, folder: Path, plan: Mapping[str, object], *, resume: bool = False) -> None:
        self.folder = folder
        self.check(folder)
        sweep(folder)
        stamp = folder / PLAN
        wanted = json.loads(json.dumps({**plan, "versions": _versions()}))
        self._mark = sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
        if stamp.exists() and not resume:
            self._clear(folder)
        if stamp.exists():
            found = _read(stamp)
            if found != wanted:
                changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
                raise InfluenceError(
                    f"{folder}: the interrupted run there was started with other "
                    f"{', '.join(changed)}. Resume with the same arguments, or start afresh "
                    "with resume=False"
                )
        with replace_on_success(stamp) as aside:
            aside.write_text(json.dumps(wanted, indent=1))

    @classmethod
    def check(cls, folder: Path) -> None:
        """Check that a folder, if it is there, is one of shards, or empty.

        Raises
        ------
        InfluenceError
            If it is not: somebody else has made it.
        """
        if not os.path.lexists(folder) or cls._is_own(folder):
            return
        if not folder.is_dir() or not all(
            name == LOCK or is_temporary(name) for name in os.listdir(folder)
        ):
            raise InfluenceError(
                f"{folder} is there and holds no {PLAN}, or one of another program: it is not a "
                "folder of the rows of finished batches, which would be kept there. Move it away"
            )

    @staticmethod
    def _is_own(folder: Path) -> bool:
        """Return whether a folder holds a plan as this program writes it."""
        path = folder / PLAN
        if not os.path.lexists(path):
            return False
        found = _read(path, f"Remove {folder}")
        return isinstance(found, dict) and ("versions" in found or found.keys() >= OLD)

    @classmethod
    def remove(cls, folder: Path) -> None:
        """Remove the shards in a folder, and the folder if nothing else is in it."""
        if cls._is_own(folder):
            cls._clear(folder)
            sweep(folder)
            with suppress(OSError):
                folder.rmdir()

    @staticmethod
    def _clear(folder: Path) -> None:
        # Rows before what was found out for them: else a run that goes on would find it out anew.
        # The digest of the data last of these: without it, they would be taken for those of others.
        for name in sorted(os.listdir(folder), key=lambda name: (name == "data.json", name)):
            if OWN.fullmatch(name):
                (folder / name).unlink(missing_ok=True)
        # Removed last: without it, the shards would be taken for those of another run.
        (folder / PLAN).unlink(missing_ok=True)

    def _path(self, batch: int) -> Path:
        return self.folder / f"{batch:08d}-{self._mark}.{ENDING}"

    def finished(self) -> list[int]:
        """List the numbers of the batches whose rows are stored in the folder."""
        own = re.compile(rf"([0-9]{{8,12}})-{self._mark}\.{ENDING}")
        names = os.listdir(self.folder) if self.folder.is_dir() else []
        return sorted(int(found[1]) for name in names if (found := own.fullmatch(name)))

    def save_json(self, name: str, content: object) -> None:
        """Write a result computed before the first batch to ``name.json``, for a resumed run."""
        with replace_on_success(self.folder / f"{name}.json") as aside:
            aside.write_text(json.dumps(content))

    def load_json(self, name: str) -> Any:
        """Return the content of ``name.json``; `None` if the file does not exist."""
        path = self.folder / f"{name}.json"
        return _read(path) if path.exists() else None

    def save(
        self,
        batch: int,
        rows: Mapping[str, NDArray[np.float64]],
        indices: NDArray[np.int64],
        digest: str,
    ) -> None:
        """Write the rows of a batch; after an error no incomplete file is left.

        Parameters
        ----------
        batch
            The number of the batch.
        rows
            Name -> array.
        indices
            The indices of its samples in the data.
        digest
            The digest of the samples as they were read.
        """
        # In the order of memory that the format has.
        held = {name: np.ascontiguousarray(x) for name, x in {**rows, INDICES: indices}.items()}
        stamp = json.dumps([digest, self._checksum(batch, digest, held)]).encode()
        with replace_on_success(self._path(batch), durable=False) as aside:
            aside.write_bytes(save({**held, STAMP: np.frombuffer(stamp, np.uint8)}))

    def load(self, batch: int, indices: NDArray[np.int64]) -> dict[str, NDArray[np.float64]]:
        """Read the rows of a batch.

        Parameters
        ----------
        batch
            The number of the batch.
        indices
            The indices of its samples.

        Raises
        ------
        InfluenceError
            If the file is gone or damaged, is not of this run, or holds other samples.
        """
        rows, held, _ = self._load(batch)
        if not np.array_equal(held, indices):
            raise InfluenceError(
                f"{self._path(batch)}: expected the rows of {len(indices)} samples, from number "
                f"{indices[0]} on, got those of {len(held)} others. The batches are not those of "
                "the interrupted run: give the same ones, or start afresh with resume=False"
            )
        return rows

    def load_digest(self, batch: int) -> tuple[NDArray[np.int64], str]:
        """Read the indices of the samples of a batch, and their digest; raises as `load`."""
        return self._load(batch)[1:]

    def _load(self, batch: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64], str]:
        path = self._path(batch)
        if path.exists():
            check_regular(path)
        try:
            held = load(path.read_bytes())
            digest, checksum = json.loads(held.pop(STAMP).tobytes())
            if checksum != self._checksum(batch, digest, held):
                raise ValueError("its checksum is another one")
            return held, held.pop(INDICES), digest
        except FileNotFoundError as error:
            raise InfluenceError(
                f"{path}: the rows of a finished batch were removed. Measure again, and make "
                "sure that no other run writes to the same directory"
            ) from error
        except (OSError, ValueError, TypeError, KeyError, RecursionError, SafetensorError) as error:
            raise _damaged(path, error, "Remove that file and go on with resume=True") from error

    def _checksum(self, batch: int, digest: str, held: Mapping[str, NDArray[Any]]) -> str:
        return digest_of([self._mark, batch, digest, dict(held)])


def _versions() -> dict[str, str]:
    found = {}
    for package in ("cross-influence", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def _read(path: Path, remedy: str = "Start afresh with resume=False") -> Any:
    check_regular(path)
    try:
        return json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise _damaged(path, error, remedy) from error


def _damaged(path: Path, fault: object, remedy: str) -> InfluenceError:
    return InfluenceError(
        f"{path}: expected a file of an interrupted run, got a damaged file ({fault}). {remedy}"
    )
