"""Evaluation files: data sets of named inputs and targets in HDF5, read batch by batch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import AfterValidator, BeforeValidator, FiniteFloat
from pydantic_core import PydanticCustomError

from influence.data.dataset import Batch, Field, floating
from influence.errors import InfluenceError
from influence.runtime.files import sha256_of
from influence.runtime.records import Record, read_record

__all__ = ["FORMAT", "NUMBERS", "VERSION", "EvaluationFile"]

FORMAT, VERSION, VERSIONS = "influence-evaluation", 2, (1, 2)
NUMBERS = "biufc"
"""The kinds of NumPy types that a dataset may have."""

HELD = 2**25
"""A dataset of at most this many bytes is read as a whole, when it is first needed."""
CACHE = 2**28
"""The largest number of bytes of decompressed chunks that are kept."""


class EvaluationFile:
    """A data set in an evaluation file, read batch by batch, in any number of processes.

    Parameters
    ----------
    path
        An HDF5 file with datasets ``inputs/<modality>`` and ``targets/<output>``, samples first,
        written by `influence.write_evaluation_file` or in the same layout. Without targets, outputs
        can only be scored by how much they change. Inputs keep the stored type; in files of
        version 1 integers become floating-point numbers, as they always did.

    Raises
    ------
    InfluenceError
        If the file is missing, damaged, of another format or inconsistent.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.source = str(path)
        if not self.path.is_file():
            raise InfluenceError(f"{path}: no such evaluation file. Check the path given as data")
        self._handle: tuple[int, h5py.File] | None = None
        self._held: dict[str, NDArray[Any]] = {}
        self._cache = 0
        with _read_errors(self.path):
            file = self._file()
            if file.attrs.get("format") != FORMAT:
                raise InfluenceError(
                    f"{path}: expected an evaluation file (attribute format = {FORMAT!r}), got an "
                    "HDF5 file of another kind. Write one with influence.write_evaluation_file"
                )
            self.version = file.attrs.get("version")
            if self.version not in VERSIONS:
                raise InfluenceError(
                    f"{path}: evaluation file version {self.version}, this program reads versions "
                    f"{' and '.join(map(str, VERSIONS))}. Write it again with "
                    "influence.write_evaluation_file"
                )
            self.name = str(file.attrs.get("name", "")) or self.path.stem
            self._as_stored = self._fields("inputs")
            # Inputs of version 1 are floating-point numbers, whatever is stored.
            self.inputs = {
                n: replace(f, integer=False) if self.version == 1 and f.scale is None else f
                for n, f in self._as_stored.items()
            }
            self.targets = self._fields("targets")
            self._length = self._check_lengths()
            self.ids: Sequence[str] = self._read_ids()
            self.groups = self._read_groups()
            self._shared = {n: _decode(d[...], None) for n, d in file.get("shared", {}).items()}
            self.inputs |= {name: Field((), False, ragged=True) for name in self._shared}
            self._cache = self._needed_cache()
        self.close()
        self.sha256 = sha256_of(self.path)

    given = None
    """Samples of a file stand alone: it holds no batches."""

    @property
    def uniform(self) -> bool:
        """Whether all samples have the same shapes."""
        fields = {**self.inputs, **self.targets}
        return not any(f.ragged for n, f in fields.items() if n not in self._shared)

    def _file(self) -> h5py.File:
        # A forked worker must not share its parent's handle.
        if self._handle is None or self._handle[0] != os.getpid():
            options = {"rdcc_nbytes": self._cache, "rdcc_nslots": 10007} if self._cache else {}
            self._handle = (os.getpid(), h5py.File(self.path, "r", **options))
        return self._handle[1]

    def close(self) -> None:
        """Close the file; it is opened again when samples are read."""
        if self._handle is not None and self._handle[0] == os.getpid():
            self._handle[1].close()
        self._handle, self._held = None, {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None, "_held": {}}

    def _needed_cache(self) -> int:
        """Return the bytes of all chunks that hold one sample, if several samples share them.

        With the chunks that other writers choose, each sample would be decompressed many times.
        """
        needed = 0
        for _, _, dataset in self._datasets():
            chunks, shape = dataset.chunks, dataset.shape
            if chunks is not None and chunks[0] > 1 and dataset.nbytes > HELD:
                count = math.prod(-(-n // c) for n, c in zip(shape[1:], chunks[1:], strict=True))
                needed += 2 * count * math.prod(chunks) * dataset.dtype.itemsize
        return min(needed, CACHE)

    def _datasets(self) -> Iterator[tuple[str, str, h5py.Dataset]]:
        for part in ("inputs", "targets"):
            for name, found in self._file().get(part, {}).items():
                yield part, name, found["values"] if isinstance(found, h5py.Group) else found

    def _fields(self, part: str) -> dict[str, Field]:
        group = self._file().get(part, ())
        if part == "targets" and not len(group):
            return {}
        if not isinstance(group, h5py.Group) or not len(group):
            raise InfluenceError(
                f"{self.path}: expected a group {part!r} with one dataset a name, found "
                f"{sorted(self._file())}. Write it with influence.write_evaluation_file"
            )
        fields = {}
        for name, found in group.items():
            where = f"{self.path}: {part}/{name}"
            ragged = isinstance(found, h5py.Group) and {"values", "offsets"} <= set(found)
            dataset = found["values"] if ragged else found
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 1:
                raise InfluenceError(f"{where} is not an array of samples")
            texts = h5py.check_string_dtype(dataset.dtype) is not None
            if dataset.dtype.kind not in NUMBERS and not (texts and self.version > 1):
                raise InfluenceError(f"{where} holds {dataset.dtype}, expected numbers")
            if ragged:
                _check_offsets(found["offsets"][...], len(dataset), where)
            field = _read_field(dataset, where)
            if ragged or texts:
                field = replace(field, shape=(), ragged=True, texts=texts)
            fields[name] = field
        return fields

    def _check_lengths(self) -> int:
        file = self._file()
        names = [f"inputs/{n}" for n in self.inputs] + [f"targets/{n}" for n in self.targets]
        names += [n for n in ("ids", "groups") if n in file]
        lengths = {name: _count(file[name]) for name in names}
        if len(set(lengths.values())) != 1:
            raise InfluenceError(
                f"{self.path}: expected the same number of samples everywhere, got {lengths}"
            )
        length = next(iter(lengths.values()))
        if length == 0:
            raise InfluenceError(f"{self.path}: holds no samples, expected one or more")
        return length

    def _read_ids(self) -> list[str]:
        file = self._file()
        if "ids" not in file:
            return [str(i) for i in range(self._length)]
        texts = h5py.check_string_dtype(file["ids"].dtype) is not None
        ids: list[str] = (file["ids"].asstr() if texts else file["ids"].astype(str))[...].tolist()
        if len(set(ids)) < len(ids):
            raise InfluenceError(f"{self.path}: 'ids' must be unique, and some repeat")
        return ids

    def _read_groups(self) -> NDArray[Any] | None:
        file = self._file()
        if "groups" not in file:
            return None
        groups: NDArray[Any] = file["groups"][...]
        if groups.ndim != 1 or (groups.dtype.kind == "f" and np.isnan(groups).any()):
            raise InfluenceError(
                f"{self.path}: 'groups' has shape {groups.shape}, expected one value a sample and "
                "no NaN"
            )
        return groups

    def __len__(self) -> int:
        return self._length

    def read(self, indices: NDArray[np.int64]) -> Batch:
        """Read some samples, in this order.

        Raises
        ------
        InfluenceError
            If the file is damaged, or a label is out of range.
        """
        with _read_errors(self.path):
            stored = {n: self._stored("targets", n, indices) for n in self.targets}
            for name, values in stored.items():
                self._check_labels(name, values, indices)
            targets = {n: _decode(stored[n], field) for n, field in self.targets.items()}
            inputs = {
                n: self._input(self._stored("inputs", n, indices), field)
                for n, field in self._as_stored.items()
            }
        return Batch(indices, inputs, targets, shared=self._shared)

    def _input(self, stored: Any, field: Field) -> Any:
        if self.version == 1:
            return floating(field.decode(stored))
        plain = field.scale is None and (field.integer or _kind_of(stored) not in "f")
        return _decode(stored, None if plain else field)

    def _stored(self, part: str, name: str, indices: NDArray[np.int64]) -> Any:
        """Read the stored values of samples: an array, or a list with one entry a sample."""
        found = self._file()[part][name]
        if isinstance(found, h5py.Group):
            starts = self._whole(f"{part}/{name}/offsets", found["offsets"])
            values = found["values"]
            return [values[starts[i] : starts[i + 1]] for i in indices.tolist()]
        if h5py.check_string_dtype(found.dtype) is not None:
            texts = self._whole(f"{part}/{name}", found.asstr())
            return [str(texts[i]) for i in indices.tolist()]
        if found.nbytes <= HELD:
            return self._whole(f"{part}/{name}", found)[indices]
        return _rows(found, indices)

    def _whole(self, key: str, dataset: Any) -> NDArray[Any]:
        if key not in self._held:
            self._held[key] = dataset[...]
        return self._held[key]

    def picture(self, index: int) -> NDArray[np.uint8] | None:
        """Return the RGB picture of a sample, (height, width, 3), or `None` if there are none."""
        with _read_errors(self.path):
            pictures = self._file().get("images/rgb")
            if pictures is None or pictures.ndim != 4 or len(pictures) != len(self):
                return None
            found: NDArray[np.uint8] = pictures[index]
            return found

    def _check_labels(self, name: str, stored: Any, indices: NDArray[np.int64]) -> None:
        field = self.targets[name]
        if not field.holds_labels:
            return
        for place, values in enumerate(stored) if isinstance(stored, list) else [(None, stored)]:
            if isinstance(values, str) or values.dtype.kind == "u":
                continue
            wrong = (values < 0) & (values != field.ignore)
            if wrong.any():
                row = place if place is not None else int(np.argwhere(wrong)[0][0])
                raise InfluenceError(
                    f"{self.path}: targets/{name}: label {values[wrong].flat[0]} of sample "
                    f"{self.ids[int(indices[row])]!r} is out of range, expected 0 or more. If it "
                    "means 'no ground truth', set the dataset's attribute 'ignore'; integers that "
                    "are values and not labels need an attribute 'scale'"
                )


def _rows(dataset: h5py.Dataset, indices: NDArray[np.int64]) -> NDArray[Any]:
    """Read rows of a dataset in any order, those that follow one another at once."""
    order = np.argsort(indices, kind="stable")
    sorted_ = indices[order]
    found = np.empty((len(indices), *dataset.shape[1:]), dataset.dtype)
    for run in np.split(np.arange(len(indices)), np.flatnonzero(np.diff(sorted_) != 1) + 1):
        found[order[run]] = dataset[int(sorted_[run[0]]) : int(sorted_[run[-1]]) + 1]
    return found


def _kind_of(stored: Any) -> str:
    """Return the kind of NumPy type of stored values; ``O`` for texts."""
    first = stored[0] if isinstance(stored, list) else stored
    return "O" if isinstance(first, str) else str(first.dtype.kind)


def _decode(stored: Any, field: Field | None) -> Any:
    """Convert stored values: by the attributes of a field, or as they are without one."""
    if isinstance(stored, list):
        return [_decode(values, field) for values in stored]
    if isinstance(stored, (str, bytes)):
        return stored.decode() if isinstance(stored, bytes) else stored
    if field is not None:
        return field.decode(stored)
    array = np.asarray(stored)
    if array.dtype.kind == "u" and array.dtype.itemsize > 1:
        array = array.astype(np.int64)  # torch computes little with unsigned integers
    return torch.from_numpy(array.astype(array.dtype.newbyteorder("="), copy=False))


def _count(found: Any) -> int:
    return len(found["offsets"]) - 1 if isinstance(found, h5py.Group) else len(found)


def _check_offsets(offsets: NDArray[Any], length: int, where: str) -> None:
    rising = offsets.ndim == 1 and len(offsets) > 1 and offsets.dtype.kind in "iu"
    if not (rising and offsets[0] == 0 and offsets[-1] == length and (np.diff(offsets) >= 0).all()):
        raise InfluenceError(
            f"{where}/offsets: expected integers that rise from 0 to the {length} rows of its "
            "values, one more than there are samples. Write it with influence.write_evaluation_file"
        )


@contextmanager
def _read_errors(path: Path) -> Iterator[None]:
    """Raise InfluenceError instead of the errors of h5py for a damaged file."""
    try:
        yield
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise InfluenceError(
            f"{path}: expected a readable HDF5 evaluation file, but it is truncated, damaged or "
            f"of another format ({error}). Write or copy it again"
        ) from error


def _check_rising(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] >= limits[1]:
        raise PydanticCustomError("rising", "Input should be (low, high) with low < high")
    return limits


# Some writers store a number as an array of one, or one number where there may be several.
_SCALAR = BeforeValidator(lambda value: np.asarray(value).item())
_SEVERAL = BeforeValidator(lambda value: np.ravel(value).tolist())
_Numbers = Annotated[tuple[FiniteFloat, ...], _SEVERAL]
_Range = Annotated[tuple[FiniteFloat, FiniteFloat], _SEVERAL, AfterValidator(_check_rising)]


class _Attributes(Record, strict=False, coerce_numbers_to_str=True):
    """The attributes of a dataset that are read; see `Field`."""

    unit: Annotated[str, _SCALAR] = ""
    scale: Annotated[float, _SCALAR] | None = None
    offset: Annotated[float, _SCALAR] = 0.0
    ignore: Annotated[float, _SCALAR] | None = None
    range: _Range | None = None
    classes: Annotated[tuple[str, ...], BeforeValidator(lambda x: np.asarray(x).tolist())] = ()
    mean: _Numbers | None = None
    std: _Numbers | None = None


def _read_field(dataset: h5py.Dataset, where: str) -> Field:
    names = _Attributes.model_fields.keys() & dataset.attrs.keys()
    attributes = read_record(
        _Attributes,
        {name: dataset.attrs[name] for name in names},
        where,
        "Set the attribute anew, or write the file with influence.write_evaluation_file",
    )
    integer = np.issubdtype(dataset.dtype, np.integer)
    return Field(tuple(dataset.shape[1:]), integer, **dict(attributes))
