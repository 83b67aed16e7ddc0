"""Loading: the batches of a data set or a stream, and the inputs that a shuffle mute needs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, Dataset

from influence.data.dataset import Batch, EvaluationSet
from influence.data.derangement import Derangement, derange, pair_up, pair_within
from influence.errors import InfluenceError
from influence.runtime.execution import Session
from influence.runtime.values import each_tensor, take

__all__ = [
    "Follower",
    "agree_on_derangement",
    "exchange_in_pairs",
    "limit_batches",
    "load_batches",
    "name_samples",
    "with_followers",
    "with_partners",
]

Follower = Mapping[str, Any]
"""The inputs of one sample: the partner of the last sample of a batch under a shuffle mute."""

FIRST = slice(0, 1)


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
    partners = partners or [None] * len(batches)
    for found, own in zip(_read(data, batches, workers, pinned), partners, strict=True):
        if isinstance(found, InfluenceError):
            raise found
        yield replace(found, **name_samples(data, found.indices), partners=own)


def name_samples(data: EvaluationSet, indices: NDArray[np.int64]) -> dict[str, Any]:
    """Return the fields ``ids`` and ``groups`` of a batch of these samples."""
    ids, groups = data.ids, data.groups
    return {
        "ids": [ids[i] for i in indices.tolist()],
        "groups": None if groups is None else groups[indices].tolist(),
    }


def _read(
    data: EvaluationSet, batches: Sequence[NDArray[np.int64]], workers: int, pinned: bool
) -> Iterator[Batch | InfluenceError]:
    reader = _Reader(data)
    if not (workers or pinned):
        return map(reader.__getitem__, batches)
    loader: DataLoader[Any] = DataLoader(
        reader,
        sampler=batches,
        batch_size=None,
        num_workers=min(workers, len(batches)),
        generator=torch.Generator(),  # workers would draw from the user's global one
        pin_memory=pinned,
    )
    return iter(loader)


class _Reader(Dataset[Batch | InfluenceError]):
    """Returns errors as values: a loader would add the traceback of a worker to their messages."""

    def __init__(self, data: EvaluationSet) -> None:
        self.data = data

    def __getitem__(self, indices: NDArray[np.int64]) -> Batch | InfluenceError:
        try:
            return self.data.read(indices)
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
    heads: dict[int, Follower] = {}
    for current, following in pairwise(chain(batches, [None])):
        assert current is not None, "only the last one is followed by nothing"
        for batch in (current, following):
            if batch is not None and int(batch.indices[0]) not in heads:
                first = {n: take(x, FIRST) for n, x in batch.inputs.items()}
                heads[int(batch.indices[0])] = each_tensor(first, torch.clone)
        wanted = int(derangement.follows[current.indices[-1]])
        inside = np.flatnonzero(current.indices == wanted)
        if len(inside):
            follower: Follower = {n: take(x, inside[:1]) for n, x in current.inputs.items()}
        else:  # in a resumed run the partner may be in a batch that is not read again
            follower = heads[wanted] if wanted in heads else data.read(np.array([wanted])).inputs
        yield current, follower
        if following is not None:
            # The partner of the last sample on a cycle is the first one.
            kept = {int(derangement.starts[following.indices[0]]), int(following.indices[0])}
            heads = {k: v for k, v in heads.items() if k in kept}


def with_partners(
    batches: Iterator[Batch], data: EvaluationSet, derangement: Derangement
) -> Iterator[Batch]:
    """Add to each batch the inputs of the partners of all its samples, wherever these are.

    Where samples differ in shape, the inputs of the partners are lists with one entry a sample.
    """
    for batch in batches:
        wanted = derangement.follows[batch.indices]
        places = {int(index): i for i, index in enumerate(batch.indices)}
        if all(int(index) in places for index in wanted):
            inside = np.array([places[int(index)] for index in wanted], dtype=np.int64)
            found = {n: take(x, inside) for n, x in batch.inputs.items()}
        else:
            try:
                found = data.read(wanted).inputs
            except InfluenceError:
                each = [data.read(wanted[i : i + 1]).inputs for i in range(len(wanted))]
                found = {n: [one[n][0] for one in each] for n in batch.inputs}
        yield replace(batch, exchanged=found)


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


def exchange_in_pairs(
    batches: Iterable[Batch], *, keep: bool = False
) -> Iterator[tuple[Batch, Follower]]:
    """Let the samples of a stream exchange their inputs in pairs, for a shuffle mute.

    The first sample is paired with the second, the third with the fourth, and so on. The last
    sample of an odd batch is moved to the next batch; the last three of an odd stream form a cycle.

    Parameters
    ----------
    batches
        The batches.
    keep
        Whether to leave the batches as they are; the last three samples of every odd batch then
        form a cycle.

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
    [([1, 0, 3, 4], 2)]
    """
    ready = left = None
    for batch in batches:
        if keep:
            if len(batch) < 2:
                raise InfluenceError(
                    "under shuffle the samples of a batch exchange their inputs, and a batch has "
                    "only one. Yield batches of two samples or more, or leave out the mute shuffle"
                )
            yield _exchange(batch)
            continue
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
    if keep:
        return
    if ready is None:
        raise InfluenceError("mute 'shuffle' needs two samples or more, got 1")
    yield _exchange(ready if left is None else Batch.join(ready, left))


def _exchange(batch: Batch) -> tuple[Batch, Follower]:
    found = pair_up(np.arange(len(batch)))
    last = int(found.follows[-1])
    tied = [batch.ids[int(start)] for start in found.starts]
    return (
        replace(batch, partners=found.follows[:-1], tied=tied),
        {name: take(x, slice(last, last + 1)) for name, x in batch.inputs.items()},
    )


def agree_on_derangement(
    data: EvaluationSet,
    count: int,
    mute: str | None,
    *,
    names: Sequence[str],
    seed: int,
    session: Session,
    keep: bool = False,
) -> Derangement | None:
    """Draw a derangement that is the same in all processes, and in a run that is resumed.

    Parameters
    ----------
    data, count, mute, names, seed
        As of `derange`; `None` for no shuffle mute.
    keep
        Whether the data's batches are run as they were given. If their samples differ in shape,
        partners are then of one batch.
    session
        The first process computes the cycles through neighbours and sends them to the others. They
        are stored with the shards, since another machine may round distances differently.
    """
    if mute is None:
        return None
    if keep and mute == "shuffle" and not data.uniform and data.given:
        within = pair_within(data.given, count, seed)
        if within is not None:
            return within
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
