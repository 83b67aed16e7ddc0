"""Schedule: the batches that one process runs, and the order in which samples are read.

A shuffle mute gives a network the input of another sample, the partner. The order is chosen such
that partners are near each other, so that each sample is read only once.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count as count_from
from itertools import islice
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import Batch, EvaluationSet, group_numbers
from influence.data.derangement import Derangement
from influence.data.loader import (
    Follower,
    agree_on_derangement,
    exchange_in_pairs,
    limit_batches,
    load_batches,
    with_followers,
    with_partners,
)
from influence.data.source import BatchStream, check_limit, sample_count
from influence.engine.identity import check_cuts, digest_batch
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, Session, choose_device
from influence.runtime.processes import Json

__all__ = [
    "LoadedBatch",
    "Schedule",
    "batch_size_of",
    "choose_batches",
    "cut",
    "make_schedule",
    "order_samples",
]

LEAST, MOST = 16, 4096
"""The numbers of samples in a batch, unless one is asked for."""

BATCHES = 6
"""The number of batches, at least, of which values that all samples share are computed in one."""

OF_INTEGER = 32
"""The numbers that an integer is worth, as networks look up a vector for it."""

ELEMENTS = 2**18
"""The number of elements of the inputs of a batch of small samples."""


class LoadedBatch(NamedTuple):
    """A batch in memory.

    Parameters
    ----------
    number
        The index of the batch among all batches of all processes.
    batch
        The samples.
    follower
        Under a shuffle mute, the inputs of the partner of the last sample.
    """

    number: int
    batch: Batch
    follower: Follower | None


@dataclass(frozen=True)
class Schedule:
    """The batches that one process runs, in order.

    Parameters
    ----------
    batches
        The batches in the order in which they are run, read on demand.
    positions
        For each batch of all processes, the indices of its samples in the data; `None` for a
        stream.
    finished
        The numbers of the batches that are already finished in a resumed run.
    ids, groups
        The name and the group number of each sample; `None` for a stream.
    units
        Under a shuffle mute, the unit number with which each sample is resampled: samples that
        exchange their inputs form a unit. `None` if units are the groups.
    """

    batches: Iterator[LoadedBatch]
    positions: Sequence[NDArray[np.int64]] | None = None
    finished: Sequence[int] = ()
    ids: Sequence[str] | None = None
    groups: NDArray[np.int64] | None = None
    units: NDArray[np.int64] | None = None

    @property
    def count(self) -> int | None:
        """The number of samples; `None` for a stream."""
        return None if self.ids is None else len(self.ids)


def make_schedule(
    networks: Sequence[JointNetwork],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    execution: Execution,
    *,
    limit: int | None = None,
    session: Session | None = None,
    keep: bool = False,
) -> Schedule:
    """Divide data into batches, and distribute these among the processes.

    The batches of a set are assigned to the processes in turn. Of a stream, every process reads all
    batches and runs every n-th of n processes.

    Parameters
    ----------
    networks, data, plans, execution, limit, session
        The parameters of `influence.engine.evaluation.evaluate`.
    keep
        Whether batches are run as they were given.

    Raises
    ------
    InfluenceError
        If there are too few samples, or no order allows the samples to exchange their inputs.
    """
    session = session or Session()
    check_limit(limit)
    if isinstance(data, BatchStream):
        return _of_stream(data, plans, limit, session, keep=keep)
    count = sample_count(data, limit)
    kept = _given(data, count) if keep else None
    derangement = order_samples(networks, data, plans, count, session=session, keep=keep)
    positions = kept or cut(count, batch_size_of(data, execution, count), derangement)
    finished = session.shards.finished() if session.shards else []
    finished = [number for number in finished if number < len(positions)]
    check_cuts(positions, session.processes)
    left = sorted(set(range(len(positions))).difference(finished))
    # Only the first process asks, because another one may finish a batch in the meantime.
    processes = session.processes
    left = processes.share(cast(list[int], processes.broadcast(cast(Json, left))))
    groups = group_numbers(None if data.groups is None else data.groups[:count], count)
    return Schedule(
        choose_batches(
            data,
            positions,
            left,
            derangement,
            execution,
            keep=kept is not None,
            digests=session.shards is not None,
        ),
        positions,
        finished,
        list(data.ids)[:count],
        groups,
        derangement.units(groups) if derangement else None,
    )


def _given(data: EvaluationSet, count: int) -> list[NDArray[np.int64]] | None:
    """Return the batches of the first samples as they were given, if they were."""
    if data.given is None:
        return None
    used = [batch for batch in data.given if batch[0] < count]
    if len(used[-1]) and used[-1][-1] >= count:
        first = int(used[-1][0])
        fitting = f"{first} or " if first else ""
        raise InfluenceError(
            f"limit={count} ends inside a batch, and batches are run as they were given, because "
            f"predictions depend on them. Give limit={fitting}{int(used[-1][-1]) + 1}"
        )
    return used


def batch_size_of(data: EvaluationSet, execution: Execution, count: int) -> int:
    """Return the number of samples that are run together: as asked for, else by their size.

    Small samples are run in large batches, since each batch has a cost of its own; but a few dozen
    samples in several batches, since values that are the same for all samples are computed once for
    a batch.
    """
    if execution.batch_size is not None:
        return execution.batch_size
    fields = data.inputs.values()
    if any(field.ragged for field in fields):
        return LEAST
    elements = sum(
        math.prod(field.shape) * (OF_INTEGER if field.holds_labels else 1) for field in fields
    )
    size = min(max(ELEMENTS // max(elements, 1), LEAST), MOST)
    return size if count <= LEAST else min(size, max(count // BATCHES, 4))


def _of_stream(
    data: BatchStream, plans: Sequence[Plan], limit: int | None, session: Session, *, keep: bool
) -> Schedule:
    stream = limit_batches(data, limit)
    rank, processes = session.processes.rank, session.processes.count
    whole: Iterator[tuple[Batch, Follower | None]] = (
        exchange_in_pairs(stream, keep=keep)
        if plans[0].shuffle
        else ((batch, None) for batch in stream)
    )
    own = zip(count_from(rank, processes), islice(whole, rank, None, processes), strict=False)
    return Schedule(LoadedBatch(number, *loaded) for number, loaded in own)


def order_samples(
    networks: Sequence[JointNetwork],
    data: EvaluationSet,
    plans: Sequence[Plan],
    count: int,
    *,
    session: Session | None = None,
    keep: bool = False,
) -> Derangement | None:
    """Choose the partner of each sample for a shuffle mute; `None` if no plan has one.

    Parameters
    ----------
    networks, data, plans, session
        The parameters of `influence.engine.evaluation.evaluate`.
    count
        The number of samples in use.
    keep
        Whether batches are run as they were given.
    """
    session = session or Session()
    names = sorted(
        name
        for name, field in data.inputs.items()
        if not field.ragged and any(_takes(network, name) for network in networks)
    )
    mute, seed = plans[0].shuffle, plans[0].seed
    return agree_on_derangement(
        data, count, mute, names=names, seed=seed, session=session, keep=keep
    )


def _takes(network: JointNetwork, name: str) -> bool:
    """Return whether an input of the data, or a part of it, is shown to a network."""
    own = {network.layout.tensor_of(leaf) for leaf in network.layout.leaves}
    return any(f"{t}.".startswith(f"{name}.") or name.startswith(f"{t}.") for t in own)


def cut(
    count: int, batch_size: int, derangement: Derangement | None = None
) -> list[NDArray[np.int64]]:
    """Divide the indices of samples into batches, along the cycles of a derangement.

    >>> [batch.tolist() for batch in cut(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    return (derangement or Derangement((np.arange(count),))).cut(batch_size)


def choose_batches(
    data: EvaluationSet,
    positions: Sequence[NDArray[np.int64]],
    numbers: Iterable[int],
    derangement: Derangement | None,
    execution: Execution,
    *,
    keep: bool = False,
    digests: bool = False,
) -> Iterator[LoadedBatch]:
    """Read the batches with given numbers, in this process or in worker processes.

    Parameters
    ----------
    data
        The samples.
    positions
        The indices of the samples of each batch.
    numbers
        The batches to read, in this order.
    derangement
        The partners under a shuffle mute.
    execution
        The number of workers that read ahead, and the device that the batches are for.
    keep
        Whether the batches are as they were given, so that they need not hold the partners.
    digests
        Whether each batch gets its digest.
    """
    numbers = list(numbers)
    pinned = choose_device(execution.device).type == "cuda"
    chosen = [positions[number] for number in numbers]
    inside = derangement is not None and not keep
    partners = [derangement.partners(batch) for batch in chosen] if inside and derangement else None
    loaded = load_batches(data, chosen, partners=partners, workers=execution.workers, pinned=pinned)
    if digests:
        loaded = (replace(batch, digest=digest_batch(batch)) for batch in loaded)
    if keep and derangement is not None:
        loaded = with_partners(loaded, data, derangement)
        derangement = None
    followed = with_followers(loaded, data, derangement)
    return (LoadedBatch(number, *pair) for number, pair in zip(numbers, followed, strict=True))
