"""The only loop that runs a network: every condition on every sample, one read of the data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from influence.derangement import Derangement, agree_on_derangement
from influence.edges import edges_of
from influence.errors import InfluenceError
from influence.evaluation_set import Batch, DataFacts, EvaluationSet
from influence.features import feature_keys
from influence.loading import Follower, load_batches, load_pairs
from influence.moments import Moments, lacking_moments, measure_moments, with_moments
from influence.network import JointNetwork, Modality
from influence.places import FEATURES, chosen_samples, stride_of
from influence.plan import AMP, Execution, Plan, choose_device
from influence.processes import Json, Processes
from influence.rows import RowKey, Rows, group_numbers
from influence.runner import Runner
from influence.scoring import Scores
from influence.shards import ShardStore
from influence.trial import Trial

__all__ = [
    "Evaluation",
    "check_alone",
    "check_limit",
    "cut",
    "evaluate",
    "make_runners",
    "run_batches",
    "sample_count",
]

Pairs = Iterator[tuple[Batch, Follower | None]]
BatchRows = list[dict[RowKey, NDArray[np.float64]]]
"""For each network, the rows of one batch."""

EDGE_SAMPLES = 64
"""On so many samples, evenly spread, the moments of edges are measured."""

GLANCE = 1.0
"""The first process looks no more often what the others have done, in seconds: a long list."""


def sample_count(data: EvaluationSet, limit: int | None = None) -> int:
    """Return the number of samples to use: all, or the first `limit`; see `check_limit`."""
    check_limit(limit)
    return len(data) if limit is None else min(len(data), limit)


def check_limit(limit: int | None) -> None:
    """Raise InfluenceError if a limit is below one sample."""
    if limit is not None and limit < 1:
        raise InfluenceError(f"expected a limit of one sample or more, got {limit}")


@dataclass(frozen=True)
class Evaluation:
    """The rows, the scores and the features of each network, and how it was run."""

    rows: list[Rows]
    trials: list[Trial]
    scores: list[Scores]
    features: list[dict[RowKey, NDArray[np.float64]]]


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
) -> Evaluation:
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

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not match, a sample has no valid place, or a network fails
        or returns NaN or infinity; the message names the sample.
    """
    execution, processes = execution or Execution(), processes or Processes()
    assert shards or processes.count == 1, "several processes meet in the shards"
    count = sample_count(data, limit)
    names = sorted({m.name for network in networks for m in network.inputs})
    derangement = agree_on_derangement(
        data, count, plans[0].shuffle, names=names, seed=plans[0].seed, shards=shards,
        processes=processes,
    )  # fmt: skip
    batches = cut(count, execution.batch_size, derangement)
    pairs_of = list(zip(networks, plans, strict=True))
    lacking = set().union(*(lacking_moments(n, data, p.mutes, p.sites) for n, p in pairs_of))
    own = measure_moments(data, sorted(lacking), count) if processes.first else {}
    measured = cast(Moments, processes.broadcast(cast(Json, own)))
    found = [with_moments(n, data, p.mutes, p.sites, measured) for n, p in pairs_of]
    runners = make_runners(networks, data, plans, execution, [m for m, _ in found], count)
    measure_edges(runners, data, plans, count, execution)
    notes = [sources for _, sources in found]

    finished = shards.finished() if shards else []
    if finished or processes.count > 1:
        check_alone(plans)
    left = sorted(set(range(len(batches))).difference(finished))
    # Looked up by one: another might find what is being finished meanwhile.
    left = processes.share(cast(list[int], processes.broadcast(cast(Json, left))))
    pairs = load_pairs(
        data,
        [batches[number] for number in left],
        derangement,
        workers=execution.workers,
        pinned=choose_device(execution.device).type == "cuda",
    )
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
    return Evaluation(
        [
            Rows(
                ids=list(data.ids)[:count],
                groups=groups,
                values={key: collector.values[f"{i}/{key}"] for key in runner.row_keys()},
                notes=(*notes[i], *runner.notes),
                units=units,
            )
            for i, runner in enumerate(runners)
        ],
        trials,
        [runner.scores() for runner in runners],
        [
            {
                key: collector.values[f"{i}/{key}"]
                for key in feature_keys(runner.conditions, trial.places)
                if f"{i}/{key}" in collector.values
            }
            for i, (runner, trial) in enumerate(zip(runners, trials, strict=True))
        ],
    )


def cut(
    count: int, batch_size: int, derangement: Derangement | None = None
) -> list[NDArray[np.int64]]:
    """Cut the samples into batches, along the cycles of a shuffle mute where there is one.

    >>> [batch.tolist() for batch in cut(5, 2)]
    [[0, 1], [2, 3], [4]]
    """
    return (derangement or Derangement((np.arange(count),))).cut(batch_size)


def check_alone(plans: Sequence[Plan]) -> None:
    """Raise InfluenceError if a metric's state would be spread, or was lost with its process."""
    for plan in plans:
        for scorer in chain(*plan.scorers.values()):
            raise InfluenceError(
                f"metric {scorer.name!r} keeps its own state from batch to batch: it cannot be "
                "measured by several processes, nor go on from an interrupted run. Start afresh "
                "without --resume, in one process, or score by other metrics"
            )


