"""Loading: the batches of a data set or a stream, and the inputs that a shuffle mute needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from influence.data.dataset import Batch, EvaluationSet, Sample, collate
from influence.data.derangement import Derangement, derange, pair_up
from influence.errors import InfluenceError
from influence.runtime.execution import Session

__all__ = [
    "Follower",
    "agree_on_derangement",
    "exchange_in_pairs",
    "limit_batches",
    "load_batches",
    "with_followers",
]

Follower = Mapping[str, Tensor]
"""The inputs of one sample: the partner of the last sample of a batch under a shuffle mute."""


def load_batches(
    data: EvaluationSet,
    batches: Sequence[NDArray[np.int64]],
    *,
    partners: Sequence[NDArray[np.int64] | None] | None = None,
    workers: int = 0,
    pinned: bool = False,
) -> Iterator[Batch]:
    """Read batches of samples in a given order.

    Parameters
    ----------
    data, batches
        The samples, and the indices of those of each batch.
    partners
        For each batch what `Batch.partners` shall be, under a shuffle mute.
    workers
        The number of processes that read ahead; with 0 this process reads.
    pinned
        Whether to read into page-locked memory, from which copies to a GPU are asynchronous.

    Raises
    ------
    InfluenceError
        If a sample cannot be read.
    """
    loader: DataLoader[Any] = DataLoader(
        _Reader(data),
        batch_sampler=(batch.tolist() for batch in batches),  # no list of all indices
        num_workers=workers,
        collate_fn=collate,
        generator=torch.Generator(),  # workers would draw from the user's global one
        pin_memory=pinned,
    )
    ids = data.ids
    for batch, own in zip(loader, partners or repeat(None), strict=False):
        if isinstance(batch, InfluenceError):
            raise batch
        yield replace(
            batch,
            ids=[ids[int(i)] for i in batch.indices],
            groups=None if data.groups is None else data.groups[batch.indices].tolist(),
            partners=own,
        )


class _Reader(Dataset[Sample | InfluenceError]):
    """Returns errors as values: a loader would add the traceback of a worker to their messages."""

    def __init__(self, data: EvaluationSet) -> None:
        self.data = data

    def __getitem__(self, index: int) -> Sample | InfluenceError:
        try:
            return self.data[index]
        except InfluenceError as error:
            return error


def with_followers(
    batches: Iterator[Batch], data: EvaluationSet, derangement: Derangement | None
) -> Iterator[tuple[Batch, Follower | None]]:
    """Yield each batch with the inputs of the partner of its last sample.

    Parameters
    ----------
    batches, data
        Batches in the order of `Derangement.cut`, and the samples from which they were read.
    derangement
        The partners; `None` if there is no shuffle mute, and so no follower.
    """
    if derangement is None:
        yield from ((batch, None) for batch in batches)
        return
    heads: dict[int, dict[str, Tensor]] = {}
    for current, following in pairwise(chain(batches, [None])):
        assert current is not None, "only the last one is followed by nothing"
        for batch in (current, following):
            if batch is not None and int(batch.indices[0]) not in heads:
                heads[int(batch.indices[0])] = {n: x[0].clone() for n, x in batch.inputs.items()}
        wanted = int(derangement.follows[current.indices[-1]])
        inside = np.flatnonzero(current.indices == wanted)
        if len(inside):
            follower: Follower = {n: x[inside[0]] for n, x in current.inputs.items()}
        else:  # in a resumed run the partner may be in a batch that is not read again
            follower = heads[wanted] if wanted in heads else data[wanted].inputs
        yield current, follower
        if following is not None:
            # The partner of the last sample on a cycle is the first one.
            kept = {int(derangement.starts[following.indices[0]]), int(following.indices[0])}
            heads = {k: v for k, v in heads.items() if k in kept}


def limit_batches(batches: Iterable[Batch], limit: int | None) -> Iterator[Batch]:
    """Yield the batches of the first `limit` samples, or all.

    >>> from influence.data.source import BatchStream
    >>> stream = BatchStream([({"x": torch.ones(3)}, {}), ({"x": torch.ones(3)}, {})])
    >>> [len(batch) for batch in limit_batches(stream, 4)]
    [3, 1]
    """
    left = limit
    for batch in batches:
        if left is not None and len(batch) >= left:
            yield batch.part(slice(left))
            return
        yield batch
        left = None if left is None else left - len(batch)


def exchange_in_pairs(batches: Iterable[Batch]) -> Iterator[tuple[Batch, Follower]]:
    """Let the samples of a stream exchange their inputs in pairs, for a shuffle mute.

    The first sample is paired with the second, the third with the fourth, and so on. The last
    sample of an odd batch is moved to the next batch; the last three of an odd stream form a cycle.

    Yields
    ------
    tuple
        A batch with `Batch.partners` and `Batch.tied`, and the partner of its last sample.

    Raises
    ------
    InfluenceError
        If the samples have groups, or if there is only one.

    Examples
    --------
    >>> from influence.data.source import BatchStream
    >>> stream = BatchStream([({"x": torch.arange(5)}, {})])
    >>> [(batch.partners.tolist(), last["x"].item()) for batch, last in exchange_in_pairs(stream)]
    [([1, 0, 3, 4], 2.0)]
    """
    ready = left = None
    for batch in batches:
        if batch.groups is not None:
            raise InfluenceError(
                "under shuffle the groups of samples that exchange their inputs are drawn "
                "together, and a stream does not know these before it ends. Leave out the groups "
                "or the mute shuffle, or measure on an evaluation file"
            )
        whole = batch if left is None else Batch.join(left, batch)
        even = len(whole) // 2 * 2
        left = whole.part(slice(even, None)) if even < len(whole) else None
        if even:
            if ready is not None:
                yield _exchange(ready)
            ready = whole.part(slice(even))
    if ready is None:
        raise InfluenceError("mute 'shuffle' needs two samples or more, got 1")
    yield _exchange(ready if left is None else Batch.join(ready, left))


def _exchange(batch: Batch) -> tuple[Batch, Follower]:
    found = pair_up(np.arange(len(batch)))
    last = int(found.follows[-1])
    tied = [batch.ids[int(start)] for start in found.starts]
    return (
        replace(batch, partners=found.follows[:-1], tied=tied),
        {name: x[last] for name, x in batch.inputs.items()},
    )


def agree_on_derangement(
    data: EvaluationSet,
    count: int,
    mute: str | None,
    *,
    names: Sequence[str],
    seed: int,
    session: Session,
) -> Derangement | None:
    """Draw a derangement that is the same in all processes, and in a run that is resumed.

    Parameters
    ----------
    data, count, mute, names, seed
        As of `derange`; `None` for no shuffle mute.
    session
        The first process computes the cycles through neighbours and sends them to the others. They
        are stored with the shards, since another machine may round distances differently.
    """
    if mute is None:
        return None
    if mute != "shuffle:neighbours":
        return derange(mute, data, count, names=names, seed=seed)
    tour = session.agree(
        "tour",
        lambda: [
            cycle.tolist() for cycle in derange(mute, data, count, names=names, seed=seed).cycles
        ],
    )
    if session.shards and not _covers(tour, count):
        raise InfluenceError(
            f"{session.shards.folder / 'tour.json'}: expected the cycles in which an interrupted "
            f"run read {count} samples, got something else. Start afresh with resume=False"
        )
    return Derangement(tuple(np.array(cycle, dtype=np.int64) for cycle in tour))


def _covers(cycles: Any, count: int) -> bool:
    """Return whether the content of a file is cycles that hold every sample once."""
    try:
        found = sorted(chain.from_iterable(cycles))
        return found == list(range(count)) and all(len(cycle) > 1 for cycle in cycles)
    except TypeError:
        return False
