"""State dicts: tensors by name out of pickles, safetensors and folders; nothing is executed."""

from __future__ import annotations

import hashlib
import io
import json
import re
import sys
import warnings
from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.runtime.reading.recorded_hashes import check_recorded
from influence.runtime.reading.regular_files import read_regular

__all__ = ["WRAPPERS", "Weights", "find_entries", "read_folder", "read_pickle", "read_safetensors"]

Weights = dict[str, Tensor]

WRAPPERS = (
    *("state_dict", "model_state_dict", "model", "module", "net", "network", "generator"),
    *("params", "weights", "student", "ema", "model_ema", "ema_state_dict", "params_ema"),
)
"""Entries under which training code saves weights, in the order in which they are tried."""

_DEPTH = 4
_INDEX = "model.safetensors.index.json"
_REMEDY = "Save plain weights: torch.save(module.state_dict(), path), or a .safetensors file"

# What training code keeps beside weights. Of everything else in Python's own library a pickle is
# refused: it may be a function that does something.
_BUILTINS = "bool bytearray bytes complex dict float frozenset int list object set slice str tuple"
_PATHS = "Path PosixPath PurePath PurePosixPath PureWindowsPath WindowsPath"
_DATA = {
    "argparse.Namespace",
    "collections.defaultdict",
    "collections.deque",
    "copyreg._reconstructor",
    "functools.partial",
    "types.SimpleNamespace",
    *(f"builtins.{name}" for name in _BUILTINS.split()),
    *(f"datetime.{name}" for name in ("date", "datetime", "time", "timedelta", "timezone")),
    *(f"pathlib.{part}{name}" for part in ("", "_local.") for name in _PATHS.split()),
}


class _LeftOut:
    """Stands for an object whose class is not loaded; it takes anything, and holds nothing.

    torch's reader of pickles looks classes up by name in a table. Here the table gives a subclass
    of this one for every name, so that no code of the file or of its packages runs.
    """

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


class _LeftOutMapping(_LeftOut):
    """Stands for a dictionary of another class: a plain one, the only kind that torch fills."""

    def __new__(cls, *args: object, **kwargs: object) -> Any:
        return OrderedDict()


def read_pickle(data: bytes) -> Any:
    """Return what a file of `torch.save` holds; read with `weights_only=True`, always.

    Objects that training code keeps beside the weights (options, paths, NumPy numbers, classes of
    other packages) are replaced by empty stand-ins: no class is imported, no function called.

    Raises
    ------
    InfluenceError
        If it is no such file, names functions of Python's library, or is a pickled module.

    Examples
    --------
    >>> import argparse
    >>> buffer = io.BytesIO()
    >>> torch.save({"model": {"k": torch.ones(1)}, "args": argparse.Namespace(lr=1)}, buffer)
    >>> read_pickle(buffer.getvalue())["model"]
    {'k': tensor([1.])}
    """
    stand_ins: dict[str, type[_LeftOut]] = {}
    while True:
        try:
            with warnings.catch_warnings(), _marked_as_known(stand_ins.values()):
                # Pickles of other protocols lead to an error below, which says more.
                warnings.filterwarnings("ignore", "Detected pickle protocol")
                content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
            break
        except Exception as error:  # torch raises many kinds on foreign files
            filled = re.search(r"SETITEMS? for .*<class '(\S+)'>", str(error))
            if filled and stand_ins.get(filled[1], _LeftOutMapping).__base__ is _LeftOut:
                stand_ins[filled[1]] = _stand_in(filled[1], _LeftOutMapping)
                continue
            named = re.search(r"GLOBAL (\S+)", str(error))
            if not named:
                raise _broken(str(error)) from error
            # torch shortens the names of Python's own types and functions.
            name = named[1] if "." in named[1] else f"builtins.{named[1]}"
            if name in stand_ins or not _is_data(name):
                raise InfluenceError(
                    f"it is a pickle that holds code ({', '.join([*stand_ins, name])}), which was "
                    f"not executed. {_REMEDY}"
                ) from error
            stand_ins[name] = _stand_in(name, _LeftOut)
    if isinstance(content, _LeftOut):
        raise InfluenceError(
            f"it is a whole object of the class {_class_of(content)}, pickled; a pickle holds code "
            f"to make it, which was not executed. {_REMEDY}"
        )
    return content


@contextmanager
def _marked_as_known(classes: Iterable[type]) -> Iterator[None]:
    # Classes that other packages trust are made here by none of their code either.
    before = torch.serialization.get_safe_globals()
    torch.serialization.clear_safe_globals()
    torch.serialization.add_safe_globals(list(classes))
    try:
        yield
    finally:
        torch.serialization.clear_safe_globals()
        torch.serialization.add_safe_globals(before)


def _stand_in(name: str, kind: type[_LeftOut]) -> type[_LeftOut]:
    module, _, own = name.rpartition(".")
    return type(own, (kind,), {"__module__": module})


def _is_data(name: str) -> bool:
    # Pickles name modules of Python's library as Python 2 called them.
    library = {*sys.stdlib_module_names, *IMPORT_MAPPING, *(module for module, _ in NAME_MAPPING)}
    return name in _DATA or name.partition(".")[0] not in library


def _class_of(stand_in: _LeftOut) -> str:
    return f"{type(stand_in).__module__}.{type(stand_in).__name__}"


