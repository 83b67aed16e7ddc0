"""Evaluation files: data sets of named inputs and targets in HDF5."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, BeforeValidator, FiniteFloat
from pydantic_core import PydanticCustomError

from influence.data.dataset import Field, Sample, floating
from influence.errors import InfluenceError
from influence.runtime.files import sha256_of, write_hdf5
from influence.runtime.records import Record, read_record

__all__ = ["EvaluationFile", "write_evaluation_file"]

FORMAT, VERSION = "influence-evaluation", 1
NUMBERS = "biuf"
"""The kinds of NumPy types that a dataset may have."""


class EvaluationFile:
    """A data set in an evaluation file, read one sample at a time, in any number of processes.

    Parameters
    ----------
    path
        An HDF5 file with datasets ``inputs/<modality>`` and ``targets/<output>``, samples first,
        written by `write_evaluation_file` or in the same layout. Without targets, outputs can only
        be scored by how much they change.

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
        with _read_errors(self.path):
            file = self._file()
            if file.attrs.get("format") != FORMAT:
                raise InfluenceError(
                    f"{path}: expected an evaluation file (attribute format = {FORMAT!r}), got an "
                    "HDF5 file of another kind. Write one with influence.write_evaluation_file"
                )
            if file.attrs.get("version") != VERSION:
                raise InfluenceError(
                    f"{path}: evaluation file version {file.attrs.get('version')}, this program "
                    f"reads version {VERSION}. Write it again with influence.write_evaluation_file"
                )
            self.name = str(file.attrs.get("name", "")) or self.path.stem
            self.inputs = self._fields("inputs")
            self.targets = self._fields("targets")
            self._length = self._check_lengths()
            self.ids = self._read_ids()
            self.groups = self._read_groups()
        self.sha256 = sha256_of(self.path)

    def _file(self) -> h5py.File:
        # A forked worker must not share its parent's handle.
        if self._handle is None or self._handle[0] != os.getpid():
            self._handle = (os.getpid(), h5py.File(self.path, "r"))
        return self._handle[1]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_handle": None}

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
        for name, dataset in group.items():
            if not isinstance(dataset, h5py.Dataset) or dataset.ndim < 1:
                raise InfluenceError(f"{self.path}: {part}/{name} is not an array of samples")
            if dataset.dtype.kind not in NUMBERS:
                raise InfluenceError(
                    f"{self.path}: {part}/{name} holds {dataset.dtype}, expected numbers"
                )
            fields[name] = _read_field(dataset, f"{self.path}: {part}/{name}")
        return fields

    def _check_lengths(self) -> int:
        file = self._file()
        names = [f"inputs/{n}" for n in self.inputs] + [f"targets/{n}" for n in self.targets]
        names += [n for n in ("ids", "groups") if n in file]
        lengths = {name: len(file[name]) for name in names}
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
        ids = [i.decode() if isinstance(i, bytes) else str(i) for i in file["ids"][...]]
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

    def __getitem__(self, index: int) -> Sample:
        with _read_errors(self.path):
            file = self._file()
            targets = {n: file["targets"][n][index] for n in self.targets}
            self._check_labels(targets, index)
            inputs = {n: f.decode(file["inputs"][n][index]) for n, f in self.inputs.items()}
        decoded = {n: field.decode(targets[n]) for n, field in self.targets.items()}
        return Sample(index, {n: floating(x) for n, x in inputs.items()}, decoded)

    def picture(self, index: int) -> NDArray[np.uint8] | None:
        """Return the RGB picture of a sample, (height, width, 3), or `None` if there are none."""
        with _read_errors(self.path):
            pictures = self._file().get("images/rgb")
            if pictures is None or pictures.ndim != 4 or len(pictures) != len(self):
                return None
            found: NDArray[np.uint8] = pictures[index]
            return found

    def _check_labels(self, targets: Mapping[str, NDArray[Any]], index: int) -> None:
        for name, stored in targets.items():
            field = self.targets[name]
            if not field.holds_labels:
                continue
            wrong = stored[(stored < 0) & (stored != field.ignore)]
            if wrong.size:
                raise InfluenceError(
                    f"{self.path}: targets/{name}: label {wrong.flat[0]} of sample "
                    f"{self.ids[index]!r} is out of range, expected 0 or more. If it means 'no "
                    "ground truth', set the dataset's attribute 'ignore'; integers that are values "
                    "and not labels need an attribute 'scale'"
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


def write_evaluation_file(
    path: str | os.PathLike[str],
    inputs: Mapping[str, ArrayLike],
    targets: Mapping[str, ArrayLike],
    *,
    ids: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    images: ArrayLike | None = None,
    name: str = "",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write an evaluation file, compressed, one sample a chunk.

    Parameters
    ----------
    path
        The HDF5 file; appears whole or not at all.
    inputs, targets
        Name -> array with samples first. Integer targets without a ``scale`` are labels. There may
        be no targets.
    ids
        One unique name a sample; by default its index.
    groups
        One value a sample. Samples of one group are not independent, such as frames of a scene.
    images
        RGB pictures of the samples, uint8, (samples, height, width, 3).
    name
        The name of the data set in tables; by default that of the file.
    attributes
        Dataset -> attributes, such as ``{"targets/semantic": {"ignore": 255}}``; see `Field`.

    Raises
    ------
    InfluenceError
        If an array does not hold numbers with samples first, if the numbers of samples differ, or
        if attributes are given for a dataset that does not exist.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "set.h5"
    >>> depth = np.ones((4, 1, 6, 8), dtype=np.float32)
    >>> write_evaluation_file(path, inputs={"depth": depth}, targets={"depth": depth[:, 0]})
    >>> len(EvaluationFile(path))
    4
    """
    datasets = {f"inputs/{n}": np.asarray(x) for n, x in inputs.items()}
    datasets |= {f"targets/{n}": np.asarray(x) for n, x in targets.items()}
    if images is not None:
        datasets["images/rgb"] = np.asarray(images)
    for key, array in datasets.items():
        _check_array(key, array)
    labels: dict[str, NDArray[Any]] = {}
    if ids is not None:
        labels["ids"] = np.array([str(i) for i in ids], dtype=object)
    if groups is not None:
        labels["groups"] = np.asarray(groups)
    lengths = {n: len(x) for n, x in {**datasets, **labels}.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise InfluenceError(f"expected the same number of samples, above 0, got {lengths}")
    attributes = attributes or {}
    if strange := sorted(set(attributes) - set(datasets)):
        raise InfluenceError(f"attributes for {strange}, but the datasets are {sorted(datasets)}")
    with write_hdf5(path) as file:
        file.attrs.update(format=FORMAT, version=VERSION, name=name)
        for key, array in datasets.items():
            dataset = file.create_dataset(
                key,
                data=array,
                chunks=(1, *array.shape[1:]),
                compression="gzip",
                shuffle=True,
                track_times=False,
            )
            dataset.attrs.update(attributes.get(key, {}))
        for key, array in labels.items():
            texts = array.dtype.kind in "UO"
            file.create_dataset(
                key,
                data=array.astype(object) if texts else array,
                dtype=h5py.string_dtype() if texts else None,
            )


def _check_array(key: str, array: NDArray[Any]) -> None:
    if array.ndim < 1:
        raise InfluenceError(f"{key} has no axis of samples, got one number")
    if array.dtype.kind not in NUMBERS:
        raise InfluenceError(f"{key} holds {array.dtype}, expected numbers")
    if 0 in array.shape[1:]:
        raise InfluenceError(f"{key} has the shape {array.shape}: its samples hold no values")
