"""Recorded hashes: the SHA-256 that a file ``NAME.sha256`` keeps beside a file ``NAME``."""

from __future__ import annotations

import os
import re
from hashlib import sha256
from pathlib import Path

from influence.errors import InfluenceError
from influence.runtime.reading.regular_files import read_regular

__all__ = ["check_recorded", "recorded_sha256"]


def recorded_sha256(path: str | os.PathLike[str]) -> str | None:
    """Return the hash that is recorded beside a file, `None` if there is none.

    It is written as ``sha256sum NAME > NAME.sha256`` writes it, or as the digits alone.

    Raises
    ------
    InfluenceError
        If there is such a file without a hash of `path`.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "model.safetensors"
    >>> _ = Path(f"{path}.sha256").write_text(f"{'0' * 64}  model.safetensors")
    >>> recorded_sha256(path)[:4]
    '0000'
    """
    beside = Path(f"{os.fspath(path)}.sha256")
    if not os.path.isfile(beside):
        return None
    text = read_regular(beside)[: 1 << 20].decode("utf-8", "replace")
    lines = [re.fullmatch(r"\s*([0-9a-fA-F]{64})(?:\s+\*?(.*\S))?\s*", x) for x in text.split("\n")]
    found = [match for match in lines if match]
    named = [match for match in found if match[2] and Path(match[2]).name == Path(path).name]
    for match in named or [match for match in found if not match[2]]:
        return match[1].lower()
    raise InfluenceError(
        f"{beside}: expected the SHA-256 of {Path(path).name} as sha256sum writes it. Write it "
        "again, or remove it"
    )


def check_recorded(path: str | os.PathLike[str], content: bytes) -> None:
    """Compare the hash of a file's content with the one that is recorded beside it, if any.

    Raises
    ------
    InfluenceError
        If they differ.
    """
    recorded = recorded_sha256(path)
    if recorded is not None and recorded != (found := sha256(content).hexdigest()):
        raise InfluenceError(
            f"{Path(path).name} has the SHA-256 {found}, but {Path(path).name}.sha256 records "
            f"{recorded}. Copy the file again, or its hash"
        )
