"""Zip archives: flipped bits and claimed bytes are found before torch reads them."""

from __future__ import annotations

import io
import zipfile

import pytest
import torch

from influence.errors import InfluenceError
from influence.network.zip_archives import check_archive


def saved() -> bytes:
    buffer = io.BytesIO()
    torch.save({"k": torch.arange(100.0)}, buffer)
    return buffer.getvalue()


def test_every_byte_of_a_member_counts() -> None:
    data = saved()
    assert check_archive(data) == []
    start = data.index(torch.arange(100.0).numpy().tobytes())
    for place in range(start, start + 400, 37):
        changed = bytearray(data)
        changed[place] ^= 8
        with pytest.raises(InfluenceError, match="/data/0' does not match its checksum"):
            check_archive(bytes(changed))


def test_archives_without_checksums_are_taken() -> None:
    torch.serialization.set_crc32_options(False)
    try:
        data = saved()
    finally:
        torch.serialization.set_crc32_options(True)
    assert any(name.endswith("/data/0") for name in check_archive(data))


def test_bombs_are_refused_before_they_are_unpacked() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("a/data.pkl", "a/data/0"):
            with archive.open(name, "w") as member:
                for _ in range(20):
                    member.write(bytes(2**24))
    with pytest.raises(InfluenceError, match="its members claim more bytes than the"):
        check_archive(buffer.getvalue())


@pytest.mark.parametrize("length", [0, 30, 300])
def test_archives_that_are_cut_off_are_told(length: int) -> None:
    with pytest.raises(InfluenceError, match="cut off"):
        check_archive(saved()[:length])
