"""influence/engine/collectors.py."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from influence.engine.loop import (
    BatchRows,
)
from influence.runtime.processes import Processes
from influence.statistics.features import (
    FEATURES,
    Features,
    chosen_samples,
    stride_of,
)
from influence.statistics.rows import RowKey, Sums
from influence.statistics.running_sums import RunningSums


def _gathered(
    features: Features, keys: Sequence[RowKey], processes: Processes
) -> dict[RowKey, NDArray[np.float64]]:
    """Put the features of all processes together."""
    whole = Features(features.stride)
    for payload in processes.gather(features.packed()):
        whole.merge(payload, keys)
    return whole.arrays()


def _merged(running: RunningSums, keys: Sequence[RowKey], processes: Processes) -> Sums:
    """Add up the sums of all processes, in the order of their ranks."""
    buffer = io.BytesIO()
    np.savez(buffer, **running.arrays())  # type: ignore[arg-type]
    whole = RunningSums(running.resampling)
    for payload in processes.gather(buffer.getvalue()):
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            whole.merge(RunningSums.from_arrays(running.resampling, keys, arrays))
    return whole.sums()


class _Collector:
    """Puts the rows of batches together by the samples' positions, and tells what is done."""

    def __init__(
        self, count: int, sizes: Sequence[int], advance: Callable[[int], None] | None
    ) -> None:
        self.count, self.sizes, self.advance = count, sizes, advance
        self.stride = stride_of(count)
        self.values: dict[str, NDArray[np.float64]] = {}
        self.finished: set[int] = set()

    def add(self, indices: NDArray[np.int64], rows: Mapping[str, NDArray[np.float64]]) -> None:
        for key, values in rows.items():
            places, length = indices, self.count
            if key.endswith(f"/{FEATURES}"):
                places = indices[chosen_samples(indices, self.stride)] // self.stride
                length = -(-self.count // self.stride)
            whole = self.values.setdefault(key, np.full((length, values.shape[1]), np.nan))
            whole[places] = values

    def finish(self, numbers: Iterable[int]) -> None:
        """Report the batches that are not reported yet, whoever ran them."""
        new = set(numbers).difference(self.finished)
        self.finished |= new
        if self.advance:
            for number in sorted(new):
                self.advance(self.sizes[number])

    def rows(self, i: int, keys: Iterable[RowKey]) -> dict[RowKey, NDArray[np.float64]]:
        """Return the rows of a network."""
        return {key: self.values[f"{i}/{key}"] for key in keys}

    def features(self, i: int, keys: Iterable[RowKey]) -> dict[RowKey, NDArray[np.float64]]:
        """Return the features of a network: a place may not be reached under every condition."""
        return self.rows(i, (key for key in keys if f"{i}/{key}" in self.values))


def _flat(rows: BatchRows) -> dict[str, NDArray[np.float64]]:
    return {f"{i}/{key}": values for i, own in enumerate(rows) for key, values in own.items()}
