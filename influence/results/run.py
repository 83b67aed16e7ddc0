"""Results: the columns of the tables, and the run directory that holds them."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import pandas as pd

from influence.errors import InfluenceError
from influence.results.tables import COLUMNS, FILES, empty_table, read_table
from influence.runtime.files import replace_on_success
from influence.statistics.rows import Rows, read_rows, write_rows

__all__ = [
    "Run",
    "check_free",
    "check_writable",
    "read_run",
]


@dataclass(frozen=True)
class Run:
    """What a measurement found.

    Parameters
    ----------
    influence, performance, samples
        Data frames with the columns `INFLUENCE_COLUMNS`, `PERFORMANCE_COLUMNS`, `SAMPLES_COLUMNS`;
        a streamed run has no samples.
    info
        Versions, device, seeds, hashes, arguments, notes, seconds: what ``run.json`` holds.
    interactions
        A data frame with the columns `INTERACTIONS_COLUMNS`; empty where they were not asked for.
    distance
        A data frame with the columns `DISTANCE_COLUMNS`: how far muted inputs lie from the data;
        empty where no place was found at which to measure it.
    rows
        Sufficient statistics by network; empty for a run that was read without them.

    Notes
    -----
    A column has one type in every table, fresh from `measure` or read again: names are strings
    (empty where there is none), `higher_is_better` and `warning` are booleans, `seed` is a nullable
    ``Int64`` (a network may have none), `n`, `samples` and `group` are ``int64``, and everything
    else is ``float64``, where what is missing is NaN.
    """

    influence: pd.DataFrame
    performance: pd.DataFrame
    samples: pd.DataFrame
    info: Mapping[str, Any]
    interactions: pd.DataFrame = field(default_factory=partial(empty_table, "interactions"))
    distance: pd.DataFrame = field(default_factory=partial(empty_table, "distance"))
    rows: Mapping[str, Rows] = field(default_factory=dict, repr=False)

    def write(self, directory: str | os.PathLike[str]) -> None:
        """Write the run directory; its files appear together, whole or not at all.

        Raises
        ------
        InfluenceError
            If the directory holds a run of other networks, data or arguments, or cannot be
            written.
        """
        directory = Path(directory)
        check_free(directory, self.info)
        with ExitStack() as stack:

            def aside(name: str) -> Path:
                return stack.enter_context(replace_on_success(directory / name))

            # All are written before the first is renamed; run.json, entered first, comes last.
            aside("run.json").write_text(json.dumps(self.info, indent=1) + "\n")
            self.influence.to_csv(aside("influence.csv"), index=False, lineterminator="\n")
            self.performance.to_csv(aside("performance.csv"), index=False, lineterminator="\n")
            for name in ("interactions", "distance"):
                if len(frame := getattr(self, name)):
                    frame.to_csv(aside(f"{name}.csv"), index=False, lineterminator="\n")
            if len(self.samples):
                # The same bytes on every run: without the time, and without the name that it is
                # written under, which holds the number of the process.
                with (
                    aside("samples.csv.gz").open("wb") as file,
                    gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed,
                ):
                    self.samples.to_csv(
                        packed, mode="wb", index=False, lineterminator="\n", float_format="%.9g"
                    )
            if self.rows:
                write_rows(aside("rows.h5"), self.rows)


def check_free(directory: str | os.PathLike[str], info: Mapping[str, Any]) -> None:
    """Refuse to write over a run of other networks, data or arguments.

    Raises
    ------
    InfluenceError
        If `directory` is a file, or holds another run; what is there stays as it is.
    """
    directory = Path(directory)
    if directory.exists() and not directory.is_dir():
        raise InfluenceError(f"{directory} is a file, expected a directory for the results")
    if not (directory / "run.json").exists():
        if found := [f"{n}.csv" for n in COLUMNS if (directory / f"{n}.csv").exists()]:
            raise InfluenceError(
                f"{directory} holds {', '.join(found)} and no run.json that says of what. Choose "
                "another output directory, or remove them"
            )
        return
    earlier = _read_info(directory)
    if changed := sorted(
        key
        for key in {*earlier.get("measured", {}), *info["measured"]}
        if earlier.get("measured", {}).get(key) != info["measured"].get(key)
    ):
        raise InfluenceError(
            f"{directory} holds another run, with other {', '.join(changed)}. Choose another "
            "output directory, or remove that one"
        )


def check_writable(directory: str | os.PathLike[str]) -> None:
    """Make a directory if there is none, and try to write there.

    Raises
    ------
    InfluenceError
        If that fails, which is better known before hours of computing than after.
    """
    directory = Path(directory)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        TemporaryFile(dir=directory).close()
    except OSError as error:
        raise InfluenceError(
            f"{directory}: expected a directory to write results to, got {error}. Choose another"
        ) from error


def read_run(directory: str | os.PathLike[str], *, rows: bool = False) -> Run:
    """Read a run directory that `measure` wrote, or a folder that keeps its tables alone.

    Parameters
    ----------
    directory
        Where the run is. Without ``run.json`` its `info` is empty, and so are the tables that are
        not there, but for `influence` and `performance`, which every run has. The samples may be
        missing where ``rows.h5`` is, too: a report keeps neither.
    rows
        Read the sufficient statistics, too; a streamed run has none, and neither has a folder
        without ``run.json``.

    Returns
    -------
    Run
        Its frames have the same types as those of `measure`: see there.

    Raises
    ------
    InfluenceError
        If a file is missing or is not what the design says.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> row = dict.fromkeys(INFLUENCE_COLUMNS, 1) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row | {"seed": None}]).to_csv(folder / "influence.csv", index=False)
    >>> row = dict.fromkeys(PERFORMANCE_COLUMNS, 1) | {"network": "a", "higher_is_better": True}
    >>> pd.DataFrame([row]).to_csv(folder / "performance.csv", index=False)
    >>> read_run(folder).influence[["network", "seed", "omega", "n"]].dtypes.astype(str).to_list()
    ['str', 'Int64', 'float64', 'int64']
    """
    directory = Path(directory)
    alone = not rows and not (directory / "run.json").exists()
    alone = alone and (directory / "influence.csv").exists()
    info = {} if alone else _read_info(directory)
    measured = info.get("measured", {})
    needed = {
        "influence": True,
        "performance": True,
        "samples": (directory / "rows.h5").exists()
        and not (alone or measured.get("stream"))
        and info.get("samples", True),
        "interactions": bool(measured.get("interactions")),
    }
    tables = {name: _read_if(directory, name, needed=needed.get(name, False)) for name in COLUMNS}
    return Run(**tables, info=info, rows=read_rows(directory / "rows.h5") if rows else {})


def _read_if(directory: Path, name: str, *, needed: bool) -> pd.DataFrame:
    path = directory / FILES[name]
    return read_table(path, name) if needed or path.exists() else empty_table(name)


def _read_info(directory: Path) -> dict[str, Any]:
    try:
        info = json.loads((directory / "run.json").read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InfluenceError(
            f"{directory}: expected a run directory with a readable run.json ({error}). Write one "
            "with influence measure"
        ) from error
    if not isinstance(info, dict) or not isinstance(info.get("measured", {}), dict):
        raise InfluenceError(f"{directory}/run.json: expected a JSON object, 'measured' another")
    return info
