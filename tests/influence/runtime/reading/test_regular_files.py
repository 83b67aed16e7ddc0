"""Regular files: what has no end is never read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.files import sha256_of
from influence.runtime.reading.regular_files import Identity, check_regular, read_regular


def folder(at: Path) -> Path:
    return at


def pipe(at: Path) -> Path:
    os.mkfifo(at / "pipe")
    return at / "pipe"


def holes(at: Path) -> Path:
    with (at / "holes").open("wb") as file:
        file.write(b"PK")
        file.truncate(2**40)
    return at / "holes"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (folder, "expected a file, but .* is a folder"),
        (pipe, "expected a file, but .*pipe is a pipe"),
        (lambda _: Path("/dev/zero"), "expected a file, but /dev/zero is a device"),
        (lambda at: at / "gone", "gone: no such network"),
        (lambda at: at / ("d" * 400), "could not read the network .*: File name too long"),
        (lambda at: at / "/".join("d" * 3000), "could not read the network .*name too long"),
        (lambda at: at / "a\0b", r"a\\0b is no name of a file"),
        (holes, "holes: its 1099511627776 bytes are almost all holes"),
    ],
)
def test_what_has_no_end_or_no_bytes_is_told(tmp_path: Path, make: object, message: str) -> None:
    assert callable(make)
    path = make(tmp_path)
    for read in (check_regular, read_regular):
        with pytest.raises(InfluenceError, match=message):
            read(path, "network")
    with pytest.raises(InfluenceError):
        sha256_of(path)


def test_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    assert read_regular(path) == b"content"
    assert check_regular(path) == Identity.of(path)


def test_a_change_of_the_content_is_a_change_of_identity(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"content")
    before = Identity.of(path)
    os.utime(path, ns=(0, before.changed + 1))
    assert Identity.of(path) != before
    with path.open("rb") as file:
        assert Identity.of(file.fileno()) == Identity.of(path)
