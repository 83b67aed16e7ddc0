"""Checks of HDF5 files: every byte is read, and compared with a checksum where there is one."""

from __future__ import annotations

import os
from pathlib import Path

import h5py

from influence.errors import InfluenceError
from influence.runtime.files import sha256_of
from influence.runtime.reading.hdf5 import (
    check_chunks,
    check_dataset,
    filters_never_skipped,
    hdf5_errors,
    read_texts,
    varies,
)
from influence.runtime.reading.hdf5_sources import find_sources
from influence.runtime.reading.probing import probe
from influence.runtime.reading.recorded_hashes import recorded_sha256
from influence.runtime.reading.regular_files import check_regular

__all__ = ["check_hdf5"]

BLOCK = 2**24
"""So many bytes are read at once, if they are more than one sample."""

_CHECKED = {1, 3}
"""The filters that keep a checksum: gzip, whose is Adler-32, and fletcher32."""


def check_hdf5(path: str | os.PathLike[str]) -> list[str]:
    """Read every dataset of an HDF5 file, and say which of them have checksums.

    Parameters
    ----------
    path
        The file, such as an evaluation file or the ``rows.h5`` of a run.

    Returns
    -------
    list of str
        What was checked and what cannot be, a line each.

    Raises
    ------
    InfluenceError
        If the file is damaged, differs from the hash recorded beside it, or holds values that
        were never written.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "a.h5"
    >>> with h5py.File(path, "w") as file:
    ...     file["plain"] = [1, 2]
    ...     _ = file.create_dataset("packed", data=[1, 2], compression="gzip")
    >>> for line in check_hdf5(path):
    ...     print(line)
    a.h5: every byte of 2 datasets was read
      as their checksums say: packed
      without checksums, so that changed bits in them cannot be found: plain
      without checksums: names, shapes and attributes
      no hash beside it (a.h5.sha256)
    """
    path = Path(path)
    check_regular(path)
    probe(lambda: _look(path), path)
    probe(lambda: _sort(path), path, seconds=10**6)
    digest = sha256_of(path)
    if (recorded := recorded_sha256(path)) not in (None, digest):
        raise InfluenceError(
            f"{path} has the SHA-256 {digest}, but {path.name}.sha256 records {recorded}. Copy "
            "the file again, or its hash"
        )
    kept, structure = _sort(path, read=False)
    lines = [f"{path.name}: every byte of {len(kept[True] + kept[False])} datasets was read"]
    if kept[True]:
        lines.append(f"  as their checksums say: {', '.join(kept[True])}")
    if kept[False]:
        names = ", ".join(kept[False])
        lines.append(f"  without checksums, so that changed bits in them cannot be found: {names}")
    if not structure:
        lines.append("  without checksums: names, shapes and attributes")
    beside = f"{path.name}.sha256"
    said = "as its hash says" if recorded else "no hash beside it"
    return [*lines, f"  {said} ({beside})"]


def _sort(path: Path, *, read: bool = True) -> tuple[dict[bool, list[str]], bool]:
    """Read all datasets; return those with and without checksums, and if the structure has any."""
    kept: dict[bool, list[str]] = {True: [], False: []}
    with hdf5_errors(path, "file"), h5py.File(path, "r") as file:
        for name in _names(file):
            if read:
                _read(file[name], f"{path}: {name}")
            kept[_has_checksums(file[name])].append(name)
        return kept, file.id.get_create_plist().get_version()[0] >= 2


def _names(file: h5py.File) -> list[str]:
    found: list[str] = []
    file.visititems(lambda name, x: found.append(name) if isinstance(x, h5py.Dataset) else None)
    return found


def _look(path: Path) -> None:
    with hdf5_errors(path, "file"), h5py.File(path, "r") as file:
        for source in find_sources(file, list(file)):
            raise InfluenceError(
                f"{path}: {source.where} takes its bytes from elsewhere ({source.path}). "
                "Check the files that hold them"
            )
        for name in _names(file):
            dataset = file[name]
            if dataset.is_virtual or dataset.external:  # deeper than sources are looked for
                raise InfluenceError(
                    f"{path}: {name} takes its bytes from elsewhere. Check the files that hold them"
                )
            check_dataset(dataset, f"{path}: {name}")
            check_chunks(dataset, f"{path}: {name}")
            for key in dataset.attrs:
                dataset.attrs.get_id(key)
            if varies(dataset.dtype) and dataset.ndim == 1:
                read_texts(dataset, f"{path}: {name}")


def _read(dataset: h5py.Dataset, where: str) -> None:
    if varies(dataset.dtype) and dataset.ndim == 1:
        read_texts(dataset, where)
        return
    if not dataset.ndim or not dataset.size:
        _ = dataset[()]
        return
    step = max(1, BLOCK * len(dataset) // max(dataset.nbytes, 1))
    step = max(step, dataset.chunks[0]) if dataset.chunks else step
    for start in range(0, len(dataset), step):
        try:
            _ = dataset[start : start + step]
        except OSError as error:
            raise InfluenceError(
                f"{where}: samples {start} to {min(start + step, len(dataset)) - 1} do not match "
                f"their checksums, or cannot be unpacked ({error}). Copy the file again"
            ) from error


def _has_checksums(dataset: h5py.Dataset) -> bool:
    return bool(filters_never_skipped(dataset) & _CHECKED) and not varies(dataset.dtype)
