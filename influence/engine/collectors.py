"""Collectors: what is kept of every batch, either rows or running sums.

Rows are one line of numbers for each sample, condition and statistic. They allow exact resampling,
and grow with the data. Running sums have a fixed size, so that the data may have any length.
"""

from __future__ import annotations

import io
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import Batch
from influence.engine.schedule import Schedule
from influence.errors import InfluenceError
from influence.runtime.execution import Session
from influence.statistics.bootstrap import Resampling, count_columns
from influence.statistics.rows import FEATURES, RowKey, Rows, Sums
from influence.statistics.running_sums import RunningSums

__all__ = ["BatchRows", "Collected", "Collector", "Features", "RowCollector", "SumCollector"]

Array = NDArray[np.float64]
Kept = TypeVar("Kept", bound=Rows | Sums)
Kept_co = TypeVar("Kept_co", bound=Rows | Sums, covariant=True)

BatchRows = Sequence[dict[RowKey, Array]]
"""For each network, the rows (samples, k) of one batch."""

GLANCE = 1.0
"""The least time in seconds between two counts of the batches that other processes finished."""

MOST_SAMPLES = 2048
"""The number of samples whose features are kept: evenly spread, or the first of a stream."""


@dataclass(frozen=True)
class Collected(Generic[Kept_co]):
    """What a collector has kept of one network.

    Parameters
    ----------
    kept
        The rows of its samples, or their sums.
    features
        Features at places inside the network, (samples, channels) for every condition and place.
    """

    kept: Kept_co
    features: Mapping[RowKey, Array]


class Collector(Protocol[Kept_co]):
    """Collects the rows of all networks, batch by batch."""

    def open(self, schedule: Schedule, session: Session, networks: int) -> None:
        """Prepare for the first batch."""

    def add(self, number: int, batch: Batch, rows: BatchRows) -> None:
        """Collect the rows of a batch; `rows` may be changed."""

    def close(self, keys: Sequence[Sequence[RowKey]]) -> Sequence[Collected[Kept_co]]:
        """Return what all processes kept of each network, whose rows and features have `keys`."""


