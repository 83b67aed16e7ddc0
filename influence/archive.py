"""The members of a `.pt2` archive: plain bytes and plain tensors, never a pickle."""

from __future__ import annotations

import io
import json
import math
import re
import zipfile
from typing import Any

import torch
from torch import Tensor

from influence.errors import InfluenceError

__all__ = ["DTYPES", "read_json", "read_members", "read_tensors"]

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

_EXPECTED = re.compile(
    r"models/model\.json"
    r"|data/weights/(model_weights_config\.json|weight_\d+)"
    r"|data/constants/(model_constants_config\.json|tensor_\d+)"
    r"|data/sample_inputs/model\.pt"
    r"|extra/[\w.-]+"
    r"|archive_format|archive_version|byteorder|\.format_version|\.storage_alignment"
    r"|\.data/(version|serialization_id)"
)
_REFUSED = {
    "data/aotinductor/": "compiled machine code",
    "data/executorch/": "compiled code",
    "data/constants/custom_obj_": "a pickled object",
    "data/constants/opaque_obj_": "a pickled object",
    "data/weights/": "pickled weights",
    "data/constants/": "pickled constants",
}
_REMEDY = "Export the network again with influence.export_checkpoint"


def read_members(data: bytes) -> dict[str, bytes]:
    """Return the members of a `.pt2` archive by their names without the root folder.

    torch stores members without compression, so an archive whose members are compressed, larger
    together than the file, repeated, or of another kind than `torch.export.save` writes for a
    plain network was not written by it, and is refused before anything in it is used.

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
    influence.errors.InfluenceError: it is not a .pt2 archive: File is not a zip file
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_sizes(infos, len(data))
            members = {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, ValueError, EOFError) as error:
        raise InfluenceError(f"it is not a .pt2 archive: {error}") from error
    roots = {name.partition("/")[0] for name in members}
    if len(members) < len(infos) or len(roots) != 1:
        raise InfluenceError("its archive repeats a member or has several root folders")
    members = {name.partition("/")[2]: content for name, content in members.items()}
    if members.get("archive_format") != b"pt2" or "models/model.json" not in members:
        kind = "a TorchScript archive" if "constants.pkl" in members else "no exported program"
        raise InfluenceError(f"it is a zip archive, but {kind}, not a .pt2 file. {_REMEDY}")
    for name in members:
        if not _EXPECTED.fullmatch(name):
            what = next((w for prefix, w in _REFUSED.items() if name.startswith(prefix)), "")
            raise InfluenceError(
                f"its member {name!r} is {what or 'unknown'}; only an exported graph, its plain "
                f"weights and text are read. {_REMEDY}"
            )
    return members


def _check_sizes(infos: list[zipfile.ZipInfo], file_size: int) -> None:
    if any(i.compress_type != zipfile.ZIP_STORED or i.file_size != i.compress_size for i in infos):
        raise InfluenceError(f"its members are compressed, which torch never does. {_REMEDY}")
    if sum(i.file_size for i in infos) > file_size:
        raise InfluenceError("its members claim to be larger than the file")


def read_json(members: dict[str, bytes], name: str) -> Any:
    """Parse one member as JSON."""
    if name not in members:
        raise InfluenceError(f"it has no member {name!r}. {_REMEDY}")
    try:
        return json.loads(members[name].decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InfluenceError(f"its member {name!r} is not JSON: {error}") from error


def read_tensors(members: dict[str, bytes], folder: str) -> dict[str, Tensor]:
    """Return the tensors of `data/weights` or `data/constants`, parameters as parameters."""
    config = read_json(members, f"data/{folder}/model_{folder}_config.json")["config"]
    return {
        name: _read_tensor(members, f"data/{folder}/{meta['path_name']}", name, meta)
        for name, meta in config.items()
    }


def _read_tensor(members: dict[str, bytes], path: str, name: str, entry: dict[str, Any]) -> Tensor:
    meta = entry["tensor_meta"]
    if entry["use_pickle"] or meta is None:
        raise InfluenceError(
            f"its tensor {name!r} is a pickle, which can hold code. Store plain tensors: convert "
            "tensor subclasses (quantised, distributed) before the export"
        )
    dtype = DTYPES[meta["dtype"]]
    sizes = [size["as_int"] for size in meta["sizes"]]
    strides = [stride["as_int"] for stride in meta["strides"]]
    offset = meta["storage_offset"]["as_int"]
    extent = offset + 1 + sum((n - 1) * step for n, step in zip(sizes, strides, strict=True))
    room = len(members[path]) // dtype.itemsize
    if min([*sizes, *strides, offset, 0]) < 0 or max(math.prod(sizes), extent) > room:
        raise InfluenceError(f"its tensor {name!r} claims more values than its member holds")
    if not math.prod(sizes):
        return torch.zeros(sizes, dtype=dtype)
    flat = torch.frombuffer(bytearray(members[path]), dtype=dtype)
    tensor = torch.as_strided(flat, sizes, strides, offset)
    if entry["is_param"]:
        return torch.nn.Parameter(tensor, requires_grad=False)
    return tensor
