"""Run: the results of a measurement, and the directory in which they are stored.

The directory has one file for each table (`influence.results.tables`), ``rows.h5`` with the rows
from which the tables are computed, and ``run.json`` with versions, hashes and arguments.
"""

from __future__ import annotations

import gzip
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.results.info import read_info
from influence.results.tables import FILES, OWN_FILES, empty_table, read_table
from influence.runtime.directories.commits import located, replace_files_on_success, settle
from influence.runtime.directories.locks import hold
from influence.runtime.files import write_hdf5
from influence.runtime.reading.hdf5 import check_chunks, check_whole, plain_attribute, read_texts
from influence.runtime.reading.hdf5_sources import find_sources
from influence.runtime.reading.probing import probe
from influence.runtime.reading.regular_files import check_regular
from influence.statistics.rows import RowKey, Rows, full_key

__all__ = [
    "OWN_FILES",
    "Run",
    "check_free",
    "read_rows",
    "read_run",
    "write_rows",
]

PACKING = 4
"""The level at which samples are packed: of level 9, a sixth of the time and 2% more bytes."""

LINES: Mapping[str, Any] = {"lineterminator": "\n", "errors": "backslashreplace"}
"""How tables are written; names of files may hold bytes that are no text."""


@dataclass(frozen=True)
class Run:
    """The results of a measurement.

    Parameters
    ----------
    influence, performance, samples
        Data frames with the columns `INFLUENCE_COLUMNS`, `PERFORMANCE_COLUMNS`, `SAMPLES_COLUMNS`;
        a streamed run has no samples.
    info
        The contents of ``run.json``: versions, device, seeds, hashes, arguments, notes, seconds.
    interactions
        A data frame with the columns `INTERACTIONS_COLUMNS`; empty if they were not requested.
    distance
        A data frame with the columns `DISTANCE_COLUMNS`, the distance of muted inputs from the
        data; empty if the network has no place at which it can be measured.
    rows
        The rows of each network, by its name; empty if they were not kept or not read.

    Notes
    -----
    A column has the same type in every table, whether returned by `measure` or read from a file:
    names are strings (empty if missing), `higher_is_better` and `warning` are booleans, `seed` is a
    nullable ``Int64`` (missing for a network without a seed), `n`, `samples` and `group` are
    ``int64``, and all other columns are ``float64``, with NaN for missing values.
    """

    influence: pd.DataFrame
    performance: pd.DataFrame
    samples: pd.DataFrame
    info: Mapping[str, Any]
    interactions: pd.DataFrame = field(default_factory=partial(empty_table, "interactions"))
    distance: pd.DataFrame = field(default_factory=partial(empty_table, "distance"))
    rows: Mapping[str, Rows] = field(default_factory=dict, repr=False)

    def write(self, directory: str | os.PathLike[str]) -> None:
        """Write the run directory: all files of an earlier run are replaced at one instant.

        Until then the earlier ones are valid, even if the process is killed. Other files of the
        directory stay.

        Raises
        ------
        InfluenceError
            If the directory holds a run of other networks, data or arguments, cannot be written, or
            another process writes into it.
        """
        directory = Path(directory)
        with hold(directory):
            check_free(directory, self.info)
            with replace_files_on_success(directory, OWN_FILES.__contains__) as aside:
                self._write_files(aside)

    def _write_files(self, folder: Path) -> None:
        (folder / "run.json").write_text(json.dumps(self.info, indent=1) + "\n")
        for name in ("influence", "performance", "interactions", "distance"):
            if len(frame := getattr(self, name)) or name in ("influence", "performance"):
                frame.to_csv(folder / f"{name}.csv", index=False, **LINES)
        if len(self.samples):
            _write_samples(folder / "samples.csv.gz", self.samples)
        if self.rows:
            write_rows(folder / "rows.h5", self.rows)


def _write_samples(path: Path, samples: pd.DataFrame) -> None:
    """Write the samples as a packed CSV, with nine digits for each number."""
    texts = {
        str(name): np.array(_texts(samples[name].to_numpy()), dtype=object)
        for name in samples.select_dtypes("float64")
    }
    # The same bytes in every run: gzip stores neither the time nor the temporary name, which
    # contains the number of the process.
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", compresslevel=PACKING, fileobj=file, mtime=0) as packed,
    ):
        samples.assign(**texts).to_csv(packed, mode="wb", index=False, **LINES)


def _texts(values: NDArray[np.float64]) -> list[str]:
    """Format numbers all at once, several times as fast as one by one; NaN becomes empty.

    >>> _texts(np.array([1 / 3, np.nan, 2.0]))
    ['0.333333333', '', '2']
    """
    found = ("%.9g\n" * len(values) % tuple(values.tolist())).splitlines()
    for i in np.flatnonzero(np.isnan(values)).tolist():
        found[i] = ""
    return found


