"""Text files are read only if they have an end, hold no NUL, and fit into memory."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from influence.runtime.reading.text_files import open_text, read_text


def test_a_file_is_read_whole_packed_or_not(tmp_path: Path) -> None:
    text = os.urandom(400_000).replace(b"\0", b"\n")
    (tmp_path / "a").write_bytes(text)
    (tmp_path / "a.gz").write_bytes(gzip.compress(text))
    assert read_text(tmp_path / "a") == read_text(tmp_path / "a.gz") == text


def test_a_pipe_a_device_and_a_folder_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "device").symlink_to("/dev/zero")
    for path in (tmp_path / "pipe", tmp_path / "device", tmp_path):
        with pytest.raises(ValueError, match="got a folder, a pipe or a device"):
            open_text(path)


@pytest.mark.parametrize("place", [0, 300_000])
def test_a_nul_is_refused_wherever_it_is(tmp_path: Path, place: int) -> None:
    (tmp_path / "a").write_bytes(b"x" * place + b"\0")
    with pytest.raises(ValueError, match="NUL"):
        read_text(tmp_path / "a")


def test_what_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"x" * 2**20))
    monkeypatch.setattr("influence.runtime.reading.text_files.available_memory", lambda: 2**20)
    with pytest.raises(ValueError, match=r"more text than fits into the 0\.00105 GB"):
        read_text(tmp_path / "a.gz")
