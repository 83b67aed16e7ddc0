"""Contents: what a checkpoint holds, told by its bytes and not by the suffix of its name."""

from __future__ import annotations

import io
import zipfile
from typing import Literal

from influence.errors import InfluenceError

__all__ = ["Content", "content_of"]

Content = Literal["program", "script", "pickle", "safetensors", "onnx"]

_MEMBERS: dict[str, Content] = {
    "archive_format": "program",
    "models/model.json": "program",
    "serialized_exported_program.json": "program",
    "constants.pkl": "script",
    "data.pkl": "pickle",
}
"""Members of a zip archive by which torch's formats differ, the most telling first."""

_FOREIGN = {
    b"version https://git-lfs": "a pointer of Git LFS in the place of the file. Fetch the file: "
    "git lfs pull",
    b"\x89HDF": "an HDF5 file, as Keras writes; data sets go elsewhere. Name a checkpoint of torch",
    b"\x1f\x8b": "compressed with gzip. Unpack it",
    b"<": "a page or another text. Copy the file again",
}
_EXPECTED = (
    "expected an exported program (.pt2), weights of torch.save or safetensors, a folder with "
    "these, ONNX, or TorchScript"
)
_VARINT, _BYTES = 0, 2  # wire types of protobuf
_IR_VERSION, _GRAPH = 1, 7  # fields of ONNX's ModelProto, which has no other marks


def content_of(data: bytes) -> Content:
    """Return what a file holds: a program, TorchScript, a pickle, safetensors or ONNX.

    Nothing is loaded; a file that only begins like one of these may still turn out to be broken.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    InfluenceError
        If it is empty, or none of these.

    Examples
    --------
    >>> import safetensors.numpy
    >>> content_of(safetensors.numpy.save({}))
    'safetensors'
    """
    if not data:
        raise InfluenceError("the file is empty. Copy it again")
    if data.startswith(b"PK"):
        return _content_of_archive(data)
    if data[8:9] == b"{" and int.from_bytes(data[:8], "little") < 1 << 32:
        return "safetensors"
    if data.startswith(b"\x80"):  # pickles of torch before 1.6 and of others
        return "pickle"
    if _is_onnx(data):
        return "onnx"
    kind = next((kind for mark, kind in _FOREIGN.items() if data.startswith(mark)), None)
    if kind:
        raise InfluenceError(f"it is {kind}")
    raise InfluenceError(
        f"it is no checkpoint of a known kind, or cut off: it starts with {data[:8]!r}; "
        f"{_EXPECTED}. Copy it again, or export it with influence.export_checkpoint"
    )


def _content_of_archive(data: bytes) -> Content:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
    except Exception as error:  # zipfile raises many kinds on malformed archives
        raise InfluenceError(f"it is an archive that is cut off: {error}. Copy it again") from error
    inner = {name.partition("/")[2] for name in names} | set(names)
    for member, kind in _MEMBERS.items():
        if member in inner:
            return kind
    raise InfluenceError(f"it is an archive of {', '.join(sorted(names)[:3])}, ...; {_EXPECTED}")


def _is_onnx(data: bytes) -> bool:
    """Return whether the bytes are one protobuf message with the fields of an ONNX model."""
    seen, place = set(), 0
    try:
        while place < len(data):
            key, place = _varint(data, place)
            if key & 7 not in (_VARINT, _BYTES):
                return False
            value, place = _varint(data, place)
            place += value if key & 7 == _BYTES else 0
            seen.add(key >> 3)
    except IndexError:
        return False
    return place == len(data) and {_IR_VERSION, _GRAPH} <= seen


def _varint(data: bytes, place: int) -> tuple[int, int]:
    """Read a number of seven bits a byte, the lowest first; return it and the next place."""
    value = shift = 0
    while True:
        value |= (data[place] & 127) << shift
        if data[place] < 128 or shift > 63:
            return value, place + 1
        place, shift = place + 1, shift + 7
