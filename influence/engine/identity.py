"""Identity: whether all processes, and an interrupted run and its resumption, read the same data.

Each process runs a part of the batches, and a resumed run those that are left. If one of them reads
other data, or the same in another order, samples are counted twice or never, and no number shows
it. Therefore data are compared by their digests, and a difference ends the run.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import Batch, EvaluationSet
from influence.data.loader import name_samples
from influence.data.source import BatchStream
from influence.errors import InfluenceError
from influence.runtime.digests import digest_of
from influence.runtime.processes import Processes
from influence.runtime.shards import ShardStore

__all__ = ["check_cuts", "check_processes", "check_resumed", "check_streams", "digest_batch"]

SAMPLES = 16
"""The number of samples in a batch that is read only to be compared."""

SAME_FOR_ALL = (
    "All processes have to read the same data in the same order; they share the batches among "
    "themselves. Leave out shuffle=True, DistributedSampler and any other random order"
)


def digest_batch(batch: Batch) -> str:
    """Return the digest of a batch as it was read: of its inputs, targets and ids."""
    return digest_of([batch.inputs, batch.targets, dict(batch.shared), list(batch.ids)])


def check_processes(
    data: EvaluationSet | BatchStream, count: int | None, processes: Processes
) -> None:
    """Check, before anything is run, that all processes read the same data.

    The digests of whole data sets are compared. If they differ, batches are read to name the first
    that does. Of data without a digest the first batch, one in the middle and the last are
    compared; of streams the first, and the others once the stream was read.

    Raises
    ------
    InfluenceError
        If processes read different data.
    """
    if processes.count == 1:
        return
    if isinstance(data, BatchStream) or count is None:
        check_streams(data, processes, batches=1)
        return
    _compare_counts(_from_all(count, processes))
    digests = _from_all(data.sha256, processes)
    if digests[0] and len(set(digests)) == 1:
        return
    batches = [np.arange(i, min(i + SAMPLES, count)) for i in range(0, count, SAMPLES)]
    numbers = list(range(len(batches)))
    if not digests[0]:
        numbers = sorted({0, len(batches) // 2, len(batches) - 1})
    found = _from_all([digest_batch(_read(data, batches[n])) for n in numbers], processes)
    for rank, place in _first_differences(found):
        number = numbers[place]
        ids = [data.ids[int(index)] for index in batches[number][[0, -1]]]
        raise InfluenceError(
            f"process {rank} reads other data than process 0: batch {number}, the samples "
            f"{ids[0]!r} to {ids[1]!r} of process {processes.rank}, differs. {SAME_FOR_ALL}"
        )
    if digests[0]:
        raise InfluenceError(
            f"{data.source} is another file in some processes, though the samples are equal. Copy "
            "it again to all machines"
        )


def check_cuts(positions: Sequence[NDArray[np.int64]], processes: Processes) -> None:
    """Check that all processes cut the data into the same batches.

    Parameters
    ----------
    positions
        For each batch, the indices of its samples in the data.
    processes
        The processes.

    Raises
    ------
    InfluenceError
        If a batch holds other samples in another process.
    """
    if processes.count == 1:
        return
    found = _from_all([digest_of(batch) for batch in positions], processes)
    for rank, number in _first_differences(found):
        raise InfluenceError(
            f"process {rank} cuts the data into other batches than process 0, from batch {number} "
            "on. Give all processes the same batches"
        )
    _compare_counts([len(own) for own in found], of="batches")


def check_streams(
    data: EvaluationSet | BatchStream, processes: Processes, *, batches: int | None = None
) -> None:
    """Check that all processes have read the same batches of a stream.

    Parameters
    ----------
    data
        The stream; anything else was compared before it was run.
    processes
        The processes.
    batches
        Compare only this many batches.

    Raises
    ------
    InfluenceError
        If a batch differs.
    """
    if not isinstance(data, BatchStream) or processes.count == 1:
        return
    found = _from_all(data.digests[:batches], processes)
    for rank, number in _first_differences(found):
        raise InfluenceError(
            f"process {rank} reads other data than process 0: batch {number} of the stream "
            f"differs. {SAME_FOR_ALL}"
        )
    _compare_counts([len(own) for own in found], of="batches")


def check_resumed(data: EvaluationSet, shards: ShardStore) -> None:
    """Check that data are those of the interrupted run whose finished batches are kept.

    If their digests differ, or if there is none, the finished batches are read again and compared.

    Raises
    ------
    InfluenceError
        If the data are others; the message names the first batch that differs.
    """
    stored, finished = shards.load_json("data"), shards.finished()
    if stored is None and not finished:
        shards.save_json("data", {"sha256": data.sha256})
        return
    if data.sha256 and stored == {"sha256": data.sha256}:
        return
    remedy = (
        "Give data in the same order (without shuffle=True or with a fixed seed) and unchanged, "
        "or start afresh with resume=False"
    )
    for number in finished:
        indices, digest = shards.load_digest(number)
        if indices.max() >= len(data) or digest_batch(_read(data, indices)) != digest:
            raise InfluenceError(
                f"{data.source}: batch {number}, of the samples {_span(indices)}, differs from "
                f"that of the interrupted run in {shards.folder}. {remedy}"
            )
    if data.sha256 and stored is not None:
        equal = ", though the batches that were finished are equal" if finished else ""
        raise InfluenceError(
            f"{data.source} is not what it was in the interrupted run in {shards.folder}{equal}. "
            f"{remedy}"
        )


def _read(data: EvaluationSet, indices: NDArray[np.int64]) -> Batch:
    batch = data.read(indices)
    return Batch(
        indices, batch.inputs, batch.targets, shared=batch.shared, **name_samples(data, indices)
    )


def _span(indices: NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, indices[:4].tolist()))
    return shown if len(indices) <= 4 else f"{shown}, ..."


def _from_all(value: str | int | Sequence[str], processes: Processes) -> list[Any]:
    """Return the values of all processes, by rank."""
    return [json.loads(text) for text in processes.gather(json.dumps(value).encode())]


def _first_differences(found: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Return the ranks whose digests differ from those of rank 0, each with the first that does."""
    return [
        (rank, number)
        for rank, own in enumerate(found)
        for number in [i for i, (a, b) in enumerate(zip(own, found[0], strict=False)) if a != b][:1]
    ]


def _compare_counts(counts: Sequence[int], of: str = "samples") -> None:
    for rank, count in enumerate(counts):
        if count != counts[0]:
            raise InfluenceError(
                f"process {rank} reads {count} {of}, process 0 reads {counts[0]}. {SAME_FOR_ALL}"
            )