def check_free(directory: str | os.PathLike[str], info: Mapping[str, Any]) -> None:
    """Check that a directory does not hold a run of other networks, data or arguments.

    Raises
    ------
    InfluenceError
        If `directory` is a file, or holds another run.
    """
    directory = Path(directory)
    if os.path.exists(directory) and not os.path.isdir(directory):
        raise InfluenceError(f"{directory} is a file, expected a directory for the results")
    settle(directory, OWN_FILES.__contains__)
    if not os.path.exists(directory / "run.json"):
        if found := sorted(n for n in OWN_FILES if os.path.exists(directory / n)):
            raise InfluenceError(
                f"{directory} holds {', '.join(found)} and no run.json that describes them. "
                "Choose another output directory, or remove them"
            )
        return
    earlier: dict[str, Any] = dict(read_info(directory).get("measured", {}))
    new: dict[str, Any] = dict(info["measured"])
    if not all(found.get("data", {}).get("sha256") for found in (earlier, new)):
        # One of them is not known, such as that of a stream before it was read.
        for measured in (earlier, new):
            measured["data"] = {**measured.get("data", {}), "sha256": ""}
    if changed := sorted(k for k in {*earlier, *new} if earlier.get(k) != new.get(k)):
        raise InfluenceError(
            f"{directory} holds another run, with other {', '.join(changed)}. Choose another "
            "output directory, or remove that one"
        )


def read_run(directory: str | os.PathLike[str], *, rows: bool = False) -> Run:
    """Read a run directory written by `measure`, or a folder that holds only its tables.

    Parameters
    ----------
    directory
        The directory. Without ``run.json``, `Run.info` is empty. Missing tables are empty, except
        `influence` and `performance`, which are required. The samples may be missing only if
        ``rows.h5`` is missing as well: a report keeps neither.
    rows
        Whether to read the rows as well. A streamed run has none, nor has a folder without
        ``run.json``.

    Returns
    -------
    Run
        Its columns have the same types as those that `measure` returns; see `Run`.

    Raises
    ------
    InfluenceError
        If a file is missing, damaged, or not as written by `measure`.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> known = {"network": "a", "higher_is_better": True, "confidence": 0.95}
    >>> from influence.results.tables import COLUMNS
    >>> row = dict.fromkeys(COLUMNS["influence"], 1) | known | {"seed": None}
    >>> pd.DataFrame([row]).to_csv(folder / "influence.csv", index=False)
    >>> row = dict.fromkeys(COLUMNS["performance"], 1) | known
    >>> pd.DataFrame([row]).to_csv(folder / "performance.csv", index=False)
    >>> read_run(folder).influence[["network", "seed", "omega", "n"]].dtypes.astype(str).to_list()
    ['str', 'Int64', 'float64', 'int64']
    """
    directory = Path(directory)
    settle(directory, OWN_FILES.__contains__)
    alone = not rows and not located(directory / "run.json").exists()
    alone = alone and located(directory / "influence.csv").exists()
    info = {} if alone else read_info(directory)
    measured = info.get("measured", {})
    needed = {
        "influence": True,
        "performance": True,
        "samples": located(directory / "rows.h5").exists()
        and not (alone or measured.get("stream"))
        and info.get("samples", True),
        "interactions": bool(measured.get("interactions")),
    }
    tables = {
        name: read_table(path, name)
        if needed.get(name) or located(path).exists()
        else empty_table(name)
        for name, path in ((name, directory / file) for name, file in FILES.items())
    }
    return Run(**tables, info=info, rows=read_rows(located(directory / "rows.h5")) if rows else {})


def write_rows(path: str | os.PathLike[str], rows: Mapping[str, Rows]) -> None:
    """Write the rows of several networks, measured on the same samples, to one HDF5 file.

    Each network has a group ``rows/<index>`` with its name in the attribute ``network``. The group
    contains arrays ``<condition>/<output>/<statistic>``, or ``<statistic>@<level>`` for a slice.
    The datasets ``ids``, ``groups`` and ``units`` describe the samples.
    """
    with write_hdf5(path) as file:
        for position, (network, found) in enumerate(rows.items()):
            # A network's name may be any text, so it is not used as a path.
            group = file.create_group(f"rows/{position}")
            group.attrs["network"] = network
            for key, values in found.values.items():
                group.create_dataset(
                    str(key),
                    data=values,
                    compression="gzip",
                    shuffle=True,
                    track_times=False,
                )
        file.attrs["statistics"] = "one row a sample, float64; see influence.metrics.registry"
        first = next(iter(rows.values()))
        file.create_dataset("ids", data=list(first.ids), dtype=h5py.string_dtype())
        kept: dict[str, Any] = {"chunks": True, "fletcher32": True, "track_times": False}
        file.create_dataset("groups", data=first.groups, **kept)
        if first.units is not None:
            file.create_dataset("units", data=first.units, **kept)


