"""Evaluation: networks are run on data under every condition, and predictions become rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from influence.data.dataset import EvaluationSet
from influence.data.source import BatchStream
from influence.engine.collectors import Collector
from influence.engine.preparation import make_runners
from influence.engine.runner import Runner
from influence.engine.schedule import LoadedBatch, Schedule, make_schedule
from influence.engine.trial import Trial
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, Session
from influence.runtime.shards import ShardStore
from influence.statistics.rows import RowKey, Rows, StatefulValues, Sums, feature_keys

__all__ = ["Evaluation", "evaluate", "try_out"]

Kept_co = TypeVar("Kept_co", bound=Rows | Sums, covariant=True)


@dataclass(frozen=True)
class Evaluation(Generic[Kept_co]):
    """The result of running one network on all samples.

    Parameters
    ----------
    kept
        The rows of its samples, or their sums: what the collector keeps.
    notes
        What the user should know about the network, found while it ran.
    trial
        How it behaved on the first samples, which decides how it was run.
    stateful
        The values of metrics that keep their own state.
    features
        The features at places inside it, (samples, channels) for every condition and place.
    """

    kept: Kept_co
    notes: tuple[str, ...]
    trial: Trial
    stateful: StatefulValues
    features: Mapping[RowKey, NDArray[np.float64]]

    @property
    def n(self) -> int:
        """The number of samples."""
        return self.kept.n if isinstance(self.kept, Sums) else len(self.kept.ids)


def evaluate(
    networks: Sequence[JointNetwork],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    collector: Collector[Kept_co],
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    session: Session | None = None,
) -> list[Evaluation[Kept_co]]:
    """Run networks on data under every condition of their plans.

    Each sample is read once, whatever the number of networks and conditions. Statistics are
    computed on the device, per sample, in float64, and predictions are dropped at once.

    Under `shuffle`, samples exchange their inputs in one random order of the whole set. Samples of
    a stream exchange them with the next one of their batch.

    Parameters
    ----------
    networks, data, plans
        What is run, on what, and how it is muted and scored: one plan for each network. All plans
        have the same seed, and either all or none have a shuffle mute.
    collector
        What is kept: `influence.engine.collectors.RowCollector` keeps the rows of every sample of
        data of known length, `SumCollector` keeps running sums of data of any length.
    execution
        Device, batch size, workers, precision.
    limit
        Use only the first samples.
    session
        The processes that share the work, and where finished batches are kept.

    Returns
    -------
    list
        One record for each network.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not match, a sample has no valid ground truth, a network fails
        or returns NaN or infinity (the message names the sample), or a mute needs a mean that is
        not known of a stream.
    """
    execution, session = execution or Execution(), session or Session()
    schedule = make_schedule(networks, data, plans, execution, limit=limit, session=session)
    if schedule.finished or session.processes.count > 1:
        _check_stateless(plans)
    runners = make_runners(
        networks, data, plans, execution, count=schedule.count, processes=session.processes
    )
    trials, batches = try_out(runners, schedule, execution, session)
    collector.open(schedule, session, len(networks))
    for number, batch, follower in batches:
        collector.add(number, batch, [runner.run(batch, follower) for runner in runners])
    keys = [
        [*runner.row_keys(), *feature_keys(runner.conditions, trial.places)]
        for runner, trial in zip(runners, trials, strict=True)
    ]
    return [
        Evaluation(own.kept, tuple(runner.notes), trial, runner.stateful_values(), own.features)
        for own, runner, trial in zip(collector.close(keys), runners, trials, strict=True)
    ]


def try_out(
    runners: Sequence[Runner], schedule: Schedule, execution: Execution, session: Session
) -> tuple[list[Trial], Iterator[LoadedBatch]]:
    """Try the networks on the first batch, and make them ready for this one and all others.

    All processes run a network in the same way: the one that the first process found, or an
    interrupted run before.

    Returns
    -------
    tuple
        The trial of each network, and the batches to be run.
    """
    first = next(schedule.batches, None)

    def compute() -> list[dict[str, Any]]:
        assert first is not None, "the first batch is the first process's"
        return [
            asdict(
                runner.try_out(
                    first.batch, first.follower, samples=schedule.count, wanted=execution.share
                )
            )
            for runner in runners
        ]

    trials = _read_trials(session.agree("trials", compute), len(runners), session.shards)
    if first is None:
        return trials, iter(())
    for runner, trial in zip(runners, trials, strict=True):
        runner.prepare(trial, first.batch, first.follower)
    return trials, chain([first], schedule.batches)


def _read_trials(found: Any, count: int, shards: ShardStore | None) -> list[Trial]:
    """Read the trials of `count` networks, which may come from an interrupted run."""
    try:
        return [Trial(**record) for record, _ in zip(found, range(count), strict=True)]
    except (TypeError, ValueError) as error:
        assert shards, "a trial of this process has its form"
        raise InfluenceError(
            f"{shards.folder}: expected the trials of {count} networks that an interrupted run "
            f"wrote, got something else, perhaps of another version ({error}). Start afresh with "
            "resume=False"
        ) from error


def _check_stateless(plans: Sequence[Plan]) -> None:
    """Refuse metrics whose state would be split between processes, or lost with one of them."""
    for plan in plans:
        for metric in chain(*plan.stateful.values()):
            raise InfluenceError(
                f"metric {metric.name!r} keeps its own state from batch to batch: it cannot be "
                "measured by several processes, nor after an interrupted run. Start afresh with "
                "resume=False in one process, or use other metrics"
            )
