"""HDF5 datasets of other writers: what is checked of one before memory is asked for."""

from __future__ import annotations

import errno
import math
import mmap
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from influence.errors import InfluenceError

__all__ = [
    "check_chunks",
    "check_dataset",
    "check_whole",
    "filters",
    "filters_never_skipped",
    "hdf5_errors",
    "plain_attribute",
    "read_texts",
    "varies",
]

MOST_PACKED = 2048
"""Arrays larger than the file times this factor are refused; gzip reaches a factor of 1030."""

PIECE = 2**28
"""What is read at once may be larger than this, in bytes, only if the file is larger as well."""

ATTRIBUTE = 2**24
"""The largest number of bytes of an attribute."""

_GZIP, _SHUFFLE, _FLETCHER, _LZF = 1, 2, 3, 32000
_BOUNDED = {_GZIP, _SHUFFLE, _FLETCHER, _LZF}
"""Filters that pack by `MOST_PACKED` at most: gzip, shuffle, fletcher32 and lzf."""

_BROKEN = "Write or copy it again"


@contextmanager
def hdf5_errors(path: str | os.PathLike[str], what: str) -> Iterator[None]:
    """Raise InfluenceError with the reason instead of the errors of h5py.

    Parameters
    ----------
    path, what
        The file, and what it should be.

    Examples
    --------
    >>> with hdf5_errors("a.h5", "evaluation file"):
    ...     raise OSError(errno.EMFILE, "too many open files")
    Traceback (most recent call last):
    influence.errors.InfluenceError: a.h5: this process has too many files open. Close some, or \
raise the limit (ulimit -n)
    """
    try:
        yield
    except InfluenceError:
        raise
    except Exception as error:  # h5py raises many kinds on damaged files
        raise InfluenceError(f"{os.fspath(path)}: {_reason(error, what)}") from error


def _reason(error: Exception, what: str) -> str:
    text, number = str(error), getattr(error, "errno", None)
    if "unable to lock" in text and number in (errno.EAGAIN, errno.EACCES):
        return "another program has it open for writing. Close it there, or take a copy"
    if "already open for" in text:
        return "this or another process has it open for writing. Close it there, or take a copy"
    if "consistency flags" in text:
        return (
            "the program that writes it still has it open, or ended without closing it. Close it "
            "there, or clear the mark with h5clear -s"
        )
    if number in (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP):
        return (
            "its file system gives no locks. Copy it to a local disk, or set the environment "
            "variable HDF5_USE_FILE_LOCKING=FALSE"
        )
    if number in (errno.EACCES, errno.EPERM):
        return "this user may not read it. Change its permissions"
    if number in (errno.EMFILE, errno.ENFILE):
        return "this process has too many files open. Close some, or raise the limit (ulimit -n)"
    if isinstance(error, MemoryError):
        return f"there is not enough memory to read what it claims to hold ({text}). {_BROKEN}"
    return (
        f"expected a readable HDF5 {what}, but it is truncated, damaged or of another format "
        f"({text}). {_BROKEN}"
    )


def check_dataset(dataset: h5py.Dataset, where: str) -> None:
    """Check that a dataset can be read, and that the file holds all of its values.

    A dataset of chunks may have been created without being written; HDF5 then gives zeros, or its
    fill value. A dataset may also claim a shape that its bytes cannot unpack to.

    Parameters
    ----------
    dataset
        The dataset, its samples first.
    where
        The file and the name of the dataset, for messages.

    Raises
    ------
    InfluenceError
        If a filter is missing, chunks were never written, or values are claimed that are not there.

    Examples
    --------
    >>> import io
    >>> file = h5py.File(io.BytesIO(), "w")
    >>> check_dataset(file.create_dataset("x", (6, 2), "f4", chunks=(3, 2)), "a.h5: x")
    Traceback (most recent call last):
    influence.errors.InfluenceError: a.h5: x: 2 of its 2 chunks were never written, so 6 of its 6 \
samples, from number 0 on, have no values. Write them, or leave these samples out
    """
    _check_filters(dataset, where)
    if dataset.is_virtual or dataset.external or not dataset.size:
        return  # its sources are checked
    _check_written(dataset, where)
    stored, own = dataset.id.get_storage_size(), _size_of(dataset)
    piece = dataset.nbytes // max(len(dataset), 1) if dataset.ndim else dataset.nbytes
    if dataset.chunks:
        piece = max(piece, math.prod(dataset.chunks) * dataset.dtype.itemsize)
    texts = h5py.check_string_dtype(dataset.dtype)
    if texts is not None and texts.length is None:
        piece = 0  # references; see `read_texts`
    most = MOST_PACKED * stored if set(filters(dataset)) <= _BOUNDED else math.inf
    if stored > own or dataset.nbytes > most or (piece > PIECE and piece > own):
        raise _claim(where, dataset, max(piece, dataset.nbytes))


