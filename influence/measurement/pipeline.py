"""Measurement: networks and data in, tables out; the one call behind ``influence measure``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from influence.data.source import BatchStream, Data, find_groups, open_data, reopen, sample_count
from influence.engine.collectors import Collector, RowCollector, SumCollector
from influence.engine.evaluation import evaluate
from influence.errors import InfluenceError
from influence.measurement.expectations import (
    CleanScores,
    Expectation,
    check_scores,
    read_expectations,
)
from influence.measurement.provenance import machine_info, run_info
from influence.measurement.tabulation import tabulate
from influence.measurement.tasks import Request, make_tasks
from influence.measurement.training import Constants, learn_lacking, open_training
from influence.metrics.registry import Wanted
from influence.metrics.slices import parse_levels
from influence.network.joint_network import JointNetwork
from influence.results.run import Run, check_free, check_writable
from influence.runtime.execution import Execution, Session, choose_device, progress_bar
from influence.runtime.processes import Processes, process_device
from influence.runtime.renames import moved_into_record
from influence.runtime.shards import ShardStore
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows, Sums

__all__ = ["Checkpointing", "measure"]

T = TypeVar("T", Execution, Resampling)


@dataclass(frozen=True)
class Checkpointing:
    """Where the rows of finished batches are kept while measuring, so that a run can be resumed.

    Parameters
    ----------
    folder
        Where they are kept. Several processes must see the same folder.
    resume
        Whether to go on from the rows that an interrupted run has left there.
    target
        The run directory that will be written. One that holds another run is refused before
        anything is computed.
    """

    folder: Path
    resume: bool = False
    target: Path | None = None


@moved_into_record("execution", ("workers", "amp", "share", "compile", "channels_last"), Execution)
def measure(
    networks: JointNetwork | Sequence[JointNetwork],
    data: Data,
    *,
    metrics: Mapping[str, Sequence[Wanted]] | None = None,
    levels: str | Sequence[str] = (),
    mutes: Sequence[str] = ("zero", "mean"),
    sites: Sequence[str] | None = None,
    setups: str = "each",
    meeting: str = "auto",
    interactions: bool = False,
    device: str | None = None,
    batch_size: int | None = None,
    draws: int | None = None,
    confidence: float | None = None,
    seed: int | None = None,
    execution: Execution | None = None,
    resampling: Resampling | None = None,
    stream: bool = False,
    limit: int | None = None,
    expect: Sequence[str | Expectation] = (),
    training: Data | None = None,
    progress: bool = False,
    checkpointing: Checkpointing | None = None,
    processes: Processes | None = None,
) -> Run:
    """Measure how much each input helps each output.

    Each input is muted in turn, and omega is what the score of an output loses: the score with
    nothing muted minus the score with the input muted, turned so that positive means that the
    input helps (arXiv 1702.08009, eqs. 2 and 3).

    Parameters
    ----------
    networks
        One trained network, or several to compare on the same data.
    data
        The path of an evaluation file, or any iterable of batches ``(inputs, targets)``, each a
        mapping from names to tensors with samples first.
    metrics
        For each output to score, metrics by name, as records, by ``module:name``, or objects of
        torchmetrics; see `influence.metrics.registry.find_metrics`. A set of
        `influence.metrics.registry.SETS`, such as ``hybridnet``, stands for its metrics. By
        default all outputs, with `influence.metrics.registry.default_metrics`.
    levels
        Slices for which every result is also computed, beside the classes: ``depth`` or
        ``depth=1,2,4`` (true depth, with the edges of its bins), ``region`` or ``region=3`` (pixels
        at most this far from a border between true labels, and the others), ``group`` (the samples
        of each group alone). See `influence.metrics.slices.match_slices`.
    mutes
        What replaces a muted input; see `influence.mutes.registry.MUTES`. ``panel`` stands for
        those of `influence.mutes.registry.PANEL` that are defined for the network.
    sites
        The inputs and edges to mute; by default all inputs.
    setups
        ``each`` input muted alone; ``ends``, also all of them together; or ``all`` subsets. The
        further setups have their rows in `Run.performance`.
    meeting
        Where the distance of muted inputs from the data is measured, in `Run.distance`: ``auto``,
        where modalities first meet, for which the network's graph must be known (that of a `.pt2`
        file is); the path of a module, at its output; or ``off``.
    interactions
        Whether to measure also what inputs are worth alone, together and on top of each other
        (leave-one-out, add-one-in, Shapley value, pairwise interaction), in `Run.interactions`. All
        subsets of the sites are run, or a sample of them if there are more than eight sites.
    device, batch_size
        Where the networks run, such as ``auto`` or ``cuda:1``, and how many samples are run
        together; in place of those of `execution`.
    draws, confidence, seed
        The draws of the paired bootstrap and the sign-flip test, the confidence of intervals, and
        the seed, which also rules shuffle and noise; in place of those of `resampling`.
    execution
        How the networks are run; see `influence.Execution`.
    resampling
        How intervals and p-values are computed; see `influence.Resampling`.
    stream
        Keep running sums in place of the rows of every sample, in memory that does not grow with
        the data, which may be any iterable of batches ``(inputs, targets)`` or ``(inputs, targets,
        {"ids": ..., "groups": ...})``. Intervals come from a Poisson bootstrap; there are no rows
        and no samples.
    limit
        Use only the first samples.
    expect
        Scores that the networks are known to reach with nothing muted, such as
        ``semantic:mean_iou=0.542+-0.005``, with ``network/`` before it for one of several. They are
        checked first, in a pass of its own over the data; if one is missed, nothing is measured.
    training
        Training data, in any form of `data`, from which the mute ``optimal`` is learned for the
        inputs whose constant the networks' facts do not hold; see
        `influence.mutes.optimal.learn_optimal`.
    progress
        Show progress on standard error.
    checkpointing
        Keep the rows of finished batches on disk, so that a run can be resumed.
    processes
        The processes that share the work, from `influence.runtime.processes.join_processes`: each
        calls this function, and gets the same tables. They need `checkpointing`, or `stream`.

    Returns
    -------
    Run
        The tables and everything needed to trust them.

    Raises
    ------
    InfluenceError
        If names, shapes, labels or values are not what they have to be, or a network does not
        reach an expected score.

    Examples
    --------
    >>> import torch
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> x, y = torch.randn(64, 3), torch.randn(64, 3)
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> run = measure(net, [({"x": x, "y": y}, {"total": x + y})], mutes=["zero"])
    >>> row = run.influence.set_index(["source", "metric"]).loc[("y", "mse")]
    >>> bool(abs(row.omega - y.double().square().mean().item()) < 1e-6)  # closed form: E[y^2]
    True
    """
    networks = [networks] if isinstance(networks, JointNetwork) else list(networks)
    expectations = read_expectations(expect)
    processes = processes or Processes()
    resampling = _override(
        resampling or Resampling(), draws=draws, confidence=confidence, seed=seed
    )
    execution = _override(execution or Execution(), device=device, batch_size=batch_size)
    request = Request(metrics, levels, mutes, sites, setups, meeting, interactions, resampling.seed)
    dataset = open_data(data, stream=stream)
    stream = stream or isinstance(dataset, BatchStream)
    count = None if isinstance(dataset, BatchStream) else sample_count(dataset, limit)
    groups = find_groups(dataset, count, stream=stream) if parse_levels(levels).by_group else []
    tasks = make_tasks(networks, dataset, request, count=count, training=training is not None)
    training_set = open_training(training, [t.plan for t in tasks]) if training else None
    chosen = choose_device(process_device(execution.device, processes))
    execution = replace(execution, device=str(chosen))
    info = run_info(
        tasks, dataset, request, execution, resampling,
        count=limit if count is None else count, training=training_set, stream=stream,
    ) | machine_info(execution.device, processes.count)  # fmt: skip
    _check_target(checkpointing, info, stream=stream, processes=processes)
    shown = progress and processes.first
    clean = CleanScores()
    if expectations:
        with progress_bar(count, show=shown) as advance:
            clean = check_scores(
                expectations,
                {task.key: task.network for task in tasks},
                [task.plan for task in tasks],
                reopen(data, dataset),
                execution=execution,
                limit=limit,
                session=Session(processes, advance=advance),
            )
    shards = None if stream else _open_shards(checkpointing, info, processes)
    learned: list[Constants] = [{} for _ in tasks]
    if training_set is not None:
        learned = learn_lacking(
            networks, [task.plan for task in tasks], training_set,
            execution=execution, session=Session(processes, shards), progress=shown,
        )  # fmt: skip
        info["learned"] = {task.key: own for task, own in zip(tasks, learned, strict=True)}
    tasks = [
        task.with_notes(clean.notes.get(task.key, ())).with_constants(own, training_set)
        for task, own in zip(tasks, learned, strict=True)
    ]
    collector: Collector[Rows | Sums] = SumCollector(resampling) if stream else RowCollector()
    start = time.monotonic()
    with progress_bar(count, show=shown) as advance:
        found = evaluate(
            [task.network for task in tasks],
            dataset,
            [task.plan for task in tasks],
            collector,
            execution=execution,
            limit=limit,
            session=Session(processes, shards, advance),
        )
    evaluated = time.monotonic()
    clean.check_length(found[0].n)
    subjects = [task.subject(dataset) for task in tasks]
    tables = tabulate(found, subjects, resampling, groups=groups, interactions=interactions)
    results = {task.key: own for task, own in zip(tasks, found, strict=True)}
    info |= {
        "notes": {task.key: list(task.with_notes(results[task.key].notes).notes) for task in tasks},
        "expected": list(clean.scores),
        "paths": {key: own.trial.path for key, own in results.items()},
        # Metrics that keep their own state have no value of one sample.
        "samples": bool(len(tables["samples"])),
        "seconds": {
            "evaluate": round(evaluated - start, 3),
            "statistics": round(time.monotonic() - evaluated, 3),
        },
        "samples_per_second": round(found[0].n / max(evaluated - start, 1e-9), 2),
    }
    rows = {key: own.kept for key, own in results.items() if isinstance(own.kept, Rows)}
    return Run(**tables, info=info, rows=rows)


def _override(record: T, **given: Any) -> T:
    """Return a record with the fields that are given, where they are not `None`."""
    return replace(record, **{name: value for name, value in given.items() if value is not None})


def _check_target(
    checkpointing: Checkpointing | None,
    info: Mapping[str, Any],
    *,
    stream: bool,
    processes: Processes,
) -> None:
    """Refuse a run directory that holds another run, or cannot be written."""
    if checkpointing and checkpointing.target:
        check_free(checkpointing.target, info)
        if stream and processes.first:  # else the shards find out
            check_writable(checkpointing.target)


def _open_shards(
    checkpointing: Checkpointing | None, info: Mapping[str, Any], processes: Processes
) -> ShardStore | None:
    if checkpointing is None:
        if processes.count > 1:
            raise InfluenceError(
                f"{processes.count} processes measure together, and meet in a folder that all of "
                "them see: give checkpointing=Checkpointing(folder)"
            )
        return None
    plan = dict(info["measured"]) | dict(info["execution"])
    resume = checkpointing.resume or processes.restarted
    # The first clears the folder before the others look into it.
    store = ShardStore(checkpointing.folder, plan, resume=resume) if processes.first else None
    processes.barrier()
    return store or ShardStore(checkpointing.folder, plan, resume=True)
