"""Loading: every sample read once, in an order that also serves the shuffle mute."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from influence.data.dataset import Batch, EvaluationSet, Sample
from influence.data.derangement import Derangement, pair_up
from influence.data.stream import BatchStream
from influence.errors import InfluenceError

__all__ = [
    "Follower",
    "load_batches",
    "load_pairs",
    "with_followers",
]


Follower = Mapping[str, Tensor]
"""The inputs of the sample that is the partner of the last one of a batch."""


def load_batches(
    data: EvaluationSet,
    batches: Sequence[NDArray[np.int64]],
    *,
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Read batches of given positions, in that order, in this or in worker processes.

    With `pinned`, into memory from which a GPU copies without making the host wait.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reader(data),
        batch_sampler=(batch.tolist() for batch in batches),  # no list of all positions
        num_workers=workers,
        collate_fn=_collate,
        generator=torch.Generator(),  # workers would draw from the user's global one
        pin_memory=pinned,
    )
    for batch in loader:
        if isinstance(batch, InfluenceError):
            raise batch
        yield replace(
            batch,
            ids=[data.ids[int(i)] for i in batch.indices],
            groups=None if data.groups is None else data.groups[batch.indices].tolist(),
        )


def load_pairs(
    data: EvaluationSet,
    batches: Sequence[NDArray[np.int64]],
    derangement: Derangement | None,
    *,
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[tuple[Batch, Follower | None]]:
    """Read batches; with a derangement, each with the partner of its last sample."""
    loaded = load_batches(data, batches, workers=workers, pinned=pinned)
    if derangement is None:
        return ((batch, None) for batch in loaded)
    return with_followers(loaded, data, derangement)


class _Reader(Dataset[Sample | InfluenceError]):
    """Hands errors over as values: a loader would bury the message of a worker in its traceback."""

    def __init__(self, data: EvaluationSet) -> None:
        self.data = data

    def __getitem__(self, index: int) -> Sample | InfluenceError:
        try:
            return self.data[index]
        except InfluenceError as error:
            return error


def _collate(samples: Sequence[Sample | InfluenceError]) -> Batch | InfluenceError:
    errors = [s for s in samples if isinstance(s, InfluenceError)]
    return errors[0] if errors else Batch.collate([s for s in samples if isinstance(s, Sample)])


def with_followers(
    batches: Iterator[Batch], data: EvaluationSet, derangement: Derangement
) -> Iterator[tuple[Batch, Follower]]:
    """Yield each batch with the inputs of the partner of its last sample."""
    current = next(batches, None)
    if current is None:
        return
    heads: dict[int, dict[str, Tensor]] = {}

    def remember_head(batch: Batch) -> None:
        heads[int(batch.indices[0])] = {n: x[0].clone() for n, x in batch.inputs.items()}

    remember_head(current)
    for following in chain(batches, [None]):
        if following is not None:
            remember_head(following)
        wanted = int(derangement.follows[current.indices[-1]])
        inside = np.flatnonzero(current.indices == wanted)
        if len(inside):
            follower: Follower = {n: x[inside[0]] for n, x in current.inputs.items()}
        else:  # after a resume the partner may lie in a batch that was finished before
            follower = heads[wanted] if wanted in heads else data[wanted].inputs
        yield replace(current, partners=derangement.partners(current.indices)), follower
        if following is not None:
            current = following
            # A cycle is read in one go, and the last sample on it wants the first.
            start = int(derangement.starts[current.indices[0]])
            heads = {k: v for k, v in heads.items() if k in (start, int(current.indices[0]))}


def _limited(stream: BatchStream, limit: int | None) -> Iterator[Batch]:
    """Yield the batches of the first samples."""
    left = limit
    for batch in stream:
        if left is not None and len(batch) >= left:
            yield batch.part(slice(left))
            return
        yield batch
        left = None if left is None else left - len(batch)


def _in_pairs(batches: Iterator[Batch]) -> Iterator[tuple[Batch, Follower]]:
    """Yield batches whose samples exchange their inputs in pairs, with the partner of the last.

    The first sample of the stream does with the second, the third with the fourth, and so on: of an
    odd batch the last one waits for the next batch. Of an odd stream the last three form a ring.
    """
    ready = left = None
    for batch in batches:
        if batch.groups is not None:
            raise InfluenceError(
                "under shuffle the groups of samples that exchange their inputs are drawn "
                "together, and a stream cannot tell which these will be. Leave out the groups or "
                "the mute shuffle, or measure on an evaluation file"
            )
        whole = batch if left is None else Batch.join(left, batch)
        even = len(whole) // 2 * 2
        left = whole.part(slice(even, None)) if even < len(whole) else None
        if even:
            if ready is not None:
                yield _exchanged(ready)
            ready = whole.part(slice(even))
    if ready is None:
        raise InfluenceError("mute 'shuffle' needs two samples or more, got 1")
    yield _exchanged(ready if left is None else Batch.join(ready, left))


def _exchanged(batch: Batch) -> tuple[Batch, Follower]:
    found = pair_up(np.arange(len(batch)))
    last = int(found.follows[-1])
    tied = [batch.ids[int(start)] for start in found.starts]
    return (
        replace(batch, partners=found.follows[:-1], tied=tied),
        {name: x[last] for name, x in batch.inputs.items()},
    )