def check_whole(dataset: h5py.Dataset, where: str) -> None:
    """Check a dataset that is read at once, such as groups; see `check_dataset`."""
    check_dataset(dataset, where)
    check_chunks(dataset, where)
    if dataset.nbytes > PIECE and dataset.nbytes > _size_of(dataset):
        raise _claim(where, dataset, dataset.nbytes)


def _claim(where: str, dataset: h5py.Dataset, claimed: int) -> InfluenceError:
    return InfluenceError(
        f"{where}: its shape {dataset.shape} of {dataset.dtype} claims {claimed} bytes at once, "
        f"and the file holds {dataset.id.get_storage_size()}. It is damaged or packed beyond "
        "measure: write it again, in smaller chunks"
    )


def _size_of(dataset: h5py.Dataset) -> int:
    return int(dataset.file.id.get_filesize())


def filters(dataset: h5py.Dataset) -> list[int]:
    """Return the codes of the filters through which the chunks of a dataset go, in order."""
    return [code for code, *_ in _pipeline(dataset)]


def filters_never_skipped(dataset: h5py.Dataset) -> set[int]:
    """Return the codes of the filters that no chunk of a dataset has skipped."""
    skipped = 0
    for chunk in _chunks(dataset) if dataset.chunks else ():
        skipped |= chunk.filter_mask
    return {code for i, code in enumerate(filters(dataset)) if not skipped >> i & 1}


def _pipeline(dataset: h5py.Dataset) -> list[tuple[int, int, tuple[int, ...], bytes]]:
    properties = dataset.id.get_create_plist()
    return [properties.get_filter(i) for i in range(properties.get_nfilters())]


def _check_filters(dataset: h5py.Dataset, where: str) -> None:
    for code in set(filters(dataset)):
        if not h5py.h5z.filter_avail(code):
            raise InfluenceError(
                f"{where} is packed with the HDF5 filter {code}, which is not installed. pip "
                "install hdf5plugin and import it, or write the file again with gzip"
            )


