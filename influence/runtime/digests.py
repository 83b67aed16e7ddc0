"""Digests: short texts by which processes and runs see whether they read the same data.

A digest is XXH3 with 128 bits, which is faster than memory is read by most networks. It finds
differences that happen by accident; it is no protection from somebody who makes them on purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from inspect import isroutine
from typing import Any

import numpy as np
import torch
import xxhash
from numpy.typing import NDArray
from torch import Tensor

from influence.runtime.values import Values

__all__ = ["RunningDigest", "SeenNames", "digest_of"]

Hasher = xxhash.xxh3_128

RECENT = 2**16
"""Of this many names the numbers are kept in a set, which is quick; of all others in arrays."""

DEEPEST = 20
"""Of objects inside objects only this many levels are looked at."""


def digest_of(value: Any) -> str:
    """Return the digest of tensors, arrays, texts and numbers, also inside containers and objects.

    Parameters
    ----------
    value
        Anything. Of an object of an unknown class counts what pickling would keep.

    Examples
    --------
    >>> digest_of({"x": torch.zeros(2)}) == digest_of({"x": torch.zeros(2)})
    True
    >>> digest_of({"x": torch.zeros(2)}) == digest_of({"x": torch.zeros(2, 1)})
    False
    """
    hasher = Hasher()
    _feed(hasher, value, DEEPEST, {})
    return hasher.hexdigest()


Known = dict[int, tuple[object, str]]
"""The digests of the containers and objects met so far, by identity; they may hold each other."""


def _feed(hasher: Hasher, value: Any, levels: int, known: Known) -> None:
    """Add a value to a hasher, its type and length before its content."""
    kind = type(value).__qualname__
    if isinstance(value, Tensor):
        dense, head = _dense(value)
        hasher.update(_encoded(f"{kind}{head}{tuple(dense.shape)}"))
        hasher.update(_bytes_of(dense))
    elif _is_plain(value):
        hasher.update(_encoded(f"{kind}{value.dtype.str}{value.shape}"))
        hasher.update(np.ascontiguousarray(value).reshape(-1).view(np.uint8).data)
    elif isinstance(value, int):  # long ones have no decimal digits
        hasher.update(_encoded(f"{kind}:{value:x}"))
    elif isinstance(value, (bytearray, memoryview)):
        hasher.update(_encoded(f"{kind}{len(value)}") + bytes(value))
    elif value is None or isinstance(value, (str, bytes, float, complex, np.generic)):
        hasher.update(_encoded(f"{kind}:{value!r}"))
    elif isinstance(value, list) and all(type(part) is str for part in value):
        hasher.update(_encoded(f"{kind}{len(value)}") + _texts(value))
    elif levels == 0 or isinstance(value, type) or isroutine(value):
        hasher.update(_encoded(f"{kind}:{getattr(value, '__qualname__', '')}"))
    else:
        if id(value) not in known:
            known[id(value)] = value, "of what holds it"
            known[id(value)] = value, _digest_of_parts(value, kind, levels - 1, known)
        hasher.update(_encoded(known[id(value)][1]))


def _is_plain(value: Any) -> bool:
    masked = isinstance(value, np.ma.MaskedArray)
    return isinstance(value, np.ndarray) and not masked and not value.dtype.hasobject


def _digest_of_parts(value: Any, kind: str, levels: int, known: Known) -> str:
    if isinstance(value, Mapping):
        parts = [part for key in sorted(value, key=repr) for part in (key, value[key])]
    elif isinstance(value, (set, frozenset)):
        parts = sorted(map(digest_of, value))
    elif isinstance(value, (list, tuple)):
        parts = list(value)
    elif isinstance(value, np.ma.MaskedArray):
        parts = [np.ma.getdata(value), np.ma.getmaskarray(value)]
    elif isinstance(value, np.ndarray):
        parts = [value.shape, str(value.dtype), *np.asarray(value).reshape(-1).tolist()]
    elif hasattr(value, "__array_interface__"):  # such as a picture of Pillow
        parts = [np.asarray(value)]
    else:
        parts = _reduced(value)
    hasher = Hasher()
    hasher.update(_encoded(f"{kind}{len(parts)}"))
    for part in parts:
        _feed(hasher, part, levels, known)
    return hasher.hexdigest()


def _reduced(value: Any) -> list[Any]:
    """Return what an object is made of, as for pickling; of some only the attributes are known."""
    try:
        _, *parts = value.__reduce_ex__(4)
    except Exception:  # such as a file or a lock
        return [getattr(value, "__dict__", None)]
    return [list(part) if isinstance(part, Iterator) else part for part in parts]


def _dense(x: Tensor) -> tuple[Tensor, str]:
    """Return the stored numbers of a tensor on the CPU, and what else there is to know of it."""
    x = x.detach()
    head = str(x.dtype)
    if x.is_meta:
        return torch.zeros(0), f"meta{tuple(x.shape)}{head}"
    if x.is_nested:
        parts = x.unbind()
        return torch.cat([part.reshape(-1) for part in parts]), f"{[p.shape for p in parts]}{head}"
    if x.is_quantized:
        return x.dequantize().cpu(), f"{x.qscheme()}{head}"
    if x.layout != torch.strided:
        return x.to_dense().cpu(), f"{x.layout}{head}"
    return x.cpu().resolve_conj().resolve_neg(), head


def _bytes_of(x: Tensor) -> memoryview:
    found = x.contiguous().reshape(-1).view(torch.uint8).numpy() if x.numel() else np.zeros(0, "u1")
    return found.data


def _texts(texts: list[str]) -> bytes:
    """Return texts as bytes from which each can be told, many times as fast as one by one."""
    return _encoded("".join(map(repr, texts)))


def _encoded(text: str) -> bytes:
    # Texts may hold halves of characters, which have no UTF-8.
    return text.encode("utf-8", "surrogatepass")


class RunningDigest:
    """The digest of samples that come in batches: of all so far, wherever batches are cut.

    Examples
    --------
    >>> whole, parts = RunningDigest(), RunningDigest()
    >>> digest = whole.add({"x": torch.arange(4)})
    >>> _ = parts.add({"x": torch.arange(3)})
    >>> parts.add({"x": torch.tensor([3])}) == digest
    True
    """

    def __init__(self) -> None:
        self._hashers: dict[str, Hasher] = {}
        self._heads: dict[str, str] = {}
        self._samples = 0

    def add(self, values: Mapping[str, Values], shared: Mapping[str, Any] | None = None) -> str:
        """Add the values of a batch by name, and return the digest of all batches so far.

        Parameters
        ----------
        values
            Tensors with samples first, or lists with one entry a sample.
        shared
            What is one value for the whole batch; it counts where it changes.
        """
        for name, own in values.items():
            hasher = self._hashers.setdefault(name, Hasher())
            if isinstance(own, list) and all(type(value) is str for value in own):
                hasher.update(_texts(own))
                continue
            if isinstance(own, list):
                for value in own:
                    _feed(hasher, value, DEEPEST, {})
                continue
            dense, head = _dense(own)
            self._announce(name, f"{head}{tuple(dense.shape[1:])}")
            hasher.update(_bytes_of(dense))
        for name, value in (shared or {}).items():
            self._announce(f"shared {name}", digest_of(value))
        self._samples += max(map(len, values.values()), default=0)
        whole = Hasher()
        for name, hasher in sorted(self._hashers.items()):
            whole.update(_encoded(f"{name}:{hasher.hexdigest()}"))
        return whole.hexdigest()

    def _announce(self, name: str, head: str) -> None:
        """Add what holds for the following samples, if it differs from what held before."""
        if self._heads.get(name) != head:
            self._heads[name] = head
            found = f"{head} from sample {self._samples} on"
            self._hashers.setdefault(name, Hasher()).update(_encoded(found))


class SeenNames:
    """The names of samples seen so far in a stream, eight bytes each, to find one that repeats.

    Examples
    --------
    >>> seen = SeenNames()
    >>> seen.add(["a", "b"]), seen.add(["c", "b"])
    (None, 'b')
    """

    def __init__(self) -> None:
        self._recent: set[int] = set()
        self._sorted: list[NDArray[np.uint64]] = []

    def add(self, names: list[str]) -> str | None:
        """Add names, and return the first of them that was seen before; `None` if all are new."""
        numbers = [xxhash.xxh3_64_intdigest(_encoded(name)) for name in names]
        old = np.zeros(len(names), dtype=bool)
        sought = np.array(numbers, dtype=np.uint64)
        for known in self._sorted:
            old |= known[np.minimum(np.searchsorted(known, sought), len(known) - 1)] == sought
        for name, number, known in zip(names, numbers, old.tolist(), strict=True):
            if known or number in self._recent:
                return name
            self._recent.add(number)
        if len(self._recent) > RECENT:
            self._settle()
        return None

    def _settle(self) -> None:
        """Sort the recent numbers; sorted parts double in length, so that few are searched."""
        new = np.array(sorted(self._recent), dtype=np.uint64)
        self._recent = set()
        while self._sorted and len(self._sorted[-1]) <= len(new):
            new = np.union1d(new, self._sorted.pop())
        self._sorted.append(new)
