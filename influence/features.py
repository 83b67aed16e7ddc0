"""Features: what the places inside a network hold, sample by sample, under every condition."""

from __future__ import annotations

import io
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from influence.places import FEATURES, chosen_samples
from influence.rows import Condition, RowKey

__all__ = ["Features", "feature_keys"]

Array = NDArray[np.float64]


class Features:
    """Keeps the features of batches in the order of their samples.

    Parameters
    ----------
    stride
        How far apart the samples are that are looked at; see `influence.places.stride_of`.

    Examples
    --------
    >>> from influence.rows import Condition
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
