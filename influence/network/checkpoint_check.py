"""Checks of checkpoints: every byte is read, and compared with a checksum where there is one."""

from __future__ import annotations

import os
from pathlib import Path

from influence.errors import InfluenceError
from influence.network.contents import Content, content_of
from influence.network.zip_archives import check_archive, is_archive
from influence.runtime.reading.recorded_hashes import check_recorded, recorded_sha256
from influence.runtime.reading.regular_files import read_regular

__all__ = ["check_checkpoint"]

_KINDS: dict[Content, str] = {
    "program": "an exported program",
    "script": "TorchScript",
    "pickle": "weights of torch.save",
    "safetensors": "safetensors",
    "onnx": "an ONNX model",
}


def check_checkpoint(path: str | os.PathLike[str]) -> list[str]:
    """Compare a checkpoint, or a folder of safetensors, with the checksums that there are.

    Nothing is loaded, so that no network is needed. Archives of torch keep a checksum of every
    member; for other formats a file ``NAME.sha256`` beside the file may keep its hash.

    Returns
    -------
    list of str
        What was checked and what cannot be, a line each.

    Raises
    ------
    InfluenceError
        If the file is damaged, or no checkpoint.

    Examples
    --------
    >>> import tempfile, torch
    >>> path = Path(tempfile.mkdtemp()) / "a.pt"
    >>> torch.save({"k": torch.ones(1)}, path)
    >>> for line in check_checkpoint(path):
    ...     print(line)
    a.pt: weights of torch.save, every byte was read
      as the checksums of its members say
      no hash beside it (a.pt.sha256)
    """
    path = Path(path)
    if os.path.isdir(path):
        parts = sorted(part for part in path.iterdir() if part.suffix == ".safetensors")
        if not parts:
            raise InfluenceError(f"{path}: it is a folder without .safetensors files or rows.h5")
        return [line for part in parts for line in check_checkpoint(part)]
    data = read_regular(path, "checkpoint")
    try:
        kind = content_of(data)
        check_recorded(path, data)
        lines = [f"{path.name}: {_KINDS[kind]}, every byte was read", *_archive_lines(data)]
    except InfluenceError as error:
        raise InfluenceError(f"checkpoint {path}: {error}") from error
    beside = f"{path.name}.sha256"
    if recorded_sha256(path) is None:
        return [*lines, f"  no hash beside it ({beside})"]
    return [*lines, f"  as its hash says ({beside})"]


def _archive_lines(data: bytes) -> list[str]:
    if not is_archive(data):
        return ["  its format keeps no checksums, so that changed bits cannot be found"]
    if without := check_archive(data):
        return [
            f"  {len(without)} of its members were written without checksums, so that changed "
            "bits in them cannot be found"
        ]
    return ["  as the checksums of its members say"]