class Features:
    """The features at places inside a network, collected batch by batch, in the order of samples.

    Parameters
    ----------
    count
        The number of samples, of which at most `MOST_SAMPLES` are kept; `None` for a stream.

    Examples
    --------
    >>> from influence.plan.setups import Condition
    >>> key = RowKey(Condition("none", frozenset()), "at:fuse", "features")
    >>> features = Features(count=2)
    >>> for index in (1, 0):
    ...     features.take(np.array([index]), {key: np.array([[float(index)]])})
    >>> features.arrays()[key].tolist()
    [[0.0], [1.0]]
    """

    def __init__(self, count: int | None) -> None:
        self._stride = 1 if count is None else -(-count // MOST_SAMPLES)
        self._parts: dict[RowKey, list[tuple[NDArray[np.int64], Array]]] = {}

    def take(self, indices: NDArray[np.int64], rows: dict[RowKey, Array]) -> None:
        """Move the features of a batch from its rows into this collection."""
        chosen = (indices % self._stride == 0) & (indices // self._stride < MOST_SAMPLES)
        for key in [key for key in rows if key.statistic == FEATURES]:
            part = indices[chosen], rows.pop(key)[chosen]
            self._parts.setdefault(key, []).append(part)

    def arrays(self) -> dict[RowKey, Array]:
        """Return an array (samples, channels) for every condition and place."""
        found = {}
        for key, parts in self._even():
            indices = np.concatenate([some for some, _ in parts])
            found[key] = np.concatenate([values for _, values in parts])[np.argsort(indices)]
        return found

    def _even(self) -> Iterator[tuple[RowKey, list[tuple[NDArray[np.int64], Array]]]]:
        """Yield the parts of all features but those whose width follows the batch."""
        uneven = {
            key.output
            for key, parts in self._parts.items()
            if len({values.shape[1] for _, values in parts}) > 1
        }
        for key, parts in self._parts.items():
            if key.output not in uneven:
                yield key, parts

    def packed(self) -> dict[str, NDArray[Any]]:
        """Return all features as plain arrays, to be sent to another process."""
        arrays: dict[str, NDArray[Any]] = {}
        for key, parts in self._even():
            arrays[f"{key}/indices"] = np.concatenate([some for some, _ in parts])
            arrays[f"{key}/values"] = np.concatenate([values for _, values in parts])
        return arrays

    def merge(self, arrays: Mapping[str, NDArray[Any]], keys: Iterable[RowKey]) -> None:
        """Add the features of the given keys that `packed` returned in another process."""
        for key in keys:
            if f"{key}/values" in arrays:
                part = arrays[f"{key}/indices"], arrays[f"{key}/values"]
                self._parts.setdefault(key, []).append(part)


class RowCollector:
    """Collects the rows of every sample, in memory and, with shards, on disk.

    Several processes exchange rows through the shards: each writes the batches that it ran, and
    reads those of all processes.

    Parameters
    ----------
    resampling
        The draws that will be made of the rows, to see with the first batch whether the memory
        holds them.
    """

    def __init__(self, resampling: Resampling | None = None) -> None:
        self.resampling = resampling

    def open(self, schedule: Schedule, session: Session, networks: int) -> None:
        """Prepare for the first batch.

        Raises
        ------
        InfluenceError
            If the data are a stream, whose length is unknown.
        """
        if schedule.count is None or schedule.positions is None:
            raise InfluenceError(
                "expected data with a known number of samples to keep rows, got a stream. Measure "
                "it with stream=True"
            )
        self._schedule, self._session = schedule, session
        self._count, self._positions = schedule.count, schedule.positions
        self._rows: list[dict[RowKey, Array]] = [{} for _ in range(networks)]
        self._features = [Features(schedule.count) for _ in range(networks)]
        self._reported: set[int] = set()
        self._looked = time.monotonic()
        self._report(schedule.finished)

    def add(self, number: int, batch: Batch, rows: BatchRows) -> None:
        """Keep the rows of a batch, and report its progress."""
        if self.resampling:
            self.resampling.check_memory(max(map(_count_columns, rows)))
            self.resampling = None
        shards = self._session.shards
        if shards:
            flat = {f"{i}/{key}": v for i, own in enumerate(rows) for key, v in own.items()}
            shards.save(number, flat, batch.indices, batch.digest)
        else:
            self._keep(batch.indices, rows)
        self._report([number])
        others = self._session.processes.first and self._session.processes.count > 1
        if shards and others and time.monotonic() > self._looked + GLANCE:
            self._report(shards.finished())
            self._looked = time.monotonic()

    def close(self, keys: Sequence[Sequence[RowKey]]) -> list[Collected[Rows]]:
        """Return the rows of each network, in the order of the samples in the data."""
        if shards := self._session.shards:
            self._session.processes.barrier()
            for number, indices in enumerate(self._positions):
                self._keep(indices, _by_network(shards.load(number, indices), keys))
            self._report(range(len(self._positions)))
            self._session.processes.barrier()  # before the first process removes the shards
        assert self._schedule.ids is not None, "a set has names"
        assert self._schedule.groups is not None, "and groups"
        ids, groups, units = self._schedule.ids, self._schedule.groups, self._schedule.units
        return [
            Collected(
                Rows(
                    ids, groups, {key: rows[key] for key in own if key.statistic != FEATURES}, units
                ),
                features.arrays(),
            )
            for own, rows, features in zip(keys, self._rows, self._features, strict=True)
        ]

    def _keep(self, indices: NDArray[np.int64], rows: BatchRows) -> None:
        for own, whole, features in zip(rows, self._rows, self._features, strict=True):
            features.take(indices, own)
            for key, values in own.items():
                if key not in whole:
                    whole[key] = np.full((self._count, values.shape[1]), np.nan)
                elif values.shape[1] != whole[key].shape[1]:
                    raise InfluenceError(
                        f"output {key.output!r}: the statistic {key.statistic!r} has "
                        f"{whole[key].shape[1]} numbers a sample in one batch and "
                        f"{values.shape[1]} in another: the network returns other numbers of "
                        "classes. Take accuracy or cross_entropy, which need no number a class"
                    )
                whole[key][indices] = values

    def _report(self, numbers: Iterable[int]) -> None:
        """Report, once each, the samples of batches that any process has finished."""
        new = set(numbers).difference(self._reported)
        self._reported |= new
        for number in sorted(new):
            self._session.report(len(self._positions[number]))


class SumCollector:
    """Collects running sums of rows over samples, draws and sign flips.

    Parameters
    ----------
    resampling
        The number of draws, and their seed.
    """

    def __init__(self, resampling: Resampling) -> None:
        self.resampling = resampling

    def open(self, schedule: Schedule, session: Session, networks: int) -> None:
        """Prepare for the first batch."""
        self._schedule, self._session, self._done = schedule, session, 0
        self._sums = [RunningSums(self.resampling) for _ in range(networks)]
        self._features = [Features(schedule.count) for _ in range(networks)]

    def add(self, number: int, batch: Batch, rows: BatchRows) -> None:
        """Add the rows of a batch to the sums."""
        units = self._schedule.units
        together = batch.groups if units is None else units[batch.indices]
        if not self._done:
            self.resampling.check_memory(sum(map(_count_columns, rows)))
        for own, sums, features in zip(rows, self._sums, self._features, strict=True):
            features.take(batch.indices, own)
            sums.add(own, batch.ids, together, batch.tied)
        # Other processes have run about as many; this one has read all samples of a stream.
        count = self._schedule.count
        turn = self._done + len(batch) * self._session.processes.count
        self._reach(int(batch.indices[-1]) + 1 if count is None else min(turn, count))

    def close(self, keys: Sequence[Sequence[RowKey]]) -> list[Collected[Sums]]:
        """Return the sums of each network, over the samples of all processes."""
        found = [
            Collected(self._merged(sums, own), self._gathered(features, own))
            for own, sums, features in zip(keys, self._sums, self._features, strict=True)
        ]
        self._reach(found[0].kept.n)
        return found

    def _merged(self, running: RunningSums, keys: Sequence[RowKey]) -> Sums:
        if self._session.processes.count == 1:
            return running.sums()  # without a copy of what was added up
        whole = RunningSums(self.resampling)
        for payload in self._session.processes.gather(_pack(running.arrays())):
            with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
                whole.merge(RunningSums.from_arrays(self.resampling, keys, arrays))
        return whole.sums()

    def _gathered(self, features: Features, keys: Sequence[RowKey]) -> dict[RowKey, Array]:
        whole = Features(self._schedule.count)
        for payload in self._session.processes.gather(_pack(features.packed())):
            with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
                whole.merge(arrays, keys)
        return whole.arrays()

    def _reach(self, samples: int) -> None:
        self._session.report(samples - self._done)
        self._done = samples


def _count_columns(rows: Mapping[RowKey, Array]) -> int:
    return count_columns({k: values for k, values in rows.items() if k.statistic != FEATURES})


def _by_network(
    arrays: Mapping[str, Array], keys: Sequence[Sequence[RowKey]]
) -> list[dict[RowKey, Array]]:
    """Group the arrays of a shard by network and key."""
    return [
        {key: arrays[name] for key in own if (name := f"{i}/{key}") in arrays}
        for i, own in enumerate(keys)
    ]


def _pack(arrays: Mapping[str, NDArray[np.generic]]) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)  # type: ignore[arg-type]
    return buffer.getvalue()
