"""Shards: the rows of finished batches on disk, from which an interrupted run is resumed.

Each shard says which samples it holds, has a digest of them as they were read, and a checksum of
its own. The versions of this program and of torch belong to the plan: rows of two versions are not
mixed.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.runtime.digests import digest_of
from influence.runtime.files import replace_on_success

__all__ = ["ShardStore"]

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
        If `resume` is set and the folder holds shards of another plan, or a file is damaged.

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
        stamp = folder / "plan.json"
        wanted = json.loads(json.dumps({**plan, "versions": _versions()}))
        self._mark = sha256(json.dumps(wanted, sort_keys=True).encode()).hexdigest()[:12]
        if stamp.exists() and not resume:
            self._clear()
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

    def _clear(self) -> None:
        # The plan is removed last: without it, the shards would be taken for those of another run.
        texts = sorted(self.folder.glob("*.json"), key=lambda path: path.name == "plan.json")
        for path in (*self.folder.glob("[0-9]*.npz"), *texts):
            path.unlink(missing_ok=True)

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
        held = {**rows, INDICES: indices}
        stamp = np.array([digest, digest_of([self._mark, digest, held])])
        with replace_on_success(self._path(batch)) as aside:
            np.savez(aside, **held, **{STAMP: stamp})  # type: ignore[arg-type]

    def load(self, batch: int) -> dict[str, NDArray[np.float64]]:
        """Read the rows of a batch.

        Raises
        ------
        InfluenceError
            If the file is gone or damaged, or is not of this run.
        """
        return self._load(batch)[0]

    def load_digest(self, batch: int) -> tuple[NDArray[np.int64], str]:
        """Read the indices of the samples of a batch, and their digest; raises as `load`."""
        return self._load(batch)[1:]

    def _load(self, batch: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.int64], str]:
        path = self._path(batch)
        try:
            with path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                held = {name: file[name] for name in file.files}
            digest, checksum = held.pop(STAMP).tolist()
            if checksum != digest_of([self._mark, digest, held]):
                raise ValueError("its checksum is another one")
            return held, held.pop(INDICES), digest
        except FileNotFoundError as error:
            raise InfluenceError(
                f"{path}: the rows of a finished batch were removed. Measure again, and make "
                "sure that no other run writes to the same directory"
            ) from error
        except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
            raise _damaged(path, error, "Remove that file and go on with resume=True") from error


def _versions() -> dict[str, str]:
    found = {}
    for package in ("cross-influence", "torch"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


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
