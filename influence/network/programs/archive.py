"""Archives: the members of a `.pt2` file, as plain bytes and plain tensors, never as pickles."""

from __future__ import annotations

import io
import json
import math
import re
import sys
import zipfile
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError

__all__ = ["DTYPES", "read_json", "read_members", "read_tensors", "with_text"]

# Enumerators of torch._export.serde.schema.ScalarType.
DTYPES = {
    1: torch.uint8,
    2: torch.int8,
    3: torch.int16,
    4: torch.int32,
    5: torch.int64,
    6: torch.float16,
    7: torch.float32,
    8: torch.float64,
    10: torch.complex64,
    11: torch.complex128,
    12: torch.bool,
    13: torch.bfloat16,
}

_SAMPLES = "data/sample_inputs/model.pt"
_EXPECTED = re.compile(
    r"models/model\.json"
    r"|data/weights/(model_weights_config\.json|weight_\d+|model\.pt)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+|model\.pt)"
    r"|data/sample_inputs/model\.pt"
    r"|extra/.+"
    r"|archive_format|archive_version|byteorder|version|\.format_version|\.storage_alignment"
    r"|\.data/(version|serialization_id)"
)
_EARLIER = {
    "serialized_exported_program.json": "models/model.json",
    "serialized_state_dict.pt": "data/weights/model.pt",
    "serialized_constants.pt": "data/constants/model.pt",
    "serialized_example_inputs.pt": "data/sample_inputs/model.pt",
    "version": "version",
}
"""How torch before 2.8 calls the members, in an archive without a root folder."""

_FOREIGN = {
    "data/aotinductor/": "compiled machine code",
    "data/executorch/": "compiled code",
    "data/constants/": "a pickled object",
    "data/weights/": "pickled weights",
    "models/": "a second network",
}
_REMEDY = "Export the network again with influence.export_checkpoint"


