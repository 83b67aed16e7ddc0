"""Streaming: running sums in place of rows, in memory that does not grow with the data."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from influence.batch_stream import BatchStream
from influence.bootstrap import Resampling
from influence.derangement import pair_up
from influence.errors import InfluenceError
from influence.evaluation import Evaluation
from influence.evaluation_set import Batch, EvaluationSet
from influence.features import Features, feature_keys
from influence.loading import Follower
from influence.loop import (
    Pairs,
    check_alone,
    check_limit,
    cut,
    make_runners,
    order_samples,
    read_batches,
    run_batches,
    sample_count,
)
from influence.network import JointNetwork
from influence.places import stride_of
from influence.plan import Execution, Plan
from influence.processes import Processes
from influence.rows import RowKey, group_numbers
from influence.running_sums import RunningSums
from influence.sums import Sums

__all__ = ["evaluate_stream"]


def evaluate_stream(
    networks: Sequence[JointNetwork],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    resampling: Resampling,
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    processes: Processes | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Evaluation[Sums]]:
    """Run networks on data of any length, and keep nothing but sums.

    Draws and flips are those of `influence.running_sums`. Under `shuffle`, samples of a stream
    exchange their inputs with the next one of their batch; in a set with random access it is the
    same derangement as without streaming.

    Parameters
    ----------
    networks, plans, execution, limit, processes, advance
        As for `influence.evaluation.evaluate`. Several processes read a stream each by itself, and
        take its batches in turn.
    data
        A set with random access, or a stream.
    resampling
        Draws and seed of intervals and tests.

    Returns
    -------
    list
        One record a network, with its sums.

    Raises
    ------
    InfluenceError
        As `evaluate`; and if a mute needs moments that nobody knows of a stream.
    """
    execution, processes = execution or Execution(), processes or Processes()
    if processes.count > 1:
        check_alone(plans)
    check_limit(limit)
    count, units = None, None
    if isinstance(data, BatchStream):
        stream = _limited(data, limit)
        whole: Pairs = _in_pairs(stream) if plans[0].shuffle else ((b, None) for b in stream)
        pairs: Pairs = islice(whole, processes.rank, None, processes.count)
    else:
        count = sample_count(data, limit)
        derangement = order_samples(networks, data, plans, count, processes=processes)
        groups = group_numbers(None if data.groups is None else data.groups[:count], count)
        units = derangement.units(groups) if derangement else None
        batches = processes.share(cut(count, execution.batch_size, derangement))
        pairs = read_batches(data, batches, derangement, execution)
    runners = make_runners(networks, data, plans, execution, count=count, processes=processes)
    trials, results = run_batches(runners, pairs, execution, samples=count, processes=processes)
    running = [RunningSums(resampling) for _ in networks]
    features = [Features(stride_of(count)) for _ in networks]
    done = 0
    for batch, rows in results:
        for sums, seen, own in zip(running, features, rows, strict=True):
            seen.take(batch.indices, own)
            together = batch.groups if units is None else units[batch.indices]
            sums.add(own, batch.ids, together, batch.tied)
        if advance and processes.first:
            # The others are as far, more or less; of a stream, this one has read all before.
            turn = done + len(batch) * processes.count
            reached = int(batch.indices[-1]) + 1 if count is None else min(turn, count)
            advance(reached - done)
            done = reached
    found = [
        Evaluation(
            _merged(sums, runner.row_keys(), processes),
            tuple(runner.notes),
            trial,
            runner.scores(),
            _gathered(seen, feature_keys(runner.conditions, trial.places), processes),
        )
        for sums, seen, runner, trial in zip(running, features, runners, trials, strict=True)
    ]
    if advance and processes.first:
        advance(found[0].n - done)
    return found


def _gathered(
    features: Features, keys: Sequence[RowKey], processes: Processes
) -> dict[RowKey, NDArray[np.float64]]:
    """Put the features of all processes together."""
    whole = Features(features.stride)
    for payload in processes.gather(features.packed()):
        whole.merge(payload, keys)
    return whole.arrays()


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


def _merged(running: RunningSums, keys: Sequence[RowKey], processes: Processes) -> Sums:
    """Add up the sums of all processes, in the order of their ranks."""
    buffer = io.BytesIO()
    np.savez(buffer, **running.arrays())  # type: ignore[arg-type]
    whole = RunningSums(running.resampling)
    for payload in processes.gather(buffer.getvalue()):
        with np.load(io.BytesIO(payload), allow_pickle=False) as arrays:
            whole.merge(RunningSums.from_arrays(running.resampling, keys, arrays))
    return whole.sums()