def _check_written(dataset: h5py.Dataset, where: str) -> None:
    if dataset.chunks is None:
        if dataset.id.get_create_plist().get_layout() != h5py.h5d.COMPACT:
            stored = dataset.id.get_storage_size()
            if not stored:
                raise InfluenceError(
                    f"{where}: none of its {_samples(dataset)} samples was ever written. Write them"
                )
            if stored < dataset.nbytes:
                raise _claim(where, dataset, dataset.nbytes)
        return
    rows = [-(-n // c) for n, c in zip(dataset.shape, dataset.chunks, strict=True)]
    expected, count = math.prod(rows), dataset.id.get_num_chunks()
    if expected > MOST_PACKED * max(_size_of(dataset), 1):
        raise _claim(where, dataset, dataset.nbytes)
    if count >= expected:
        return
    step, each = dataset.chunks[0], expected // rows[0]
    written = Counter(chunk.chunk_offset[0] // step for chunk in _chunks(dataset))
    whole = sorted(row for row, chunks in written.items() if chunks >= each)
    first = next((i for i, row in enumerate(whole) if i != row), len(whole)) * step
    samples = len(dataset) - sum(min(step, len(dataset) - row * step) for row in whole)
    raise InfluenceError(
        f"{where}: {expected - count} of its {expected} chunks were never written, so {samples} "
        f"of its {len(dataset)} samples, from number {first} on, have no values. Write them, or "
        "leave these samples out"
    )


def check_chunks(dataset: h5py.Dataset, where: str) -> None:
    """Check the size of every chunk of a dataset that passed `check_dataset`.

    The HDF5 library takes a chunk that is too short for a whole one, and reads whatever memory
    lies behind it. This takes some microseconds a chunk.

    Raises
    ------
    InfluenceError
        If a chunk cannot hold its values, or lies outside of the file.
    """
    if dataset.chunks is None or dataset.is_virtual:
        return
    size, own = math.prod(dataset.chunks) * dataset.dtype.itemsize, _size_of(dataset)
    order = filters(dataset)
    sums = 4 * (_FLETCHER in order)
    packing = sum(1 << i for i, code in enumerate(order) if code not in (_FLETCHER, _SHUFFLE))
    least = sums + 1 if set(order) - _BOUNDED else sums + size // MOST_PACKED
    wrong = any(code == _LZF and known[2:] != (size,) for code, _, known, _ in _pipeline(dataset))
    for chunk in _chunks(dataset):
        plain = not packing & ~chunk.filter_mask
        held = chunk.size == size + sums if plain else chunk.size >= least
        if wrong or not held or chunk.byte_offset + chunk.size > own:
            raise InfluenceError(
                f"{where}: the chunk of sample {chunk.chunk_offset[0]} has another size than the "
                f"{size} bytes that it claims. {_BROKEN}"
            )


def _chunks(dataset: h5py.Dataset) -> list[Any]:
    found: list[Any] = []
    dataset.id.chunk_iter(found.append)
    return found


def _samples(dataset: h5py.Dataset) -> int:
    return len(dataset) if dataset.ndim else 1


def read_texts(dataset: h5py.Dataset, where: str) -> list[str]:
    """Read a dataset of texts, whose bytes lie elsewhere in the file.

    Raises
    ------
    InfluenceError
        If a text is not UTF-8, or texts claim more bytes than the file holds.

    Examples
    --------
    >>> import io
    >>> file = h5py.File(io.BytesIO(), "w")
    >>> file["ids"] = [b"a", b"caf\\xe9"]
    >>> read_texts(file["ids"], "a.h5: ids")
    Traceback (most recent call last):
    influence.errors.InfluenceError: a.h5: ids: text 1, b'caf\\xe9', is not UTF-8. Write it as UTF-8
    """
    check_whole(dataset, where)
    if dataset.ndim != 1:
        raise InfluenceError(
            f"{where} has the shape {dataset.shape}, expected one text a sample. {_BROKEN}"
        )
    found: list[str] = []
    step = max(1, min(len(dataset), 1 << 20))
    claimed, own = 0, _size_of(dataset)
    if varies(dataset.dtype) and len(dataset) * own > PIECE:
        step = max(1, min(step, PIECE // _largest_text(Path(dataset.file.filename))))
    for start in range(0, len(dataset), step):
        block = dataset[start : start + step].tolist()
        claimed += sum(map(len, block))
        if claimed > PIECE and claimed > own:
            raise InfluenceError(f"{where}: its texts claim more bytes than the file. {_BROKEN}")
        found += (_decode(text, start + i, where) for i, text in enumerate(block))
    return found


def _decode(text: bytes | str, number: int, where: str) -> str:
    try:
        return text if isinstance(text, str) else text.decode()
    except UnicodeDecodeError as error:
        raise InfluenceError(
            f"{where}: text {number}, {text[:60]!r}, is not UTF-8. Write it as UTF-8"
        ) from error


def varies(dtype: np.dtype[Any]) -> bool:
    """Return whether a type is that of texts of any length, whose bytes lie outside of chunks."""
    texts = h5py.check_string_dtype(dtype)
    return texts is not None and texts.length is None


def _largest_text(path: Path) -> int:
    """Return a bound on the bytes of one text: the largest of the heaps in which texts lie."""
    largest = 1
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        place = content.find(b"GCOL\x01\0\0\0")
        while place >= 0:
            size = int.from_bytes(content[place + 8 : place + 16], "little")
            if size <= len(content) - place:
                largest = max(largest, size)
            place = content.find(b"GCOL\x01\0\0\0", place + 8)
    return largest


def plain_attribute(owner: h5py.HLObject, name: str, where: str) -> Any:
    """Return an attribute as plain numbers, texts and lists; `None` if there is none.

    Parameters
    ----------
    owner, name
        The file or dataset, and the name of the attribute.
    where
        The file and the name of the owner, for messages.

    Raises
    ------
    InfluenceError
        If the attribute claims to be too large.

    Examples
    --------
    >>> import io
    >>> file = h5py.File(io.BytesIO(), "w")
    >>> file.attrs["range"] = (0.5, 10)
    >>> plain_attribute(file, "range", "a.h5"), plain_attribute(file, "unit", "a.h5")
    ([0.5, 10.0], None)
    """
    if name not in owner.attrs:
        return None
    kept = owner.attrs.get_id(name)
    count = math.prod(kept.shape or ())
    size = count * kept.dtype.itemsize
    if varies(kept.dtype) and count * owner.file.id.get_filesize() > PIECE:
        size = max(size, count * _largest_text(Path(owner.file.filename)) // 64)
    if size > ATTRIBUTE:
        raise InfluenceError(
            f"{where}: its attribute {name!r} of shape {kept.shape} claims more than an attribute "
            "may hold. Set the attribute anew"
        )
    found = owner.attrs[name]
    if isinstance(found, h5py.Empty):
        return None
    return _plain(found.tolist() if isinstance(found, (np.ndarray, np.generic)) else found)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
