"""Recorded hashes are read as sha256sum writes them."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.reading.recorded_hashes import check_recorded, recorded_sha256

RIGHT = sha256(b"content").hexdigest()


@pytest.mark.parametrize(
    "text",
    [RIGHT, f"{RIGHT}\n", f"{RIGHT.upper()}  a.bin\n", f"{RIGHT} *out/a.bin\r\n",
     f"{'0' * 64}  b.bin\n{RIGHT}  a.bin\n"],
)  # fmt: skip
def test_hashes_are_compared(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.bin"
    assert recorded_sha256(path) is None
    check_recorded(path, b"anything")
    (tmp_path / "a.bin.sha256").write_text(text)
    check_recorded(path, b"content")
    with pytest.raises(InfluenceError, match=rf"a\.bin has the SHA-256 .* records {RIGHT}"):
        check_recorded(path, b"contend")


@pytest.mark.parametrize("text", ["", "no hash", f"{RIGHT}  b.bin", RIGHT[:-1]])
def test_other_texts_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.bin.sha256").write_text(text)
    with pytest.raises(InfluenceError, match=r"expected the SHA-256 of a\.bin as sha256sum"):
        recorded_sha256(tmp_path / "a.bin")