def read_members(data: bytes) -> dict[str, bytes]:
    """Return the members of a `.pt2` archive: name without the root folder -> content.

    The archive is listed and read once, in memory, by one parser, and nothing is unpacked to
    disk. Members that the export of a plain network does not have, members that are repeated or
    compressed (torch stores these without compression), and members that claim more bytes than the
    file has are refused before any is read. Sample inputs, which `torch.export.save` adds as a
    pickle, are never unpickled; a pickle that names code is refused.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    InfluenceError
        If the bytes are not such an archive.

    Examples
    --------
    >>> read_members(b"no archive")
    Traceback (most recent call last):
    influence.errors.InfluenceError: it is not a .pt2 file, or cut off: File is not a zip file...
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = _inner_names([info.filename for info in infos])
            _check_sizes(infos, len(data))
            members = {name: archive.read(info) for name, info in zip(names, infos, strict=True)}
    except InfluenceError:
        raise
    except Exception as error:  # zipfile raises many kinds on malformed archives
        raise InfluenceError(
            f"it is not a .pt2 file, or cut off: {error}. Copy it again, or name a file that "
            "influence.export_checkpoint wrote"
        ) from error
    if (order := members.get("byteorder", b"")) not in (b"", sys.byteorder.encode()):
        raise InfluenceError(f"its byte order is {order!r}, this machine's is {sys.byteorder!r}")
    if unsafe := _unsafe_pickle(members.get(_SAMPLES, b"")):
        raise InfluenceError(
            f"its sample inputs are a pickle that holds code ({unsafe}). It was not executed; do "
            "not trust this file"
        )
    return members


def with_text(data: bytes, name: str, text: str) -> bytes:
    """Return a `.pt2` archive in which the content of one extra file is replaced.

    All other members and their order stay the same to the byte; nothing is unpickled.

    Parameters
    ----------
    data
        The whole file.
    name
        The name of the extra file, which must exist.
    text
        Its new content.

    Raises
    ------
    InfluenceError
        If the bytes are not such an archive, or if it has no such extra file.
    """
    member = f"extra/{name}"
    if member not in (members := read_members(data)):
        raise InfluenceError(f"it has no {name}. {_REMEDY}")
    buffer = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(buffer, "w") as new:
        for info, inner in zip(old.infolist(), members, strict=True):
            changed = inner == member
            content = text.encode() if changed else old.read(info)
            new.writestr(zipfile.ZipInfo(info.filename, info.date_time), content)
    return buffer.getvalue()


def _inner_names(names: list[str]) -> list[str]:
    """Return the names of members without the root folder, after a check of each."""
    if "serialized_exported_program.json" in names:
        inner = [_EARLIER.get(name, name.replace("extra_files/", "extra/", 1)) for name in names]
        names = [f"root/{name}" for name in inner]
    else:
        inner = [name.partition("/")[2] for name in names]
        _check_root(inner)
    if len(set(inner)) < len(names) or len({name.partition("/")[0] for name in names}) > 1:
        raise InfluenceError(f"its archive repeats a member or has several roots. {_REMEDY}")
    for name in inner:
        if not _EXPECTED.fullmatch(name):
            kind = next((k for prefix, k in _FOREIGN.items() if name.startswith(prefix)), "unknown")
            raise InfluenceError(
                f"its member {name!r} is {kind}; expected one graph, plain weights and texts only. "
                + _REMEDY
            )
    return inner


def _check_root(inner: list[str]) -> None:
    if "archive_format" not in inner:
        kinds = {"constants.pkl": "TorchScript code", "data.pkl": "weights or a pickled module"}
        kind = next((kind for name, kind in kinds.items() if name in inner), "something else")
        raise InfluenceError(f"it is an archive of {kind}, expected an exported program. {_REMEDY}")


def _check_sizes(infos: list[zipfile.ZipInfo], file_size: int) -> None:
    if any(i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size for i in infos):
        raise InfluenceError(f"its members are compressed, which torch never does. {_REMEDY}")
    if sum(info.file_size for info in infos) > file_size:
        raise InfluenceError(f"its members claim more bytes than the file has. {_REMEDY}")


def _unsafe_pickle(pickled: bytes) -> str:
    """List the functions and classes, beyond those of plain tensors, that a pickle would load."""
    if not pickled:
        return ""
    find = getattr(torch.serialization, "get_unsafe_globals_in_checkpoint", None)
    if find is None:  # before torch 2.6; the pickle is never loaded anyway
        return ""
    try:
        names = find(io.BytesIO(pickled))
    except Exception as error:  # no file of torch.save
        return f"unreadable: {error}"
    return ", ".join(sorted(names))


def read_json(members: Mapping[str, bytes], name: str) -> Any:
    """Parse one member as JSON.

    Raises
    ------
    InfluenceError
        If there is no such member, or it is not JSON.

    Examples
    --------
    >>> read_json({"a": b"[1]"}, "a")
    [1]
    """
    if name not in members:
        raise InfluenceError(f"its member {name!r} is missing. {_REMEDY}")
    try:
        return json.loads(members[name].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InfluenceError(f"its member {name!r} is not JSON: {error}. {_REMEDY}") from error


def read_tensors(members: Mapping[str, bytes], folder: str) -> dict[str, Tensor]:
    """Return the tensors in the archive's folder ``weights`` or ``constants``, by name.

    torch before 2.9 kept them as one pickle, which is read with `weights_only=True`.

    Raises
    ------
    InfluenceError
        If a tensor is pickled by itself, or claims more values than its member has, or if a pickle
        holds anything but tensors.
    """
    if (pickled := members.get(f"data/{folder}/model.pt")) is not None:
        return _unpickle_tensors(pickled, folder)
    config = read_json(members, f"data/{folder}/model_{folder}_config.json")["config"]
    return {
        name: _read_tensor(members, f"data/{folder}/{entry['path_name']}", name, entry)
        for name, entry in config.items()
    }


def _unpickle_tensors(pickled: bytes, folder: str) -> dict[str, Tensor]:
    try:
        found = torch.load(io.BytesIO(pickled), map_location="cpu", weights_only=True)
        plain = all(type(value) in (Tensor, nn.Parameter) for value in found.values())
    except Exception as error:  # torch raises many kinds
        code = re.search(r"GLOBAL (\S+)", str(error))
        raise InfluenceError(
            f"its {folder} are a pickle that "
            + (f"holds code ({code[1]}), which was not executed" if code else "is broken")
            + f". {_REMEDY}"
        ) from error
    if not plain:
        raise InfluenceError(f"its {folder} are something else than plain tensors. {_REMEDY}")
    return {
        name: nn.Parameter(value.detach(), requires_grad=False)
        if isinstance(value, nn.Parameter)
        else value
        for name, value in found.items()
    }


def _read_tensor(
    members: Mapping[str, bytes], path: str, name: str, entry: Mapping[str, Any]
) -> Tensor:
    meta = entry["tensor_meta"]
    if entry["use_pickle"] or meta is None:
        raise InfluenceError(
            f"its tensor {name!r} is a pickle, which can hold code; it was not loaded. Convert "
            "tensor subclasses (quantised, distributed) to plain tensors before the export"
        )
    if path not in members:
        raise InfluenceError(f"its member {path!r} with tensor {name!r} is missing. {_REMEDY}")
    dtype = DTYPES[meta["dtype"]]
    sizes = [size["as_int"] for size in meta["sizes"]]
    strides = [stride["as_int"] for stride in meta["strides"]]
    offset = meta["storage_offset"]["as_int"]
    if sizes and min(sizes) == 0:
        return torch.zeros(sizes, dtype=dtype)
    room = len(members[path]) // dtype.itemsize
    end = offset + 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    if min([*sizes, *strides, offset]) < 0 or max(math.prod(sizes), end) > room:
        raise InfluenceError(
            f"its tensor {name!r} of shape {sizes} does not fit into its {len(members[path])} "
            "bytes. " + _REMEDY
        )
    flat = torch.frombuffer(bytearray(members[path]), dtype=dtype)
    tensor = torch.as_strided(flat, sizes, strides, offset)
    return nn.Parameter(tensor, requires_grad=False) if entry["is_param"] else tensor