def make_runners(
    networks: Sequence[JointNetwork],
    data: DataFacts,
    plans: Sequence[Plan],
    execution: Execution,
    modalities: Sequence[Mapping[str, Modality]],
    count: int | None,
) -> list[Runner]:
    """Make one runner a network; `modalities` are their inputs with the moments filled in.

    `count` is the number of samples, `None` for a stream.
    """
    return [
        Runner(
            network,
            data,
            plan.conditions(network),
            modalities=known,
            mutes={mute.name: mute for mute in plan.mutes},
            metrics=plan.metrics,
            scorers=plan.scorers,
            slices=plan.slices,
            device=choose_device(execution.device),
            amp=AMP[execution.amp],
            seed=plan.seed,
            compiled=execution.compile,
            channels_last=execution.channels_last,
            meeting=plan.meeting,
            stride=stride_of(count),
        )
        for network, plan, known in zip(networks, plans, modalities, strict=True)
    ]


def measure_edges(
    runners: Sequence[Runner],
    data: EvaluationSet,
    plans: Sequence[Plan],
    count: int,
    execution: Execution,
) -> None:
    """Measure the moments of muted edges on some samples, where a mute needs them."""
    indices = np.unique(np.linspace(0, count - 1, min(count, EDGE_SAMPLES)).astype(np.int64))
    size = execution.batch_size
    for runner, plan in zip(runners, plans, strict=True):
        if needs_edge_moments(plan):
            cuts = [indices[i : i + size] for i in range(0, len(indices), size)]
            runner.measure_edges(load_batches(data, cuts))


def needs_edge_moments(plan: Plan) -> bool:
    """Say whether a mute of a plan needs the mean or the deviation of an edge."""
    needs = set().union(*(mute.needs for mute in plan.mutes))
    return bool(edges_of(plan.sites)) and not needs.isdisjoint({"mean", "std"})


def run_batches(
    runners: Sequence[Runner],
    pairs: Pairs,
    execution: Execution,
    *,
    samples: int | None,
    shards: ShardStore | None = None,
    processes: Processes,
) -> tuple[list[Trial], Iterator[tuple[Batch, BatchRows]]]:
    """Try the networks on the first batch, then run them on this and all others.

    All processes go the same way for each network: that which the first one found, or an earlier
    process of an interrupted run.
    """
    first = next(pairs, None)
    trials = shards.kept("trials") if shards else None
    if trials is None and processes.first:
        assert first is not None, "the first batch is the first process's"
        trials = [
            asdict(runner.try_out(*first, samples=samples, wanted=execution.share))
            for runner in runners
        ]
    told = cast(list[dict[str, Any]], processes.broadcast(trials))
    try:
        trials = [Trial(**trial) for trial, _ in zip(told, runners, strict=True)]
    except (TypeError, ValueError) as error:
        assert shards, "what comes from here has its form"
        raise InfluenceError(
            f"{shards.folder}: expected what an interrupted run found out about {len(runners)} "
            f"networks, got something else, perhaps of another version ({error}). Start afresh "
            "without --resume"
        ) from error
    if shards and processes.first:
        shards.keep("trials", [asdict(trial) for trial in trials])
    if first is None:
        return trials, iter(())
    for runner, trial in zip(runners, trials, strict=True):
        runner.prepare(trial, *first)

    def run() -> Iterator[tuple[Batch, BatchRows]]:
        for batch, follower in chain([first], pairs):
            yield batch, [runner.run(batch, follower) for runner in runners]

    return trials, run()


class _Collector:
    """Puts the rows of batches together by the samples' positions, and tells what is done."""

    def __init__(
        self, count: int, sizes: Sequence[int], advance: Callable[[int], None] | None
    ) -> None:
        self.count, self.sizes, self.advance = count, sizes, advance
        self.stride = stride_of(count)
        self.values: dict[str, NDArray[np.float64]] = {}
        self.finished: set[int] = set()

    def add(self, indices: NDArray[np.int64], rows: Mapping[str, NDArray[np.float64]]) -> None:
        for key, values in rows.items():
            places, length = indices, self.count
            if key.endswith(f"/{FEATURES}"):
                places = indices[chosen_samples(indices, self.stride)] // self.stride
                length = -(-self.count // self.stride)
            whole = self.values.setdefault(key, np.full((length, values.shape[1]), np.nan))
            whole[places] = values

    def finish(self, numbers: Iterable[int]) -> None:
        """Report the batches that are not reported yet, whoever ran them."""
        new = set(numbers).difference(self.finished)
        self.finished |= new
        if self.advance:
            for number in sorted(new):
                self.advance(self.sizes[number])


def _flat(rows: BatchRows) -> dict[str, NDArray[np.float64]]:
    return {f"{i}/{key}": values for i, own in enumerate(rows) for key, values in own.items()}
