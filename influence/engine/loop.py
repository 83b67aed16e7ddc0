"""The only loop that runs networks: made ready, tried on the first batch, and run on all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import Batch, EvaluationSet
from influence.data.derangement import Derangement
from influence.data.loader import Follower, agree_on_derangement, load_batches, with_followers
from influence.engine.runner import Runner
from influence.engine.trial import Trial
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, choose_device
from influence.runtime.processes import Json, Processes
from influence.runtime.shards import ShardStore
from influence.statistics.rows import RowKey

__all__ = [
    "BatchRows",
    "Pairs",
    "check_alone",
    "cut",
    "order_samples",
    "read_batches",
    "run_batches",
]


Pairs = Iterator[tuple[Batch, Follower | None]]

BatchRows = list[dict[RowKey, NDArray[np.float64]]]
"""For each network, the rows of one batch."""


def check_alone(plans: Sequence[Plan]) -> None:
    """Raise InfluenceError if a metric's state would be spread, or was lost with its process."""
    for plan in plans:
        for metric in chain(*plan.stateful.values()):
            raise InfluenceError(
                f"metric {metric.name!r} keeps its own state from batch to batch: it cannot be "
                "measured by several processes, nor go on from an interrupted run. Start afresh "
                "without --resume, in one process, or score by other metrics"
            )


def order_samples(
    networks: Sequence[JointNetwork],
    data: EvaluationSet,
    plans: Sequence[Plan],
    count: int,
    *,
    shards: ShardStore | None = None,
    processes: Processes | None = None,
) -> Derangement | None:
    """Return the order in which a shuffle mute wants the samples, if there is one.

    Parameters are those of `influence.engine.evaluation.evaluate`, with the number of samples.
    """
    names = sorted({m.name for network in networks for m in network.inputs})
    return agree_on_derangement(
        data, count, plans[0].shuffle, names=names, seed=plans[0].seed, shards=shards,
        processes=processes,
    )  # fmt: skip


def cut(
    count: int, batch_size: int, derangement: Derangement | None = None
) -> list[NDArray[np.int64]]:
    """Cut the samples into batches, along the cycles of a shuffle mute where there is one.

    >>> [batch.tolist() for batch in cut(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    return (derangement or Derangement((np.arange(count),))).cut(batch_size)


def read_batches(
    data: EvaluationSet,
    batches: Sequence[NDArray[np.int64]],
    derangement: Derangement | None,
    execution: Execution,
) -> Pairs:
    """Read batches of given positions, each with the partner of its last sample under a shuffle."""
    pinned = choose_device(execution.device).type == "cuda"
    loaded = load_batches(data, batches, workers=execution.workers, pinned=pinned)
    return with_followers(loaded, data, derangement)


def run_batches(
    runners: Sequence[Runner],
    pairs: Pairs,
    execution: Execution,
    *,
    samples: int | None,
    shards: ShardStore | None = None,
    processes: Processes | None = None,
) -> tuple[list[Trial], Iterator[tuple[Batch, BatchRows]]]:
    """Try the networks on the first batch, then run them on this and all others.

    All processes go the same way for each network: that which the first one found, or an earlier
    process of an interrupted run.
    """
    first = next(pairs, None)
    processes = processes or Processes()
    trials = shards.load_json("trials") if shards else None
    if trials is None and processes.first:
        assert first is not None, "the first batch is the first process's"
        trials = [
            asdict(runner.try_out(*first, samples=samples, wanted=execution.share))
            for runner in runners
        ]
    agreed = _read_trials(processes.broadcast(trials), len(runners), shards)
    if shards and processes.first:
        shards.save_json("trials", [asdict(trial) for trial in agreed])
    if first is None:
        return agreed, iter(())
    for runner, trial in zip(runners, agreed, strict=True):
        runner.prepare(trial, *first)
    return agreed, (
        (batch, [runner.run(batch, follower) for runner in runners])
        for batch, follower in chain([first], pairs)
    )


def _read_trials(told: Json, count: int, shards: ShardStore | None) -> list[Trial]:
    """Read the trials of so many networks, which may come from an interrupted run."""
    try:
        found = cast(list[dict[str, Any]], told)
        return [Trial(**trial) for trial, _ in zip(found, range(count), strict=True)]
    except (TypeError, ValueError) as error:
        assert shards, "what comes from here has its form"
        raise InfluenceError(
            f"{shards.folder}: expected what an interrupted run found out about {count} "
            f"networks, got something else, perhaps of another version ({error}). Start afresh "
            "without --resume"
        ) from error
