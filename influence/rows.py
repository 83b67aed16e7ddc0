"""Rows: the sufficient statistics of every sample under every condition, and their file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from influence.files import write_hdf5
from influence.setups import FULL, Setup

__all__ = ["NO_MUTE", "Condition", "RowKey", "Rows", "write_rows"]

NO_MUTE = "none"
"""The name of the mute in a condition that mutes nothing."""


class Condition(NamedTuple):
    """One inference run: a setup, and the mute that replaces what the setup mutes."""

    mute: str
    setup: Setup

    def __str__(self) -> str:
        return f"{self.mute}({'+'.join(sorted(self.setup))})" if self.setup else "full"


class RowKey(NamedTuple):
    """What one array of rows belongs to.

    The level is ``all``, or the slice of the places that were counted; see `influence.slices`.

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
    notes
        What was found out about the network on the way.
    """

    ids: Sequence[str]
    groups: NDArray[np.int64]
    values: Mapping[RowKey, NDArray[np.float64]]
    notes: tuple[str, ...] = ()

    def __getitem__(self, key: tuple[Condition, str, str]) -> NDArray[np.float64]:
        return self.values[RowKey(*key)]

    def conditions(self) -> list[Condition]:
        """List the conditions that were run, the full one first."""
        return list_conditions(self.values)


def list_conditions(keys: Iterable[RowKey]) -> list[Condition]:
    """List the conditions of some keys in their order, the full one first."""
    found = dict.fromkeys(key.condition for key in keys)
    return sorted(found, key=lambda c: c.setup != FULL)


def group_numbers(labels: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    """Number the groups in the order in which they appear.

    >>> group_numbers(np.array(["b", "a", "b"]), 3).tolist()
    [0, 1, 0]
    """
    if labels is None:
        return np.arange(count, dtype=np.int64)
    numbers: dict[Any, int] = {}
    return np.array(
        [numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.int64
    )


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
        file.attrs["statistics"] = "one row a sample, float64; see influence.metrics"
        first = next(iter(rows.values()))
        file.create_dataset("ids", data=list(first.ids), dtype=h5py.string_dtype())
        file.create_dataset("groups", data=first.groups)
