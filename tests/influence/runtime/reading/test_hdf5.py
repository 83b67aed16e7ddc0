"""HDF5 datasets: what is not in the file is never read as zeros, nor given memory."""

from __future__ import annotations

import errno
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.runtime.reading.hdf5 import (
    check_chunks,
    check_dataset,
    check_whole,
    hdf5_errors,
    plain_attribute,
    read_texts,
)


def partly(file: h5py.File) -> None:
    dataset = file.create_dataset("x", (7, 4), "f4", chunks=(2, 2))
    dataset[0:2], dataset[4:7] = 1, 1
    dataset[2:4, :2] = 1


def packed(file: h5py.File) -> None:
    """Pack pieces of a gigabyte into a megabyte each."""
    dataset = file.create_dataset("x", (2, 2**28), "f4", chunks=(1, 2**28), compression="gzip")
    packer = zlib.compressobj(1)
    block = b"".join(packer.compress(bytes(2**24)) for _ in range(64)) + packer.flush()
    for i in range(2):
        dataset.id.write_direct_chunk((i, 0), block)


def foreign_filter(file: h5py.File) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((2,))
    properties.set_filter(31999, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((2,))
    h5py.h5d.create(file.id, b"x", h5py.h5t.NATIVE_FLOAT, space, properties)


def short(file: h5py.File, packed: bytes = b"abc", **filters: object) -> None:
    """Write two chunks, of which the second has too few bytes."""
    dataset = file.create_dataset("x", (2, 2**16), "u1", chunks=(1, 2**16), **filters)
    dataset[0] = np.random.default_rng(0).integers(0, 256, 2**16)
    dataset.id.write_direct_chunk((1, 0), packed)


def check(dataset: h5py.Dataset) -> None:
    check_dataset(dataset, "a.h5: x")
    check_chunks(dataset, "a.h5: x")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (short, "the chunk of sample 1 has another size than the 65536 bytes"),
        (lambda f: short(f, fletcher32=True), "the chunk of sample 1 has another size"),
        (lambda f: short(f, zlib.compress(bytes(9)), compression="gzip"), "chunk of sample 1 has"),
        (lambda f: f.create_dataset("x", (6, 2), "f4", chunks=(3, 2)), "2 of its 2 chunks .* 6 of"),
        (partly, "1 of its 8 chunks were never written, so 2 of its 7 samples, from number 2 on"),
        (lambda f: f.create_dataset("x", (6, 2), "f4"), "none of its 6 samples was ever written"),
        (lambda f: f.create_dataset("x", (2**40, 9), "f4", chunks=(1, 9)), "claims .* bytes at"),
        (packed, "claims .* bytes at once, and the file holds"),
        (foreign_filter, "packed with the HDF5 filter 31999, which is not installed"),
    ],
)
def test_datasets_that_are_not_all_there_are_refused(
    tmp_path: Path, make: Callable[[h5py.File], object], message: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
        with pytest.raises(InfluenceError, match=rf"a\.h5: x.*{message}"):
            check(file["x"])


@pytest.mark.parametrize(
    "make",
    [
        lambda f: f.create_dataset("x", data=np.zeros((6, 2**18)), compression="gzip"),
        lambda f: f.create_dataset("x", data=np.zeros((0, 3)), chunks=(1, 3), maxshape=(None, 3)),
        lambda f: f.create_dataset("x", (0, 3), "f4"),
        lambda f: f.create_dataset("x", data=3.0),
        lambda f: f.create_dataset("x", data=["a", "bc"], compression="gzip"),
        lambda f: f.create_dataset("x", data=np.ones((7, 3)), chunks=(2, 2), compression="lzf"),
    ],
)
def test_datasets_that_are_all_there_pass(
    tmp_path: Path, make: Callable[[h5py.File], object]
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        make(file)
        file.flush()
        check_whole(file["x"], "x")
        check_chunks(file["x"], "x")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.EAGAIN, "unable to lock file"), "another program has it open for writing"),
        (OSError(errno.ENOLCK, "unable to lock file"), "HDF5_USE_FILE_LOCKING"),
        (OSError(errno.EACCES, "unable to open file"), "this user may not read it"),
        (OSError(errno.EMFILE, "unable to open file"), "too many files open"),
        (OSError("file is already open for write"), "this or another process has it open"),
        (OSError("clear file consistency flags"), "h5clear"),
        (MemoryError("3 TB"), "not enough memory to read what it claims to hold"),
        (SystemError("odd"), "expected a readable HDF5 table, but it is truncated, damaged"),
    ],
)
def test_the_reason_is_told(error: Exception, message: str) -> None:
    def fail() -> None:
        with hdf5_errors("a.h5", "table"):
            raise error

    with pytest.raises(InfluenceError, match=rf"^a\.h5: .*{message}"):
        fail()


def test_texts_that_share_their_bytes_are_not_read_into_any_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("influence.runtime.reading.hdf5.PIECE", 2**20)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        dataset = file.create_dataset("ids", (2000,), h5py.string_dtype())
        dataset[0:1] = ["a" * 2**16]
        place = dataset.id.get_offset()
    with path.open("r+b") as raw:
        raw.seek(place)
        reference = raw.read(16)
        raw.seek(place)
        raw.write(2000 * reference)
    with h5py.File(path) as file, pytest.raises(InfluenceError, match="ids: its texts claim more"):
        read_texts(file["ids"], "ids")


def test_texts_are_read_in_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("influence.runtime.reading.hdf5.PIECE", 2**15)
    texts = [f"{i} é" for i in range(1000)]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["ids"], file["short"] = texts, np.array([b"a", b"bc"])
        file.flush()
        assert read_texts(file["ids"], "ids") == texts
        assert read_texts(file["short"], "short") == ["a", "bc"]


def test_attributes_that_claim_much_are_refused(tmp_path: Path) -> None:
    with h5py.File(tmp_path / "a.h5", "w", libver="latest") as file:
        file.attrs.create("mean", np.zeros(2**22))
        file.attrs["classes"], file.attrs["none"] = ["a", "b"], h5py.Empty("f4")
        file.flush()
        with pytest.raises(InfluenceError, match=r"a\.h5: its attribute 'mean' of shape"):
            plain_attribute(file, "mean", "a.h5")
        assert plain_attribute(file, "classes", "a.h5") == ["a", "b"]
        assert plain_attribute(file, "none", "a.h5") is None
