"""Evaluation: every condition on every sample, one read of the data, one row a sample."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from influence.evaluation_set import EvaluationSet
from influence.features import feature_keys
from influence.loop import (
    BatchRows,
    check_alone,
    cut,
    make_runners,
    order_samples,
    read_batches,
    run_batches,
    sample_count,
)
from influence.network import JointNetwork
from influence.places import FEATURES, chosen_samples, stride_of
from influence.plan import Execution, Plan
from influence.processes import Json, Processes
from influence.rows import RowKey, Rows, group_numbers
from influence.scoring import Scores
from influence.shards import ShardStore
from influence.sums import Sums
from influence.trial import Trial

__all__ = ["Evaluation", "evaluate"]

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
    scores: Scores
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

    def rows(self, i: int, keys: Iterable[RowKey]) -> dict[RowKey, NDArray[np.float64]]:
        """Return the rows of a network."""
        return {key: self.values[f"{i}/{key}"] for key in keys}

    def features(self, i: int, keys: Iterable[RowKey]) -> dict[RowKey, NDArray[np.float64]]:
        """Return the features of a network: a place may not be reached under every condition."""
        return self.rows(i, (key for key in keys if f"{i}/{key}" in self.values))


def _flat(rows: BatchRows) -> dict[str, NDArray[np.float64]]:
    return {f"{i}/{key}": values for i, own in enumerate(rows) for key, values in own.items()}
