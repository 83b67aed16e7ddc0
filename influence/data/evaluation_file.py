"""Evaluation files: data sets of named inputs and targets in HDF5, read batch by batch."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import Batch, Field, check_unique, floating
from influence.data.stored_fields import read_field
from influence.data.stored_values import (
    NUMBERS,
    check_offsets,
    count_samples,
    decode,
    holds_numbers,
    kind_of,
    read_rows_of,
)
from influence.errors import InfluenceError
from influence.runtime.files import sha256_of
from influence.runtime.reading.hdf5 import (
    check_chunks,
    check_dataset,
    check_whole,
    hdf5_errors,
    plain_attribute,
    read_texts,
)
from influence.runtime.reading.hdf5_sources import find_sources
from influence.runtime.reading.probing import probe
from influence.runtime.reading.regular_files import Identity, check_regular

__all__ = ["FORMAT", "VERSION", "EvaluationFile"]

FORMAT, VERSION, VERSIONS = "influence-evaluation", 2, (1, 2)
PARTS = ("inputs", "targets", "shared", "ids", "groups", "images/rgb")
"""What is read of a file."""

HELD = 2**25
"""A dataset of at most this many bytes is read as a whole, when it is first needed."""
SMALL = 2**20
"""A dataset of at most this many bytes is read before, in a process of its own."""
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

    sources
        Whether the file may take bytes from further files: virtual and external datasets, and
        links to other files. Their hashes then go into that of the file.

    Raises
    ------
    InfluenceError
        If the file is missing, damaged, of another format or inconsistent; if it takes bytes from
        elsewhere and `sources` is not set; or if values in it were never written.
    """

    def __init__(self, path: str | os.PathLike[str], *, sources: bool = False) -> None:
        self.path = Path(path)
        self.source = str(path)
        self._with_sources = sources
        self._states = {self.path: check_regular(self.path, "evaluation file")}
        self._handle: tuple[int, h5py.File] | None = None
        self._held: dict[str, Any] = {}
        self._cache = 0
        probe(self._look_closely, self.path)
        self._look()
        self.close()
        digests = [bytes.fromhex(sha256_of(path)) for path in self._states]
        self.sha256 = (
            digests[0] if len(digests) == 1 else sha256(b"".join(digests)).digest()
        ).hex()
        self._check_states()

    def _look(self) -> None:
        """Read all but the samples, and check that these are in the file."""
        with hdf5_errors(self.path, "evaluation file"):
            file = self._file()
            if (found := plain_attribute(file, "format", str(self.path))) != FORMAT:
                raise InfluenceError(
                    f"{self.path}: expected an evaluation file (attribute format = {FORMAT!r}), "
                    f"got an HDF5 file of another kind ({found!r}). Write one with "
                    "influence.write_evaluation_file"
                )
            self.version = plain_attribute(file, "version", str(self.path))
            if self.version not in VERSIONS:
                raise InfluenceError(
                    f"{self.path}: evaluation file version {self.version}, this program reads "
                    f"versions {' and '.join(map(str, VERSIONS))}. Write it again with "
                    "influence.write_evaluation_file"
                )
            self._find_sources()
            self.name = str(plain_attribute(file, "name", str(self.path)) or "") or self.path.stem
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
            self._shared = {n: self._read_shared(n, d) for n, d in file.get("shared", {}).items()}
            self.inputs |= {name: Field((), False, ragged=True) for name in self._shared}
            if "images/rgb" in file:
                check_dataset(file["images/rgb"], f"{self.path}: images/rgb")
            self._cache = self._needed_cache()

    def _look_closely(self) -> None:
        """Read what the HDF5 library has to interpret: texts too, and what is small."""
        self._look()
        with hdf5_errors(self.path, "evaluation file"):
            if "images/rgb" in self._file():
                check_chunks(self._file()["images/rgb"], f"{self.path}: images/rgb")
            for part, name, dataset in self._datasets():
                check_chunks(dataset, f"{self.path}: {part}/{name}")
                if h5py.check_string_dtype(dataset.dtype) is not None:
                    self._texts(f"{part}/{name}")
                elif dataset.nbytes <= SMALL:
                    _ = dataset[...]

    def _find_sources(self) -> None:
        try:
            for source in find_sources(self._file(), PARTS):
                if not self._with_sources:
                    raise InfluenceError(
                        f"{source.where} is {source.kind} data that take their bytes from "
                        f"elsewhere ({source.path}), which the file's hash does not cover. Write "
                        "the values into one file, or from Python give data=influence.data."
                        "evaluation_file.EvaluationFile(path, sources=True)"
                    )
                self._states.setdefault(source.path, check_regular(source.path))
        except InfluenceError as error:
            raise InfluenceError(f"{self.path}: {error}") from error

    def _check_states(self) -> None:
        """Check that no file has changed since it was hashed."""
        for path, state in self._states.items():
            if check_regular(path, "evaluation file") != state:
                raise _changed(path)

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
            self._check_states()
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
            if not holds_numbers(dataset) and not (texts and self.version > 1):
                raise InfluenceError(f"{where} holds {dataset.dtype}, expected numbers")
            check_dataset(dataset, where)
            if ragged:
                check_offsets(found["offsets"], len(dataset), where)
            field = read_field(dataset, where)
            if ragged or texts:
                field = replace(field, shape=(), ragged=True, texts=texts)
            fields[name] = field
        return fields

    def _check_lengths(self) -> int:
        file = self._file()
        names = [f"inputs/{n}" for n in self.inputs] + [f"targets/{n}" for n in self.targets]
        names += [n for n in ("ids", "groups") if n in file]
        lengths = {name: count_samples(file[name]) for name in names}
        if len(set(lengths.values())) != 1:
            raise InfluenceError(
                f"{self.path}: expected the same number of samples everywhere, got {lengths}"
            )
        length = next(iter(lengths.values()))
        if length == 0:
            raise InfluenceError(f"{self.path}: holds no samples, expected one or more")
        return length

    def _read_ids(self) -> list[str]:
        file, where = self._file(), f"{self.path}: ids"
        if "ids" not in file:
            return [str(i) for i in range(self._length)]
        dataset = file["ids"]
        if h5py.check_string_dtype(dataset.dtype) is not None:
            ids = read_texts(dataset, where)
        else:
            check_whole(dataset, where)
            if dataset.ndim != 1:
                raise InfluenceError(
                    f"{where} have the shape {dataset.shape}, expected one a sample"
                )
            ids = dataset[...].astype(str).tolist()
        for i, name in enumerate(ids):
            if "\0" in name:
                raise InfluenceError(f"{where}: that of sample {i}, {name!r}, holds a NUL")
        check_unique(ids, self.path)
        return ids

    def _read_groups(self) -> NDArray[Any] | None:
        file, where = self._file(), f"{self.path}: groups"
        if "groups" not in file:
            return None
        dataset = file["groups"]
        if dataset.ndim != 1:
            raise InfluenceError(
                f"{self.path}: 'groups' has shape {dataset.shape}, expected one value a sample"
            )
        if h5py.check_string_dtype(dataset.dtype) is not None:
            return np.array(read_texts(dataset, where), dtype=object)
        if not holds_numbers(dataset):
            raise InfluenceError(f"{where} hold {dataset.dtype}, expected texts or numbers")
        check_whole(dataset, where)
        groups: NDArray[Any] = dataset[...]
        if (missing := np.flatnonzero(groups != groups)).size:
            raise InfluenceError(
                f"{self.path}: 'groups' gives sample {self.ids[missing[0]]!r} the value NaN, "
                "expected one value a sample and no NaN"
            )
        return groups

    def _read_shared(self, name: str, found: Any) -> Any:
        where = f"{self.path}: shared/{name}"
        if not isinstance(found, h5py.Dataset) or found.dtype.kind not in NUMBERS + "OS":
            raise InfluenceError(f"{where} is no array of numbers and no text")
        check_whole(found, where)
        return decode(found[...] if found.ndim else found[()], None)

    def __len__(self) -> int:
        return self._length

    def read(self, indices: NDArray[np.int64]) -> Batch:
        """Read some samples, in this order.

        Raises
        ------
        InfluenceError
            If the file is damaged, or a label is out of range.
        """
        with hdf5_errors(self.path, "evaluation file"):
            self._check_open()
            stored = {n: self._stored("targets", n, indices) for n in self.targets}
            for name, values in stored.items():
                self._check_labels(name, values, indices)
            targets = {n: decode(stored[n], field) for n, field in self.targets.items()}
            inputs = {
                n: self._input(self._stored("inputs", n, indices), field)
                for n, field in self._as_stored.items()
            }
        return Batch(indices, inputs, targets, shared=self._shared)

    def _input(self, stored: Any, field: Field) -> Any:
        if self.version == 1:
            return floating(field.decode(stored))
        plain = field.scale is None and (field.integer or kind_of(stored) not in "f")
        return decode(stored, None if plain else field)

    def _stored(self, part: str, name: str, indices: NDArray[np.int64]) -> Any:
        """Read the stored values of samples: an array, or a list with one entry a sample."""
        found = self._file()[part][name]
        if isinstance(found, h5py.Group):
            starts = self._whole(f"{part}/{name}/offsets", found["offsets"])
            values = found["values"]
            return [values[starts[i] : starts[i + 1]] for i in indices.tolist()]
        if h5py.check_string_dtype(found.dtype) is not None:
            texts = self._texts(f"{part}/{name}")
            return [texts[i] for i in indices.tolist()]
        if found.nbytes <= HELD:
            return self._whole(f"{part}/{name}", found)[indices]
        return read_rows_of(found, indices)

    def _texts(self, key: str) -> list[str]:
        if key not in self._held:
            self._held[key] = read_texts(self._file()[key], f"{self.path}: {key}")
        texts: list[str] = self._held[key]
        return texts

    def _check_open(self) -> None:
        """Check that the open file, and its sources, are as they were hashed."""
        own = self._file().id.get_vfd_handle()
        for path, state in self._states.items():
            if Identity.of(own if path == self.path else path) != state:
                raise _changed(path)

    def _whole(self, key: str, dataset: Any) -> NDArray[Any]:
        if key not in self._held:
            self._held[key] = dataset[...]
        held: NDArray[Any] = self._held[key]
        return held

    def picture(self, index: int) -> NDArray[np.uint8] | None:
        """Return the RGB picture of a sample, (height, width, 3), or `None` if there are none."""
        with hdf5_errors(self.path, "evaluation file"):
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


def _changed(path: Path) -> InfluenceError:
    return InfluenceError(
        f"{path}: changed while it was measured. Leave it alone until the measurement ends, and "
        "measure again"
    )