def read_rows(path: str | os.PathLike[str]) -> dict[str, Rows]:
    """Read the rows of every network, by its name, from a file written by `write_rows`.

    Raises
    ------
    InfluenceError
        If the file is missing, damaged, or not as written by `write_rows`.

    Examples
    --------
    >>> import tempfile
    >>> file = os.path.join(tempfile.mkdtemp(), "rows.h5")
    >>> key = RowKey(Condition(NO_MUTE, FULL), "total", "errors")
    >>> write_rows(file, {"net": Rows(["a", "b"], np.arange(2), {key: np.ones((2, 3))})})
    >>> read_rows(file)["net"].values[key].tolist()
    [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]
    """
    try:
        check_regular(path)
        probe(lambda: _read_rows(path, _shape_of), path)
        names, groups, units, found = _read_rows(path)
    except Exception as error:  # h5py raises many kinds on damaged files
        raise InfluenceError(
            f"{os.fspath(path)}: expected the rows that influence measure writes beside its tables "
            f"(a streamed run keeps none), got {error}. Measure again, or copy the file again"
        ) from error
    return {network: Rows(names, groups, values, units=units) for network, values in found}


def _shape_of(dataset: h5py.Dataset) -> NDArray[np.float64]:
    """Check the chunks of values that are not read, and stand in for them."""
    check_chunks(dataset, dataset.name)
    return np.broadcast_to(np.float64(0), dataset.shape)


def _load(dataset: h5py.Dataset) -> NDArray[np.float64]:
    values: NDArray[np.float64] = dataset[...]
    if not np.isfinite(values).all():
        raise ValueError(f"{dataset.name} with rows that are not finite numbers")
    return values


def _read_rows(
    path: str | os.PathLike[str], load: Callable[[h5py.Dataset], NDArray[np.float64]] = _load
) -> tuple[
    list[str],
    NDArray[np.int64],
    NDArray[np.int64] | None,
    list[tuple[str, dict[RowKey, NDArray[np.float64]]]],
]:  # fmt: skip
    with h5py.File(path, "r") as file:
        for source in find_sources(file, ["ids", "groups", "units", "rows"]):
            raise ValueError(f"{source.where} with values in another file, {source.path}")
        ids = read_texts(file["ids"], "ids")
        groups = _read_numbers(file, "groups", len(ids))
        units = _read_numbers(file, "units", len(ids)) if "units" in file else None
        found = [_read_network(file[f"rows/{i}"], len(ids), load) for i in range(len(file["rows"]))]
    if len({network for network, _ in found}) < len(found):
        raise ValueError("two networks of one name")
    return ids, groups, units, found


def _read_numbers(file: h5py.File, name: str, samples: int) -> NDArray[np.int64]:
    dataset = file[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.shape != (samples,) or not samples:
        raise ValueError(f"{samples} ids beside {name} of shape {dataset.shape}")
    check_whole(dataset, name)
    numbers = dataset[...]
    found = np.unique(numbers)
    if not np.array_equal(found, np.arange(len(found))):
        raise ValueError(f"{name} that are not numbered 0, 1, ...")
    return np.asarray(numbers, dtype=np.int64)


def _read_network(
    group: h5py.Group, samples: int, load: Callable[[h5py.Dataset], NDArray[np.float64]]
) -> tuple[str, dict[RowKey, NDArray[np.float64]]]:
    names: list[str] = []
    group.visit(names.append)
    datasets = [name for name in names if isinstance(group[name], h5py.Dataset)]
    values = {_parse(name): load(_checked(group[name], samples)) for name in datasets}
    for key, rows in values.items():
        full = values.get(full_key(key))
        if full is None or full.shape != rows.shape:
            raise ValueError(f"{key} without rows of the same shape with nothing muted")
    _check_complete(values)
    if (network := plain_attribute(group, "network", group.name)) is None:
        raise ValueError(f"{group.name} without the attribute 'network'")
    return str(network), values


def _check_complete(values: Mapping[RowKey, NDArray[np.float64]]) -> None:
    """Raise ValueError if a condition lacks rows that another one has."""
    found: dict[Condition, set[tuple[str, str, str]]] = {}
    for key in values:
        found.setdefault(key.condition, set()).add((key.output, key.statistic, key.level))
    for condition, own in found.items():
        if lacking := set().union(*found.values()) - own:
            output, statistic, level = min(lacking)
            raise ValueError(f"no rows of {statistic} of {output}, {level}, under {condition}")


def _parse(name: str) -> RowKey:
    """Return the key that is written as `name`."""
    found = re.fullmatch(r"(full|([^(/]+)\(([^/]+)\))/([^/]+)/([^/@]+)(?:@(.+))?", name)
    if not found:
        raise ValueError(f"rows under the name {name!r}")
    _, mute, sites, output, statistic, level = found.groups()
    setup = frozenset(sites.split("+")) if sites else FULL
    return RowKey(Condition(mute or NO_MUTE, setup), output, statistic, level or "all")


def _checked(dataset: h5py.Dataset, samples: int) -> h5py.Dataset:
    if dataset.dtype != np.float64 or dataset.ndim != 2 or len(dataset) != samples:
        raise ValueError(f"{dataset.name} of type {dataset.dtype} and shape {dataset.shape}")
    check_whole(dataset, dataset.name)
    return dataset