def _broken(reason: str) -> InfluenceError:
    """Return the error for a file that torch does not load, though it names no code."""
    if "TorchScript" in reason:
        return InfluenceError(f"it is a TorchScript archive, expected weights. {_REMEDY}")
    return InfluenceError(f"it is not a state dict that torch.save wrote, or cut off. {_REMEDY}")


def read_safetensors(data: bytes) -> Weights:
    """Return the tensors of a safetensors file.

    Raises
    ------
    InfluenceError
        If it is no such file, or cut off.

    Examples
    --------
    >>> read_safetensors(safetensors.torch.save({"k": torch.ones(1)}))
    {'k': tensor([1.])}
    """
    try:
        return safetensors.torch.load(data)
    except Exception as error:  # headers of others lead to many kinds
        raise InfluenceError(
            f"it is not a safetensors file, or cut off: {error}. Copy it again"
        ) from error


def read_folder(folder: Path) -> tuple[Weights, str]:
    """Return the tensors of a folder of safetensors files, and the SHA-256 of what was read.

    With several files, ``model.safetensors.index.json`` lists the tensors of each. `config.json`
    is not read: what it says about code (``auto_map``) is never looked at. The hash is that of the
    one file, or that of the hashes of all in order.

    Raises
    ------
    InfluenceError
        If there is no such file, the index names a file outside of the folder, or tensors are
        missing.
    """
    try:
        present = sorted(path.name for path in folder.iterdir() if path.suffix == ".safetensors")
        names = _indexed(folder) if (folder / _INDEX).exists() else present
        files = {name: read_regular(folder / name) for name in names}
    except OSError as error:
        raise InfluenceError(
            f"{error.filename}: {error.strerror}. Copy the folder again"
        ) from error
    if not files:
        raise InfluenceError(
            "it is a folder without .safetensors files. Name the file with the weights, or save "
            "them with safetensors.torch.save_file"
        )
    if len(files) > 1 and not (folder / _INDEX).exists():
        raise InfluenceError(
            f"its files {', '.join(files)} belong together only by {_INDEX}, which is missing. "
            "Name one of them"
        )
    weights: Weights = {}
    for name, data in files.items():
        try:
            check_recorded(folder / name, data)
            weights |= read_safetensors(data)
        except InfluenceError as error:
            raise InfluenceError(f"{name}: {error}") from error
    digests = [hashlib.sha256(data).digest() for data in files.values()]
    whole = digests[0] if len(digests) == 1 else hashlib.sha256(b"".join(digests)).digest()
    return weights, whole.hex()


def _indexed(folder: Path) -> list[str]:
    try:
        index = json.loads(read_regular(folder / _INDEX))["weight_map"].values()
        names = sorted({str(name) for name in index})
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InfluenceError(
            f"{_INDEX} does not say which file holds which tensor ({type(error).__name__}). Copy "
            "the folder again"
        ) from error
    for name in names:
        # Links are followed: the caches of hubs consist of them, and only tensors are read.
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise InfluenceError(
                f"{_INDEX} names {name!r}, expected a .safetensors file in the folder. Nothing was "
                "read; do not trust this folder"
            )
    return names


def find_entries(content: Any) -> dict[str, Weights]:
    """Return every state dict inside a checkpoint by its path, such as ``model.state_dict``.

    The usual names come first, in the order of `WRAPPERS`, then others in the order of the file. A
    checkpoint that is a state dict has the path "". States of optimisers are passed over.

    Raises
    ------
    InfluenceError
        If there is none.

    Examples
    --------
    >>> found = find_entries({"ema": {"k": torch.ones(1)}, "model": {"k": torch.zeros(1)}})
    >>> list(found)
    ['model', 'ema']
    """
    entries = dict(_walk("", content, _DEPTH))
    if not entries:
        raise InfluenceError(
            f"it holds no state dict, but {_inventory(content)}. Save one: "
            "torch.save(module.state_dict(), path)"
        )
    return entries


def _walk(path: str, content: Any, depth: int) -> Iterator[tuple[str, Weights]]:
    if isinstance(content, (list, tuple)):
        content = {str(i): item for i, item in enumerate(content)}
    if not isinstance(content, Mapping) or not depth:
        return
    named = {key: value for key, value in content.items() if isinstance(key, str)}
    tensors = {key: value for key, value in named.items() if isinstance(value, Tensor)}
    if weights := {key: value for key, value in tensors.items() if not value.is_nested}:
        yield path, weights  # nested ones have no shape
    order = [*(key for key in WRAPPERS if key in named), *(k for k in named if k not in WRAPPERS)]
    for key in order:
        if not re.match("optim|lr_sched|sched|scaler|callbacks|loops", key):
            yield from _walk(f"{path}.{key}".lstrip("."), named[key], depth - 1)


def _inventory(content: Any) -> str:
    """Say in a few words what a checkpoint holds instead of weights."""
    if not isinstance(content, Mapping):
        return f"one {type(content).__name__}"
    items = [
        f"{key}: {_class_of(x) if isinstance(x, _LeftOut) else type(x).__name__}"
        for key, x in content.items()
    ]
    return "; ".join(items[:5]) + ("; ..." if len(items) > 5 else "") or "nothing"
