"""Stored values: rows of the datasets of evaluation files, and what becomes of them in memory."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray

from influence.data.dataset import Field
from influence.errors import InfluenceError
from influence.runtime.reading.hdf5 import check_whole

__all__ = ["NUMBERS", "check_offsets", "count_samples", "decode", "holds_numbers", "kind_of",
           "read_rows_of"]  # fmt: skip

NUMBERS = "biufc"
"""The kinds of NumPy types that a dataset may have."""


def read_rows_of(dataset: h5py.Dataset, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Read rows of a dataset in any order, those that follow one another at once."""
    order = np.argsort(indices, kind="stable")
    sorted_ = indices[order]
    found = np.empty((len(indices), *dataset.shape[1:]), dataset.dtype)
    for run in np.split(np.arange(len(indices)), np.flatnonzero(np.diff(sorted_) != 1) + 1):
        found[order[run]] = dataset[int(sorted_[run[0]]) : int(sorted_[run[-1]]) + 1]
    return found


def kind_of(stored: Any) -> str:
    """Return the kind of NumPy type of stored values; ``O`` for texts."""
    first = stored[0] if isinstance(stored, list) else stored
    return "O" if isinstance(first, str) else str(first.dtype.kind)


def decode(stored: Any, field: Field | None) -> Any:
    """Convert stored values: by the attributes of a field, or as they are without one."""
    if isinstance(stored, list):
        return [decode(values, field) for values in stored]
    if isinstance(stored, (str, bytes)):
        return stored.decode() if isinstance(stored, bytes) else stored
    if field is not None:
        return field.decode(stored)
    array = np.asarray(stored)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # torch computes little with unsigned integers
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def count_samples(found: Any) -> int:
    """Return the number of samples of a dataset, or of a group of values and offsets."""
    return len(found["offsets"]) - 1 if isinstance(found, h5py.Group) else len(found)


def holds_numbers(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset holds numbers that a tensor can hold."""
    kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    return kind in NUMBERS and not (kind == "c" and size > 16)  # torch has none of these


def check_offsets(dataset: h5py.Dataset, length: int, where: str) -> None:
    """Raise InfluenceError unless offsets rise from 0 to the number of rows of their values."""
    check_whole(dataset, f"{where}/offsets")
    offsets = dataset[...]
    rising = offsets.ndim == 1 and len(offsets) > 1 and offsets.dtype.kind in "iu"
    if not (
        rising and offsets[0] == 0 and offsets[-1] == length and (offsets[1:] >= offsets[:-1]).all()
    ):
        raise InfluenceError(
            f"{where}/offsets: expected integers that rise from 0 to the {length} rows of its "
            "values, one more than there are samples. Write it with influence.write_evaluation_file"
        )
