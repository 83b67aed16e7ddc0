"""Evaluation: every condition on every sample, one read of the data, one row a sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import EvaluationSet, group_numbers
from influence.data.loader import exchange_in_pairs, limit_batches
from influence.data.source import BatchStream, check_limit, sample_count
from influence.engine.collectors import _Collector, _flat, _gathered, _merged
from influence.engine.loop import (
    Pairs,
    check_alone,
    cut,
    order_samples,
    read_batches,
    run_batches,
)
from influence.engine.preparation import make_runners
from influence.engine.trial import Trial
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution
from influence.runtime.processes import Json, Processes
from influence.runtime.shards import ShardStore
from influence.statistics.bootstrap import Resampling
from influence.statistics.features import (
    Features,
    feature_keys,
    stride_of,
)
from influence.statistics.rows import RowKey, Rows, StatefulValues
from influence.statistics.running_sums import RunningSums
from influence.statistics.sums import Sums

__all__ = [
    "Evaluation",
    "evaluate",
    "evaluate_stream",
]


GLANCE = 1.0
"""The first process looks no more often what the others have done, in seconds: a long list."""

Kept = TypeVar("Kept", bound=Rows | Sums, covariant=True)


@dataclass(frozen=True)
class Evaluation(Generic[Kept]):
    """What came of running one network.

    Parameters
    ----------
    kept
        The rows of its samples; where they are streamed, their sums.
    notes
        What was found out about it on the way.
    trial
        What it did on the first samples, and so which way it was run.
    scores
        The values of metrics that keep their own state.
    features
        What its places held, (samples, channels) for every condition and place.
    """

    kept: Kept
    notes: tuple[str, ...]
    trial: Trial
    scores: StatefulValues
    features: Mapping[RowKey, NDArray[np.float64]]

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.kept.n if isinstance(self.kept, Sums) else len(self.kept.ids)


def evaluate(
    networks: Sequence[JointNetwork],
    data: EvaluationSet,
    plans: Sequence[Plan],
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    shards: ShardStore | None = None,
    processes: Processes | None = None,
    advance: Callable[[int], None] | None = None,
) -> list[Evaluation[Rows]]:
    """Run networks on a data set under every condition of their plans.

    Each sample is read once, whatever the number of networks and conditions. Statistics are
    computed on the device, per sample, in float64, and predictions are dropped at once.

    Parameters
    ----------
    networks, data, plans
        What to run, on what, and how to mute and score: one plan a network, with the same seed,
        and all with or without a shuffle mute.
    execution
        Device, batch size, workers, precision.
    limit
        Use only the first samples.
    shards
        Where rows of finished batches are kept, and taken from on a resumed run.
    processes
        Who shares the work; all of them see the same `shards`.
    advance
        Called with the number of samples that were finished, for a progress bar.

    Returns
    -------
    list
        One record a network, with its rows.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not match, a sample has no valid place, or a network fails
        or returns NaN or infinity; the message names the sample.
    """
    execution, processes = execution or Execution(), processes or Processes()
    assert shards or processes.count == 1, "several processes meet in the shards"
    count = sample_count(data, limit)
    derangement = order_samples(networks, data, plans, count, shards=shards, processes=processes)
    batches = cut(count, execution.batch_size, derangement)
    runners = make_runners(networks, data, plans, execution, count=count, processes=processes)
    finished = shards.finished() if shards else []
    if finished or processes.count > 1:
        check_alone(plans)
    left = sorted(set(range(len(batches))).difference(finished))
    # Looked up by one: another might find what is being finished meanwhile.
    left = processes.share(cast(list[int], processes.broadcast(cast(Json, left))))
    pairs = read_batches(data, [batches[number] for number in left], derangement, execution)
    collector = _Collector(count, [len(b) for b in batches], advance if processes.first else None)
    collector.finish(finished)
    others, looked = processes.first and processes.count > 1, time.monotonic()
    trials, results = run_batches(
        runners, pairs, execution, samples=count, shards=shards, processes=processes
    )
    for number, (batch, rows) in zip(left, results, strict=True):
        if shards:
            shards.save(number, _flat(rows))
        else:
            collector.add(batch.indices, _flat(rows))
        collector.finish([number])
        if shards and others and time.monotonic() > looked + GLANCE:
            collector.finish(shards.finished())
            looked = time.monotonic()
    if shards:
        processes.barrier()
        for number, indices in enumerate(batches):
            collector.add(indices, shards.load(number))
        collector.finish(range(len(batches)))
        processes.barrier()  # before anybody takes the shards away
    groups = group_numbers(None if data.groups is None else data.groups[:count], count)
    units = derangement.units(groups) if derangement else None
    ids = list(data.ids)[:count]
    return [
        Evaluation(
            Rows(ids, groups, collector.rows(i, runner.row_keys()), units),
            tuple(runner.notes),
            trial,
            runner.scores(),
            collector.features(i, feature_keys(runner.conditions, trial.places)),
        )
        for i, (runner, trial) in enumerate(zip(runners, trials, strict=True))
    ]


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

    Draws and flips are those of `influence.statistics.running_sums`. Under `shuffle`, samples of a
    stream exchange their inputs with the next one of their batch; in a set with random access it is
    the same derangement as without streaming.

    Parameters
    ----------
    networks, plans, execution, limit, processes, advance
        As for `influence.engine.evaluation.evaluate`. Several processes read a stream each by
        itself, and take its batches in turn.
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
        stream = limit_batches(data, limit)
        whole: Pairs = (
            exchange_in_pairs(stream) if plans[0].shuffle else ((b, None) for b in stream)
        )
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
