"""Mutations of HDF5 files that leave them readable: attributes, datasets, links, storage."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import h5py
import numpy as np

from tests.hostile.mutation import NUMBERS, TEXTS

__all__ = ["mutate_hdf5"]

TYPES = (
    "f2", "f4", "f8", "c8", "i1", "i8", "u1", "u2", "u8", "bool", "S5", "O", "V3", ">f4", ">i2",
    "i4,f4",
)  # fmt: skip


def mutate_hdf5(stream: Random, path: Path) -> tuple[str, bool]:
    """Change one thing of a file; return what, and whether the file may still be a sound one."""
    kind = stream.choice((*_MUTATIONS, "attribute", "attribute", "values", "values"))
    with h5py.File(path, "r+") as file:
        found: list[str] = []
        file.visit(found.append)
        datasets = [n for n in found if isinstance(file[n], h5py.Dataset)]
        name = stream.choice(datasets)
        note, sound = _MUTATIONS[kind](stream, file, name)
        return f"{kind} of {name}: {note}", sound


def _attribute(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    holder = stream.choice((file, file[name], file[name], file[name].parent))
    known = ["format", "version", "name", "unit", "scale", "offset", "ignore", "range", "classes",
             "mean", "std", "network", *holder.attrs]  # fmt: skip
    key = stream.choice(known)
    value: Any = stream.choice((
        *TEXTS, *NUMBERS, [], [1, 2], [float("nan")] * 2, ["a", "a"], ["", "b", "c"], [["a"],
        ["b"]],
        ["x" * 300, "\x1b[31m", "\u202e"], np.zeros((3, 3)), np.bool_(True), h5py.Empty("f4"),
        b"\xff",
        [0, 1e308], [-1e308, 1e308], [5e-324, 1e-323], [2, 1], np.zeros(3, "V4"),
    ))  # fmt: skip
    with suppress(TypeError, ValueError, OSError, OverflowError, RuntimeError, UnicodeError):
        holder.attrs[key] = value
    return f"{key} of {holder.name} is {value!r:.40}", True


def _values(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    value = stream.choice((*NUMBERS, *TEXTS))
    place = stream.choice((slice(None), 0, -1, 1))
    with suppress(TypeError, ValueError, OSError, OverflowError, UnicodeError):
        file[name][place] = value
    return f"{value!r:.40} at {place}", True


def _type(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    old = _remove(file, name)
    kind = stream.choice(TYPES)
    if kind == "O":
        made = h5py.string_dtype()
        file.create_dataset(name, data=np.full(old.shape, "text", object), dtype=made)
    else:
        file.create_dataset(name, data=np.zeros(old.shape, kind))
    return kind, True


def _shape(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    old = _remove(file, name)
    shape = stream.choice((
        (), (0,), (0, *old.shape[1:]), (*old.shape, 1), old.shape[:1], (old.shape[0] + 1,
        *old.shape[1:]),
        (*old.shape[:-1], 1000), (*old.shape[:1], 0), (1,) * 30, old.shape[::-1],
    ))  # fmt: skip
    file.create_dataset(name, data=np.zeros(shape, old.dtype if old.dtype.kind != "O" else "f4"))
    return str(shape), True


def _claim(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    """Claim more values than the file holds: chunks that were never written."""
    old = _remove(file, name)
    count = stream.choice((len(old), 10**6, 10**9, 2**40))
    shape = (count, *(stream.choice((n, 10**5)) for n in old.shape[1:]))
    kind = "f4" if old.dtype.kind == "O" else old.dtype
    with suppress(ValueError, OverflowError):
        chunks = tuple(min(n, 64) for n in shape)
        file.create_dataset(name, shape, kind, chunks=chunks, compression="gzip")
    return f"{shape} never written", name.startswith("images")  # which a measurement does not read


def _partly(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    old = _remove(file, name)
    kind = "f4" if old.dtype.kind == "O" else old.dtype
    made = file.create_dataset(name, old.shape, kind, chunks=(1, *old.shape[1:]))
    if old.dtype.kind != "O":
        made[0] = old[0]
    return "all but the first sample never written", name.startswith("images")


def _external(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    old = _remove(file, name)
    target = stream.choice(
        ("../outside/notes.txt", "/dev/zero", "/etc/passwd", "nowhere", "\x1b[2J")
    )
    kind = "f4" if old.dtype.kind == "O" else old.dtype
    size = max(1, int(np.prod(old.shape)) * np.dtype(kind).itemsize)
    with suppress(OSError, ValueError):
        file.create_dataset(name, old.shape, kind, external=[(target, 0, size)])
    return f"the bytes lie in {target}", False


def _virtual(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    old = _remove(file, name)
    target = stream.choice(("../outside/other.h5", "nowhere.h5", ".", "/etc/passwd"))
    kind = "f4" if old.dtype.kind == "O" else old.dtype
    layout = h5py.VirtualLayout(old.shape, kind)
    if old.shape:
        layout[...] = h5py.VirtualSource(target, name, old.shape)
    file.create_virtual_dataset(name, layout)
    return f"virtual, of {target}", False


def _link(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    place = stream.choice((name, name.rpartition("/")[0] or name))
    del file[place]
    link: Any = stream.choice((
        h5py.SoftLink("/nowhere"), h5py.SoftLink(f"/{place}"), h5py.SoftLink("/"),
        h5py.SoftLink("/inputs"),
        h5py.ExternalLink("nowhere.h5", "/x"), h5py.ExternalLink("../outside/notes.txt", "/"),
        h5py.ExternalLink("/dev/zero", "/"), h5py.ExternalLink(file.filename, f"/{place}"),
        h5py.ExternalLink("again.h5", f"/{place}"),
    ))  # fmt: skip
    file[place] = link
    return f"{place} is {type(link).__name__} to {link.path}", False


def _loop(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    """Let a group be its own member."""
    group = file[name].parent
    group["again"] = group
    return f"{group.name} holds itself", True


def _gone(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    place = stream.choice((name, name.partition("/")[0]))
    del file[place]
    return f"{place} removed", True


def _renamed(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    above, _, _ = name.rpartition("/")
    new = stream.choice([text for text in TEXTS if "\0" not in text and text.strip("/. ")])
    with suppress(ValueError, OSError, RuntimeError, UnicodeError):
        file.move(name, f"{above}/{new}" if above else new)
    return f"called {new!r:.40}", True


def _other(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    """Put something else in the place of a dataset."""
    _remove(file, name)
    kind = stream.choice(("group", "type", "null", "reference", "list", "enum"))
    if kind == "group":
        file.create_group(name).create_group("inside")
    elif kind == "type":
        file[name] = np.dtype("f4")
    elif kind == "null":
        file.create_dataset(name, data=h5py.Empty("f4"))
    elif kind == "reference":
        file.create_dataset(name, (6,), h5py.ref_dtype)
    elif kind == "enum":
        file.create_dataset(name, (6,), h5py.enum_dtype({"a": 0, "b": 1}))
    else:
        file.create_dataset(name, (6,), h5py.vlen_dtype(np.dtype("f4")))
    return kind, True


def _many(stream: Random, file: h5py.File, name: str) -> tuple[str, bool]:
    """Add many datasets and a deep row of groups."""
    above = file[name].parent
    for i in range(300):
        above[f"{i}"] = np.zeros(1, "f4")
    above.create_group("/".join(["deep"] * 500))
    return "300 datasets and 500 groups more", True


def _remove(file: h5py.File, name: str) -> Any:
    """Remove a dataset, and return its values."""
    old = file[name][...]
    del file[name]
    return np.asarray(old)


_Mutation = Callable[[Random, h5py.File, str], tuple[str, bool]]
_MUTATIONS: Mapping[str, _Mutation] = {
    "attribute": _attribute,
    "values": _values,
    "type": _type,
    "shape": _shape,
    "claim": _claim,
    "part": _partly,
    "external": _external,
    "virtual": _virtual,
    "link": _link,
    "loop": _loop,
    "removal": _gone,
    "name": _renamed,
    "other": _other,
    "many": _many,
}
