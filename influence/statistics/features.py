"""Features: what the places inside a network hold, sample by sample, under every condition."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from influence.plan.conditions import Condition
from influence.statistics.rows import RowKey

__all__ = [
    "FEATURES",
    "MARK",
    "Features",
    "chosen_samples",
    "feature_keys",
    "is_place",
    "place_name",
    "stride_of",
]


Array = NDArray[np.float64]


class Features:
    """Keeps the features of batches in the order of their samples.

    Parameters
    ----------
    stride
        How far apart the samples are that are looked at; see
        `influence.statistics.features.stride_of`.

    Examples
    --------
    >>> from influence.plan.conditions import Condition
    >>> key = RowKey(Condition("none", frozenset()), "at:fuse", "features")
    >>> features = Features(stride=1)
    >>> for index in (1, 0):
    ...     features.take(np.array([index]), {key: np.array([[float(index)]])})
    >>> features.arrays()[key].tolist()
    [[0.0], [1.0]]
    """

    def __init__(self, stride: int) -> None:
        self.stride = stride
        self._parts: dict[RowKey, list[tuple[NDArray[np.int64], Array]]] = {}

    def take(self, indices: NDArray[np.int64], rows: dict[RowKey, Array]) -> None:
        """Take the features of a batch out of its rows."""
        chosen = indices[chosen_samples(indices, self.stride)]
        for key in [key for key in rows if key.statistic == FEATURES]:
            self._parts.setdefault(key, []).append((chosen, rows.pop(key)))

    def arrays(self) -> dict[RowKey, Array]:
        """Return one array (samples, channels) for every condition and place."""
        found = {}
        for key, parts in self._parts.items():
            indices = np.concatenate([some for some, _ in parts])
            found[key] = np.concatenate([values for _, values in parts])[np.argsort(indices)]
        return found

    def packed(self) -> bytes:
        """Return everything in one piece, for another process."""
        buffer, arrays = io.BytesIO(), {}
        for key, parts in self._parts.items():
            arrays[f"{key}/indices"] = np.concatenate([some for some, _ in parts])
            arrays[f"{key}/values"] = np.concatenate([values for _, values in parts])
        np.savez(buffer, **arrays)  # type: ignore[arg-type]
        return buffer.getvalue()

    def merge(self, payload: bytes, keys: Iterable[RowKey]) -> None:
        """Add what another process has packed of some keys."""
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            for key in keys:
                if f"{key}/values" in arrays:
                    part = arrays[f"{key}/indices"], arrays[f"{key}/values"]
                    self._parts.setdefault(key, []).append(part)


def feature_keys(conditions: Iterable[Condition], places: Iterable[str]) -> list[RowKey]:
    """List the keys of the features of some places under some conditions.

    >>> [str(key) for key in feature_keys([Condition("none", frozenset())], ["at:fuse"])]
    ['full/at:fuse/features']
    """
    places = list(places)
    return [RowKey(c, place, FEATURES) for c in conditions for place in places]


FEATURES = "features"
"""The name of what is kept of a place: one row of numbers a sample, one a channel."""

MARK = "at:"

MOST_SAMPLES = 2048
"""So many samples at most are looked at, evenly spread; of a stream the first."""


def is_place(name: str) -> bool:
    """Say whether a name is that of a place, and not of an output.

    >>> is_place("at:fuse.add"), is_place("depth")
    (True, False)
    """
    return name.startswith(MARK)


def place_name(path: str) -> str:
    """Name what a place holds.

    >>> place_name("fuse.add")
    'at:fuse.add'
    """
    return f"{MARK}{path}"


def stride_of(count: int | None) -> int:
    """Return how far apart the samples are that are looked at; `None` for an unknown number.

    >>> stride_of(654), stride_of(10_000), stride_of(None)
    (1, 5, 1)
    """
    return 1 if count is None else -(-count // MOST_SAMPLES)


def chosen_samples(indices: NDArray[np.int64], stride: int) -> NDArray[np.bool_]:
    """Say which samples of a batch are looked at.

    >>> chosen_samples(np.array([0, 3, 4, 10_000]), 2).tolist()
    [True, False, True, False]
    """
    chosen: NDArray[np.bool_] = (indices % stride == 0) & (indices // stride < MOST_SAMPLES)
    return chosen
