"""Measurement: the function behind ``influence measure``, from networks and data to tables."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.analysis.distance import explain_absence
from influence.data.dataset import EvaluationSet
from influence.data.memory import Fields
from influence.data.source import (
    BatchStream,
    Collate,
    Data,
    Form,
    close_data,
    find_groups,
    open_data,
    reopen,
    sample_count,
)
from influence.engine.collectors import Collector, RowCollector, SumCollector
from influence.engine.evaluation import evaluate
from influence.engine.identity import check_processes, check_resumed
from influence.engine.schedule import batch_size_of
from influence.errors import InfluenceError
from influence.measurement.expectations import (
    CleanScores,
    Expectation,
    check_scores,
    read_expectations,
)
from influence.measurement.provenance import machine_info, run_info
from influence.measurement.tabulation import tabulate
from influence.measurement.tasks import Request, Task, make_tasks
from influence.measurement.training import Constants, learn_lacking, open_training
from influence.metrics.registry import Wanted
from influence.metrics.slices import parse_levels
from influence.mutes.mute import Mute
from influence.network.joint_network import JointNetwork
from influence.results.run_directory import Run, check_free
from influence.runtime.directories.locks import hold
from influence.runtime.execution import Execution, Session, choose_device, progress_bar
from influence.runtime.processes import Processes, process_device
from influence.runtime.renames import moved_into_record
from influence.runtime.shards import ShardStore
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import RowKey, Rows, Sums

__all__ = ["Checkpointing", "measure"]

P = ParamSpec("P")
T = TypeVar("T", Execution, Resampling)


@dataclass(frozen=True)
class Checkpointing:
    """The folder in which finished batches are kept, so that an interrupted run can be resumed.

    Parameters
    ----------
    folder
        The folder. If several processes measure together, all must have access to it.
    resume
        Whether to continue from the rows that an interrupted run has left in the folder.
    target
        The run directory that will be written. If it holds another run, or another process writes
        into it, an error is raised before anything is computed.
    """

    folder: Path
    resume: bool = False
    target: Path | None = None


def _as_only_writer(measure: Callable[P, Run]) -> Callable[P, Run]:
    """Hold the directories of `checkpointing` while a function measures."""

    @wraps(measure)
    def alone(*args: P.args, **kwargs: P.kwargs) -> Run:
        checkpointing: Any = kwargs.get("checkpointing")
        processes: Any = kwargs.get("processes")
        with ExitStack() as stack:
            if checkpointing and (processes is None or processes.first):
                target, folder = checkpointing.target, checkpointing.folder
                for directory in filter(None, (target, folder)):
                    if directory == target or target not in folder.parents:
                        stack.enter_context(hold(directory))
            return measure(*args, **kwargs)

    alone.__kwdefaults__ = measure.__kwdefaults__  # type: ignore[attr-defined]
    return alone


@moved_into_record("execution", ("workers", "amp", "share", "compile", "channels_last"), Execution)
@_as_only_writer
def measure(
    networks: JointNetwork | Sequence[JointNetwork],
    data: Data,
    *,
    metrics: Mapping[str, Sequence[Wanted]] | None = None,
    levels: str | Sequence[str] = (),
    mutes: Sequence[str | Mute] | None = None,
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
    fields: Fields | None = None,
    collate: Collate | None = None,
    stream: bool = False,
    limit: int | None = None,
    expect: Sequence[str | Expectation] = (),
    training: Data | None = None,
    progress: bool = False,
    checkpointing: Checkpointing | None = None,
    processes: Processes | None = None,
) -> Run:
    """Measure how much each input helps each output.

    Each input is muted in turn. Its influence on an output, omega, is the score with nothing muted
    minus the score with the input muted, oriented such that a positive value means that the input
    helps (arXiv 1702.08009, eqs. 2 and 3).

    Parameters
    ----------
    networks
        One trained network, or several that are measured on the same data.
    data
        The path of an evaluation file, or any iterable of batches ``(inputs, targets)``, each a
        mapping, perhaps nested, from names to tensors with samples first; or batches of any other
        form with `fields`, or samples with `collate`. Batches are run as they are given if the
        network was seen to predict a sample otherwise in other company; else they are cut anew.
    metrics
        For each output to score, metrics by name, as records, by ``module:name``, or objects of
        torchmetrics; see `influence.metrics.registry.find_metrics`. The name of a set in
        `influence.metrics.registry.SETS`, such as ``hybridnet``, selects all its metrics. By
        default all outputs, with `influence.metrics.registry.default_metrics`.
    levels
        Slices for which every result is also computed, beside the classes: ``depth`` or
        ``depth=1,2,4`` (bins of true depth, with the given edges), ``region`` or ``region=3``
        (pixels within this distance of a border between true labels, and all further pixels),
        ``group`` (each group of samples). See `influence.metrics.slices.match_slices`.
    mutes
        What replaces a muted input: names of `influence.mutes.registry.MUTES`, ``module:name``, or
        functions under `influence.mute`. By default those of `influence.mutes.registry.DEFAULT`
        that are defined for the kinds of the inputs: ``zero`` and ``mean`` for numbers, ``empty``
        for tokens. ``panel`` selects those of `influence.mutes.registry.PANEL`.
    sites
        The inputs and edges to mute; by default all inputs but contexts.
    setups
        ``each``: every site is muted alone; ``ends``: also all of them together; ``all``: every
        subset of the sites. The additional setups are reported in `Run.performance`.
    meeting
        Where the distance of muted inputs from the data, `Run.distance`, is measured: ``auto``,
        where modalities first meet, if the network's graph is known (as that of a `.pt2` file is);
        the path of a module, at its output; or ``off``.
    interactions
        Whether to compute also the contributions of inputs alone, jointly and in addition to each
        other (leave-one-out, add-one-in, Shapley value, pairwise interaction), `Run.interactions`.
        All subsets of the sites are run, or a sample of them for more than eight sites.
    device, batch_size
        The device, such as ``auto`` or ``cuda:1``, and the number of samples that are run
        together; these override the fields of `execution`.
    draws, confidence, seed
        The number of draws of the paired bootstrap and the sign-flip test, the confidence of
        intervals, and the seed, which is also that of shuffle and noise; these override the fields
        of `resampling`.
    execution
        Device, batch size, workers and precision; see `influence.Execution`.
    resampling
        How intervals and p-values are computed; see `influence.Resampling`.
    fields
        Where the parts of a batch lie, for batches of another form, such as ``{"inputs/rgb": 0,
        "targets/label": "y.class"}``: keys, indices and attributes joined by dots.
    collate
        Makes a batch of samples, such as `torch.utils.data.default_collate`, if the data hold
        single samples.
    stream
        Keep running sums instead of the rows of every sample, so that memory does not grow with
        the data, which may be any iterable of batches ``(inputs, targets)`` or ``(inputs, targets,
        {"ids": ..., "groups": ...})``. Intervals draw blocks of samples
        (`influence.statistics.running_sums`); `Run.rows` and `Run.samples` are empty.
    limit
        The largest number of samples to use, from the start of the data; by default all.
    expect
        Scores that the networks are known to reach with nothing muted, such as
        ``semantic:mean_iou=0.542+-0.005``, with ``network/`` before it for one of several. They are
        checked first, in a separate pass over the data; if one is missed, nothing is measured.
    training
        Training data, in the form of `data` or a file, from which the mute ``optimal`` is learned
        for inputs without an optimal constant in the networks' facts; see
        `influence.mutes.optimal.learn_optimal`.
    progress
        Whether to show progress on standard error.
    checkpointing
        Where to keep the rows of finished batches, so that an interrupted run can be resumed.
    processes
        The processes that share the work, from `influence.runtime.processes.join_processes`. Each
        calls this function and returns the same tables. They need `checkpointing` or `stream`.

    Returns
    -------
    Run
        The tables of results, with the versions, hashes and settings needed to repeat the run.

    Raises
    ------
    InfluenceError
        If names, shapes, labels or values are not valid, or a network does not reach an expected
        score.

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
    contexts = set().union(*(network.layout.contexts for network in networks))
    form = Form(fields, collate, contexts, execution.batch_size or Form.batch_size)
    dataset = open_data(data, stream=stream, form=form)
    stream = stream or isinstance(dataset, BatchStream)
    count = None
    if not isinstance(dataset, BatchStream):
        count = sample_count(dataset, limit)
        execution = replace(execution, batch_size=batch_size_of(dataset, execution, count))
    check_processes(dataset, count, processes)
    groups = find_groups(dataset, count, stream=stream) if parse_levels(levels).by_group else []
    tasks = make_tasks(networks, dataset, request, count=count, training=training is not None)
    plans = [task.plan for task in tasks]
    training_set = open_training(training, plans, form) if training else None
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
                reopen(data, dataset, form),
                execution=execution,
                limit=limit,
                session=Session(processes, advance=advance),
            )
    shards = None
    if not (stream or isinstance(dataset, BatchStream)):
        shards = _open_shards(checkpointing, info, dataset, processes)
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
    collector: Collector[Rows | Sums] = (
        SumCollector(resampling) if stream else RowCollector(resampling)
    )
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
    if isinstance(dataset, BatchStream):
        info["measured"]["data"]["sha256"] = f"xxh3:{dataset.digests[-1]}"
    close_data(dataset, data)
    close_data(training_set, training)
    clean.check_length(found[0].n)
    subjects = [task.subject(dataset) for task in tasks]
    tables = tabulate(found, subjects, resampling, groups=groups, interactions=interactions)
    results = {task.key: own for task, own in zip(tasks, found, strict=True)}
    info |= {
        "notes": {task.key: list(task.with_notes(results[task.key].notes).notes) for task in tasks},
        "expected": list(clean.scores),
        "paths": {key: own.path for key, own in results.items()},
        "distances": {
            task.key: _explain_distances(task, own.features, tables["distance"], meeting)
            for task, own in zip(tasks, found, strict=True)
        },
        # Metrics that keep their own state have no value for a single sample.
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
    """Return a record with the given fields replaced, except those that are `None`."""
    return replace(record, **{name: value for name, value in given.items() if value is not None})


def _explain_distances(
    task: Task, features: Mapping[RowKey, NDArray[np.float64]], table: pd.DataFrame, meeting: str
) -> str:
    """Say whether distances of a network were measured, and if not why."""
    own = table[table["network"] == task.network.name]
    seeds = own["seed"].isna() if task.network.seed is None else own["seed"] == task.network.seed
    return "measured" if seeds.any() else explain_absence(features, meeting)


def _check_target(
    checkpointing: Checkpointing | None,
    info: Mapping[str, Any],
    *,
    stream: bool,
    processes: Processes,
) -> None:
    """Raise InfluenceError if a run directory holds another run, or if the folder of finished
    batches is something else."""
    if checkpointing and processes.first:  # the others must not touch what it holds
        if checkpointing.target:
            check_free(checkpointing.target, info)
        if not stream:
            ShardStore.check(checkpointing.folder)


def _open_shards(
    checkpointing: Checkpointing | None,
    info: Mapping[str, Any],
    data: EvaluationSet,
    processes: Processes,
) -> ShardStore | None:
    if checkpointing is None:
        if processes.count > 1:
            raise InfluenceError(
                f"{processes.count} processes measure together and need a folder that all of them "
                "can read and write: give checkpointing=Checkpointing(folder)"
            )
        return None
    # Data are compared by `check_resumed`, which names the batch that differs.
    known = {name: fact for name, fact in info["measured"]["data"].items() if name != "sha256"}
    plan = {**info["measured"], **info["execution"], "data": known}
    resume = checkpointing.resume or processes.restarted
    # The first process clears the folder before any other process reads it.
    store = ShardStore(checkpointing.folder, plan, resume=resume) if processes.first else None
    if store:
        check_resumed(data, store)
    processes.barrier()
    return store or ShardStore(checkpointing.folder, plan, resume=True)
