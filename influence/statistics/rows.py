"""Rows: the sufficient statistics of every sample under every condition, and their file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.runtime.files import write_hdf5

__all__ = [
    "RowKey",
    "Rows",
    "StatefulValues",
    "read_rows",
    "write_rows",
]


class RowKey(NamedTuple):
    """What one array of rows belongs to.

    The level is ``all``, or the slice of the places that were counted; see
    `influence.metrics.slices`.

    >>> str(RowKey(Condition("none", frozenset()), "depth", "depth_errors", "depth:1-2"))
    'full/depth/depth_errors@depth:1-2'
    """

    condition: Condition
    output: str
    statistic: str
    level: str = "all"

    def __str__(self) -> str:
        path = f"{self.condition}/{self.output}/{self.statistic}"
        return path if self.level == "all" else f"{path}@{self.level}"


@dataclass(frozen=True)
class Rows:
    """Everything right of the engine is computed from this.

    Parameters
    ----------
    ids
        The samples' names.
    groups
        For each sample the number of its group, 0, 1, ...; each sample its own by default.
    values
        One float64 array (samples, k) for every condition, output and statistic.
    units
        For each sample the number of what it is drawn with, 0, 1, ...: its group, with those that a
        shuffle ties to it (`influence.data.derangement.Derangement.units`); its group by default.
    """

    ids: Sequence[str]
    groups: NDArray[np.int64]
    values: Mapping[RowKey, NDArray[np.float64]]
    units: NDArray[np.int64] | None = None

    @property
    def drawn_together(self) -> NDArray[np.int64]:
        """For each sample the number of its unit: units are independent, samples need not be."""
        return self.groups if self.units is None else self.units

    def __getitem__(self, key: tuple[Condition, str, str]) -> NDArray[np.float64]:
        return self.values[RowKey(*key)]

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.values)


def list_conditions(keys: Iterable[RowKey]) -> list[Condition]:
    """List the conditions of some keys in their order, the full one first."""
    found = dict.fromkeys(key.condition for key in keys)
    return sorted(found, key=lambda c: c.setup != FULL)


def write_rows(path: str | os.PathLike[str], rows: Mapping[str, Rows]) -> None:
    """Write the rows of several networks to one HDF5 file.

    ``rows/<position>`` is a network, named by its attribute ``network``; below it lie
    ``<condition>/<output>/<statistic>``, and ``<statistic>@<level>`` where slices were asked for.
    """
    with write_hdf5(path) as file:
        for position, (network, found) in enumerate(rows.items()):
            # A network's name comes from a file that others wrote: no path is made of it.
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
        file.create_dataset("groups", data=first.groups)
        if first.units is not None:
            file.create_dataset("units", data=first.units)


def read_rows(path: str | os.PathLike[str]) -> dict[str, Rows]:
    """Read what `write_rows` wrote: the rows of every network, by the network's name.

    Raises
    ------
    InfluenceError
        If the file is missing, damaged, or not what `write_rows` writes.

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
        with h5py.File(path) as file:
            ids, groups, units = _read_samples(file)
            found = [_read_network(file[f"rows/{i}"], len(ids)) for i in range(len(file["rows"]))]
            if len({network for network, _ in found}) < len(found):
                raise ValueError("two networks of one name")
    except (OSError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise InfluenceError(
            f"{os.fspath(path)}: expected the rows that influence measure writes beside its tables "
            f"(a streamed run keeps none), got {error}. Measure again, or copy the file again"
        ) from error
    return {network: Rows(ids, groups, values, units=units) for network, values in found}


def _read_samples(
    file: h5py.File,
) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64] | None]:
    ids = file["ids"].asstr()[...]
    groups = _read_numbers(file, "groups", ids.shape)
    units = _read_numbers(file, "units", ids.shape) if "units" in file else None
    return ids.tolist(), groups, units


def _read_numbers(file: h5py.File, name: str, shape: tuple[int, ...]) -> NDArray[np.int64]:
    numbers = file[name][...]
    if len(shape) != 1 or numbers.shape != shape or not len(numbers):
        raise ValueError(f"ids of shape {shape} beside {name} of shape {numbers.shape}")
    found = np.unique(numbers)
    if not np.array_equal(found, np.arange(len(found))):
        raise ValueError(f"{name} that are not numbered 0, 1, ...")
    return np.asarray(numbers, dtype=np.int64)


def _read_network(group: h5py.Group, samples: int) -> tuple[str, dict[RowKey, NDArray[np.float64]]]:
    datasets: dict[str, Any] = {}
    group.visititems(lambda name, found: _keep(datasets, name, found))
    values = {_parse(name): _checked(found, samples) for name, found in datasets.items()}
    for key, rows in values.items():
        full = values.get(key._replace(condition=Condition(NO_MUTE, FULL)))
        if full is None or full.shape != rows.shape:
            raise ValueError(f"{key} without rows of the same shape with nothing muted")
    return str(group.attrs["network"]), values


def _keep(datasets: dict[str, Any], name: str, found: Any) -> None:
    if isinstance(found, h5py.Dataset):
        datasets[name] = found


def _parse(name: str) -> RowKey:
    """Read a key as `RowKey` writes it."""
    found = re.fullmatch(r"(full|([^(/]+)\(([^/]+)\))/([^/]+)/([^/@]+)(?:@(.+))?", name)
    if not found:
        raise ValueError(f"rows under the name {name!r}")
    _, mute, sites, output, statistic, level = found.groups()
    setup = frozenset(sites.split("+")) if sites else FULL
    return RowKey(Condition(mute or NO_MUTE, setup), output, statistic, level or "all")


MOST_PACKED = 2048
"""No compressed array of ours takes less than its size over this; gzip reaches about 1030."""


def _checked(dataset: h5py.Dataset, samples: int) -> NDArray[np.float64]:
    if dataset.dtype != np.float64 or dataset.shape != (samples, *dataset.shape[1:2]):
        raise ValueError(f"{dataset.name} of type {dataset.dtype} and shape {dataset.shape}")
    if dataset.nbytes > MOST_PACKED * dataset.id.get_storage_size():
        raise ValueError(f"{dataset.name} of {dataset.nbytes} bytes, which the file does not hold")
    values: NDArray[np.float64] = dataset[...]
    if values.ndim != 2 or not np.isfinite(values).all():
        raise ValueError(f"{dataset.name} with rows that are not finite numbers")
    return values


StatefulValues = Mapping[RowKey, float]
"""The value of each metric that keeps its own state, in the place of a statistic."""
