"""Shards: the rows of finished batches on disk, so that a killed run can go on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.files import replace_on_success

__all__ = ["ShardStore"]


class ShardStore:
    """A folder with one file a finished batch.

    Parameters
    ----------
    folder
        Where the shards lie.
    plan
        Everything on which rows depend. Shards of another plan are never mixed in.
    resume
        Keep the shards of an earlier, interrupted run of the same plan; otherwise start afresh.

    Raises
    ------
    InfluenceError
        If `resume` is set and the folder holds shards of another plan.

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
        stamp = folder / "plan.json"
        wanted = json.loads(json.dumps(plan))
        if stamp.exists() and not resume:
            self._clear()
        if stamp.exists():
            found = json.loads(stamp.read_text())
            if found != wanted:
                changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
                raise InfluenceError(
                    f"{folder}: the interrupted run there was started with other "
                    f"{', '.join(changed)}. Resume with the same arguments, or start afresh "
                    "without --resume"
                )
        with replace_on_success(stamp) as aside:
            aside.write_text(json.dumps(wanted, indent=1))

    def _clear(self) -> None:
        for path in (*self.folder.glob("[0-9]*.npz"), self.folder / "trials.json"):
            path.unlink(missing_ok=True)
        (self.folder / "plan.json").unlink()

    def finished(self) -> list[int]:
        """List the numbers of the batches whose rows are here."""
        return sorted(int(path.stem) for path in self.folder.glob("[0-9]*.npz"))

    def write_trials(self, trials: Sequence[Mapping[str, object]]) -> None:
        """Keep what was found out before the first batch, for whoever goes on."""
        with replace_on_success(self.folder / "trials.json") as aside:
            aside.write_text(json.dumps(trials))

    def trials(self) -> Any:
        """Return what an earlier process found out, `None` if there was none."""
        path = self.folder / "trials.json"
        return json.loads(path.read_text()) if path.exists() else None

    def save(self, batch: int, rows: Mapping[str, NDArray[np.float64]]) -> None:
        """Keep the rows of a batch; appears whole or not at all."""
        with replace_on_success(self.folder / f"{batch:08d}.npz") as aside:
            np.savez(aside, **dict(rows))  # type: ignore[arg-type]

    def load(self, batch: int) -> dict[str, NDArray[np.float64]]:
        """Read the rows of a batch back."""
        with np.load(self.folder / f"{batch:08d}.npz", allow_pickle=False) as file:
            return {name: file[name] for name in file.files}
