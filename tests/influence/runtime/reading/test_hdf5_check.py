"""Checks of HDF5 files: a flipped bit is found wherever there is a checksum."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.runtime.files import sha256_of
from influence.runtime.reading.hdf5_check import check_hdf5


def written(path: Path) -> Path:
    x = np.random.default_rng(0).random((40, 100))
    with h5py.File(path, "w") as file:
        file.create_dataset("sums/x", data=x, chunks=(10, 100), fletcher32=True)
        file.create_dataset("packed", data=x, chunks=(10, 100), compression="gzip")
        file["plain"], file["one"], file["texts"] = x, 1.5, ["a", "b"]
    return path


def flip(path: Path, name: str) -> None:
    with h5py.File(path) as file:
        if file[name].chunks:
            chunk = file[name].id.get_chunk_info(2)
            place = chunk.byte_offset + chunk.size // 2
        else:
            place = file[name].id.get_offset() + 100
    with path.open("r+b") as raw:
        raw.seek(place)
        (bits,) = raw.read(1)
        raw.seek(place)
        raw.write(bytes([bits ^ 16]))


def test_it_says_what_has_checksums(tmp_path: Path) -> None:
    assert check_hdf5(written(tmp_path / "a.h5")) == [
        "a.h5: every byte of 5 datasets was read",
        "  as their checksums say: packed, sums/x",
        "  without checksums, so that changed bits in them cannot be found: one, plain, texts",
        "  without checksums: names, shapes and attributes",
        "  no hash beside it (a.h5.sha256)",
    ]


@pytest.mark.parametrize("name", ["sums/x", "packed"])
def test_flipped_bits_are_found(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.h5")
    flip(path, name)
    with pytest.raises(InfluenceError, match=rf"a\.h5: {name}: samples 0 to 39 do not match"):
        check_hdf5(path)


def test_a_hash_beside_the_file_finds_the_rest(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    (tmp_path / "a.h5.sha256").write_text(f"{sha256_of(path)}  a.h5\n")
    assert check_hdf5(path)[-1] == "  as its hash says (a.h5.sha256)"
    flip(path, "plain")
    with pytest.raises(InfluenceError, match=r"a\.h5 has the SHA-256 .*a\.h5\.sha256 records"):
        check_hdf5(path)


def test_links_out_of_the_file_are_told(tmp_path: Path) -> None:
    path = written(tmp_path / "a.h5")
    with h5py.File(path, "r+") as file:
        file["sums/y"] = h5py.ExternalLink("b.h5", "y")
    with pytest.raises(InfluenceError, match=r"a\.h5: sums/y takes its bytes from elsewhere"):
        check_hdf5(path)
