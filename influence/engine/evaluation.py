"""Evaluation: run networks on data under every condition, and reduce predictions to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter

from influence.data.dataset import Batch, EvaluationSet
from influence.data.loader import name_samples
from influence.data.source import BatchStream, check_limit, sample_count
from influence.engine.collectors import Collector
from influence.engine.identity import check_streams
from influence.engine.preparation import make_runners
from influence.engine.runner import Runner
from influence.engine.schedule import LoadedBatch, Schedule, make_schedule
from influence.engine.trial import Probe, Trial
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, Session
from influence.runtime.shards import ShardStore
from influence.statistics.rows import RowKey, Rows, StatefulValues, Sums, feature_keys

__all__ = ["Evaluation", "evaluate", "try_out"]

Kept_co = TypeVar("Kept_co", bound=Rows | Sums, covariant=True)
T = TypeVar("T", Probe, Trial)


@dataclass(frozen=True)
class Evaluation(Generic[Kept_co]):
    """The result of running one network on all samples under every condition.

    Parameters
    ----------
    kept
        The rows of its samples, or their sums, depending on the collector.
    notes
        Messages for the user about the network.
    trial
        The behaviour of the network on the first samples, which decides how it is run.
    path
        How the network was run, and why.
    stateful
        The values of metrics that keep their own state.
    features
        The features at places inside it, (samples, channels) for every condition and place.
    """

    kept: Kept_co
    notes: tuple[str, ...]
    trial: Trial
    path: str
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
    """Run networks on data under every condition of their plans, and collect rows or their sums.

    Each sample is read once, whatever the number of networks and conditions. Statistics are
    computed on the device, per sample, in float64; predictions are not kept.

    Under the mute `shuffle`, each sample gets the input of another one, in a random order of the
    whole set; in a stream it gets that of the next sample in its batch.

    Parameters
    ----------
    networks, data, plans
        The networks, the data, and for each network its sites, mutes and metrics. All plans have
        the same seed, and either all or none have a shuffle mute.
    collector
        What is kept: `influence.engine.collectors.RowCollector` keeps the rows of every sample of
        data of known length, `SumCollector` keeps running sums of data of any length.
    execution
        Device, batch size, workers, precision.
    limit
        The largest number of samples to use, from the start of the data.
    session
        The processes that share the work, and the folder in which finished batches are kept.

    Returns
    -------
    list
        One record for each network.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not match, a sample has no valid ground truth, a network fails
        or returns NaN or infinity (the message names the sample), a mute needs the mean of an
        input in a stream and the facts do not hold it, or processes read different streams.
    """
    execution, session = execution or Execution(), session or Session()
    check_limit(limit)
    count = None if isinstance(data, BatchStream) else sample_count(data, limit)
    runners = make_runners(
        networks, data, plans, execution, count=count, processes=session.processes
    )
    keep = keeps_batches(runners, data, session, count=count)
    for runner in runners:
        runner.note_batches(kept=keep)
    schedule = make_schedule(
        networks, data, plans, execution, limit=limit, session=session, keep=keep
    )
    if schedule.finished or session.processes.count > 1:
        _check_stateless(plans)
    trials, batches = try_out(runners, schedule, execution, session)
    collector.open(schedule, session, len(networks))
    for number, batch, follower in batches:
        collector.add(number, batch, [runner.run(batch, follower) for runner in runners])
    check_streams(data, session.processes)
    keys = [
        [*runner.row_keys(), *feature_keys(runner.conditions, trial.places)]
        for runner, trial in zip(runners, trials, strict=True)
    ]
    return [
        Evaluation(
            own.kept,
            (*runner.notes, *runner.reduction.observed),
            trial,
            runner.path,
            runner.stateful_values(),
            own.features,
        )
        for own, runner, trial in zip(collector.close(keys), runners, trials, strict=True)
    ]


def keeps_batches(
    runners: Sequence[Runner],
    data: EvaluationSet | BatchStream,
    session: Session,
    *,
    count: int | None,
) -> bool:
    """Return whether batches are run as they were given, after a look at the first one.

    They are, if a network was seen to predict a sample otherwise alone or in other company, or if
    samples differ in shape. The samples of a file were not given in batches.

    Parameters
    ----------
    runners, data, session
        The networks, the data, and the processes, all of which do as the first one.
    count
        The number of samples; `None` for a stream.
    """
    if isinstance(data, BatchStream):
        return not all(p.independent for p in examine(runners, data.peek, session, count))
    if data.given is None:
        return False
    assert count is not None, "a set has a length"
    some = data.given[0][data.given[0] < count]

    def read() -> Batch:
        return replace(data.read(some), **name_samples(data, some))

    probes = examine(runners, read, session, count)
    return not (data.uniform and all(probe.independent for probe in probes))


def examine(
    runners: Sequence[Runner], batch: Callable[[], Batch], session: Session, samples: int | None
) -> list[Probe]:
    """See on the first samples of a batch how each network behaves, and let its runner know.

    All processes do as the first one found, or the interrupted run that is resumed.

    Parameters
    ----------
    runners, session
        The networks, and the processes.
    batch
        Returns the batch.
    samples
        The number of samples that will be run; `None` if it is unknown.
    """

    def compute() -> list[dict[str, Any]]:
        first = batch()
        return [asdict(runner.examine(first, samples)) for runner in runners]

    found = session.agree("probes", compute)
    probes = _read_records(Probe, found, len(runners), session.shards)
    for runner, probe in zip(runners, probes, strict=True):
        runner.learn_behaviour(probe)
    return probes


def try_out(
    runners: Sequence[Runner], schedule: Schedule, execution: Execution, session: Session
) -> tuple[list[Trial], Iterator[LoadedBatch]]:
    """Choose how each network is run, by a trial on the first batch.

    A network that was not examined yet is examined first.

    Every process runs a network in the same way, as chosen by the first process or by the
    interrupted run that is resumed.

    Returns
    -------
    tuple
        The trial of each network, and all batches to be run, including the first.
    """
    first = next(schedule.batches, None)
    if any(runner.probe is None for runner in runners):

        def batch() -> Batch:
            return _first(first, session).batch

        examine(runners, batch, session, schedule.count)
        for runner in runners:
            runner.note_batches(kept=False)

    def compute() -> list[dict[str, Any]]:
        _, some, follower = _first(first, session)
        return [
            asdict(runner.try_out(some, follower, samples=schedule.count, wanted=execution.share))
            for runner in runners
        ]

    trials = _read_records(Trial, session.agree("trials", compute), len(runners), session.shards)
    if first is None:  # an interrupted run has run all batches
        for runner, trial in zip(runners, trials, strict=True):
            runner.learn_trial(trial)
        return trials, iter(())
    for runner, trial in zip(runners, trials, strict=True):
        runner.prepare(trial, first.batch, first.follower)
    return trials, chain([first], schedule.batches)


def _first(batch: LoadedBatch | None, session: Session) -> LoadedBatch:
    """Return the first batch of the first process, which has one unless all are finished."""
    if batch is None:
        assert session.shards, "only a resumed run has no batch left"
        raise InfluenceError(
            f"{session.shards.folder}: expected what the interrupted run found out on its first "
            "batch, in probes.json and trials.json, which are gone. Start afresh with resume=False"
        )
    return batch


def _read_records(kind: type[T], found: Any, count: int, shards: ShardStore | None) -> list[T]:
    """Parse a record for each network, which may have been written by an interrupted run."""
    try:
        if len(found) != count:
            raise ValueError(f"{len(found)} networks")
        return TypeAdapter(list[kind]).validate_python(found)  # type: ignore[valid-type]
    except (TypeError, ValueError) as error:
        assert shards, "a trial of this process has its form"
        fault = " ".join(str(error).split())
        raise InfluenceError(
            f"{shards.folder}: expected the trials of {count} networks that an interrupted run "
            f"wrote, got something else, perhaps of another version ({fault}). Start afresh with "
            "resume=False"
        ) from error


def _check_stateless(plans: Sequence[Plan]) -> None:
    """Raise InfluenceError for metrics whose state is not kept across processes or resumed runs."""
    for plan in plans:
        for metric in chain(*plan.stateful.values()):
            raise InfluenceError(
                f"metric {metric.name!r} keeps its own state from batch to batch: it cannot be "
                "measured by several processes, nor after an interrupted run. Start afresh with "
                "resume=False in one process, or use other metrics"
            )
