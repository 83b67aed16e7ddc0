"""Streaming: running sums in place of rows, in memory that does not grow with the data."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from influence.batch_stream import BatchStream
from influence.bootstrap import Resampling
from influence.derangement import agree_on_derangement, pair_up
from influence.errors import InfluenceError
from influence.evaluation import (
    Pairs,
    check_alone,
    check_limit,
    cut,
    make_runners,
    measure_edges,
    needs_edge_moments,
    run_batches,
    sample_count,
)
from influence.evaluation_set import Batch, EvaluationSet
from influence.features import Features, feature_keys
from influence.loading import Follower, load_pairs
from influence.moments import lacking_moments, measure_moments, with_moments
from influence.network import JointNetwork
from influence.places import stride_of
from influence.plan import Execution, Plan, choose_device
from influence.processes import Processes
from influence.rows import RowKey, group_numbers
from influence.running_sums import RunningSums
from influence.scoring import Scores
from influence.sums import Sums
from influence.trial import Trial

__all__ = ["StreamedEvaluation", "evaluate_stream"]


@dataclass(frozen=True)
class StreamedEvaluation:
    """The sums, the notes, the scores and the features of each network, and how it was run."""

    sums: list[Sums]
    notes: list[tuple[str, ...]]
    trials: list[Trial]
    scores: list[Scores]
    features: list[dict[RowKey, NDArray[np.float64]]]


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
) -> StreamedEvaluation:
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

    Raises
    ------
    InfluenceError
        As `evaluate`; and if a mute needs moments that nobody knows of a stream.
    """
    execution, processes = execution or Execution(), processes or Processes()
    if processes.count > 1:
        check_alone(plans)
    pairs_of = list(zip(networks, plans, strict=True))
    lacking = sorted(
        set().union(*(lacking_moments(n, data, p.mutes, p.sites) for n, p in pairs_of))
    )
    if isinstance(data, BatchStream):
        if lacking:
            raise InfluenceError(
                f"a mute needs the mean of the inputs {', '.join(lacking)}, and a stream cannot be "
                "read twice to find it. Give it in the network's facts: Modality(mean=..., std=...)"
            )
        check_limit(limit)
        measured, count, units = {}, None, None
        stream = _limited(data, limit)
        whole: Pairs = _in_pairs(stream) if plans[0].shuffle else ((b, None) for b in stream)
        pairs: Pairs = islice(whole, processes.rank, None, processes.count)
    else:
        count = sample_count(data, limit)
        measured = measure_moments(data, lacking, count)
        names = sorted({m.name for network in networks for m in network.inputs})
        derangement = agree_on_derangement(
            data, count, plans[0].shuffle, names=names, seed=plans[0].seed, processes=processes
        )
        groups = group_numbers(None if data.groups is None else data.groups[:count], count)
        units = derangement.units(groups) if derangement else None
        pairs = load_pairs(
            data,
            processes.share(cut(count, execution.batch_size, derangement)),
            derangement,
            workers=execution.workers,
            pinned=choose_device(execution.device).type == "cuda",
        )
    found = [with_moments(n, data, p.mutes, p.sites, measured) for n, p in pairs_of]
    runners = make_runners(networks, data, plans, execution, [m for m, _ in found], count)
    if isinstance(data, BatchStream):
        _refuse_edge_moments(plans)
    else:
        measure_edges(runners, data, plans, sample_count(data, limit), execution)
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
    merged = [
        _merged(sums, runner.row_keys(), processes)
        for sums, runner in zip(running, runners, strict=True)
    ]
    if advance and processes.first:
        advance(merged[0].n - done)
    looked_at = [
        _gathered(seen, feature_keys(runner.conditions, trial.places), processes)
        for seen, runner, trial in zip(features, runners, trials, strict=True)
    ]
    notes = [(*where, *runner.notes) for (_, where), runner in zip(found, runners, strict=True)]
    return StreamedEvaluation(
        merged, notes, trials, [runner.scores() for runner in runners], looked_at
    )


def _refuse_edge_moments(plans: Sequence[Plan]) -> None:
    """Raise InfluenceError if a mute needs the moments of an edge, which are measured first."""
    if any(needs_edge_moments(plan) for plan in plans):
        raise InfluenceError(
            "a mute needs the mean of an internal edge, and a stream cannot be read twice to find "
            "it. Mute edges of a stream by zero or shuffle, or measure on an evaluation file"
        )


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
            yield batch.head(left)
            return
        yield batch
        left = None if left is None else left - len(batch)


def _in_pairs(batches: Iterator[Batch]) -> Iterator[tuple[Batch, Follower]]:
    """Yield batches whose samples exchange their inputs in pairs, with the partner of the last.

    A batch of one sample is put together with the one after it, or at the end of the stream before
    it.
    """
    ready = current = None
    for batch in batches:
        current = batch if current is None else Batch.join(current, batch)
        if len(current) > 1:
            if ready is not None:
                yield _exchanged(ready)
            ready, current = current, None
    if current is not None:
        if ready is None:
            raise InfluenceError("mute 'shuffle' needs two samples or more, got 1")
        ready = Batch.join(ready, current)
    assert ready is not None, "a stream has a batch"
    yield _exchanged(ready)


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
