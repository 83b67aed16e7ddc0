"""Measurement: networks and data in, tables out; the one call behind ``influence measure``."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence.data.dataset import EvaluationSet
from influence.data.source import BatchStream, Data, find_groups, open_data, reopen, sample_count
from influence.engine.evaluation import Evaluation, evaluate, evaluate_stream
from influence.errors import InfluenceError
from influence.measurement.expectations import (
    CleanScores,
    Expectation,
    check_scores,
    read_expectations,
)
from influence.measurement.provenance import describe
from influence.measurement.tabulation import tabulate
from influence.measurement.tasks import Task, make_tasks
from influence.measurement.training import Constants, learn_lacking, open_training
from influence.metrics.registry import Wanted
from influence.metrics.slices import parse_levels
from influence.network.joint_network import JointNetwork
from influence.results.run import Run, check_free, check_writable
from influence.runtime.execution import Execution, choose_device
from influence.runtime.processes import Processes, process_device
from influence.runtime.progress import progress_bar
from influence.runtime.shards import ShardStore
from influence.statistics.bootstrap import Resampling
from influence.statistics.rows import Rows
from influence.statistics.sums import Sums

__all__ = ["Checkpointing", "measure"]


@dataclass(frozen=True)
class Checkpointing:
    """Where rows of finished batches are kept while measuring, and whether to go on from them.

    Several processes must see the same `folder`. `target` is the run directory that will be
    written; one that holds another run is refused before anything is computed.
    """

    folder: Path
    resume: bool = False
    target: Path | None = None


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
    device: str = "auto",
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    batch_size: int = 16,
    workers: int = 0,
    amp: str = "off",
    share: bool = True,
    compile: bool = False,
    channels_last: bool | None = None,
    stream: bool = False,
    limit: int | None = None,
    expect: Sequence[str | Expectation] = (),
    training: Data | None = None,
    progress: bool = False,
    checkpointing: Checkpointing | None = None,
    processes: Processes | None = None,
) -> Run:
    """Measure how much each input helps each output.

    Parameters
    ----------
    networks
        One trained network, or several to compare on the same data.
    data
        The path of an evaluation file, or any iterable of batches ``(inputs, targets)``, each a
        mapping name -> tensor with samples first.
    metrics
        For each output to score, metrics by name, as records, by ``module:name``, or objects of
        torchmetrics; see `influence.metrics.registry.find_metrics`. A set of
        `influence.metrics.sets`, such as ``hybridnet``, stands for its metrics. By default all
        outputs, with `influence.metrics.registry.default_metrics`.
    levels
        What every result is divided by, beside the classes: ``depth`` or ``depth=1,2,4`` (true
        depth, with the edges of its bins), ``region`` or ``region=3`` (near a border between true
        labels, so many pixels at most, or not), ``group`` (the samples of each group alone, whose
        intervals are over these samples). See `influence.metrics.slices.match_slices`.
    mutes
        What replaces a muted input; see `influence.mutes.registry.MUTES`. ``panel`` stands for
        those of `influence.mutes.registry.PANEL` that are defined for the network.
    sites
        The inputs to mute; all by default.
    setups
        ``each`` input muted alone; ``ends``, also all of them together; or ``all`` subsets. The
        further setups have their rows in `Run.performance`.
    meeting
        Where the distance of muted inputs from the data is measured, in `Run.distance`: ``auto``,
        where modalities first meet, for which the network's graph must be known (that of a `.pt2`
        file is); the path of a module, at its output; or ``off``.
    interactions
        Also what inputs are worth alone, together and on top of each other (leave-one-out,
        add-one-in, Shapley value, pairwise interaction), in `Run.interactions`. All subsets are
        run, or of more than eight sites a sample of them.
    device, batch_size, workers, amp, share, compile, channels_last
        How it is computed; see `influence.runtime.execution.Execution`.
    draws, confidence, seed
        Of the paired bootstrap and the sign-flip test; the seed also rules shuffle and noise.
    stream
        Keep running sums in place of the rows of every sample, in memory that does not grow with
        the data, which may be any iterable of batches ``(inputs, targets)`` or ``(inputs, targets,
        {"ids": ..., "groups": ...})``. Intervals come from a Poisson bootstrap; there are no rows
        and no samples.
    limit
        Use only the first samples.
    expect
        Scores that the networks are known to reach with nothing muted, such as
        ``semantic:mean_iou=0.542+-0.005``; ``network/`` before it says of which. They are checked
        first, in a pass of its own over the data, and nothing is measured if one is missed.
    training
        Training data, given as `data` are, from which the mute ``optimal`` is learned for the
        inputs of which the networks' facts do not hold it; see
        `influence.mutes.optimal.learn_optimal`.
    progress
        Show progress on standard error.
    checkpointing
        Keep the rows of finished batches on disk.
    processes
        Those that share the work, from `influence.runtime.processes.join_processes`: each calls
        this, and gets the same tables. They need `checkpointing`, or `stream`.

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
    dataset = open_data(data, stream=stream)
    count = None if isinstance(dataset, BatchStream) else sample_count(dataset, limit)
    divided = parse_levels(levels)
    groups = find_groups(dataset, count, stream=stream) if divided.by_group else []
    tasks = make_tasks(
        networks, dataset,
        count=count, metrics=metrics, divisions=divided.divisions, mutes=mutes, sites=sites,
        setups=setups, meeting=meeting, interactions=interactions, training=training is not None,
        seed=seed,
    )  # fmt: skip
    plans = [task.plan for task in tasks]
    training_set = None if training is None else open_training(training, plans)
    resampling = Resampling(draws, confidence, seed)
    processes = processes or Processes()
    execution = Execution(
        device=str(choose_device(process_device(device, processes))),
        batch_size=batch_size,
        workers=workers,
        amp=amp,
        share=share,
        compile=compile,
        channels_last=channels_last,
    )
    info = describe(
        networks, dataset, plans, execution, resampling,
        count=limit if count is None else count, interactions=interactions, levels=list(divided),
        training=training_set, stream=stream, processes=processes.count,
    )  # fmt: skip
    _check_target(checkpointing, info, stream=stream, processes=processes)
    options: Any = {"execution": execution, "limit": limit, "processes": processes}
    shown = progress and processes.first
    clean = CleanScores()
    if expectations:
        by_key = {task.key: task.network for task in tasks}
        with progress_bar(count, show=shown) as advance:
            clean = check_scores(
                expectations, by_key, plans, reopen(data, dataset), advance=advance, **options
            )
    tasks = [task.noted(clean.notes.get(task.key, ())) for task in tasks]
    shards = None if stream else _open_shards(checkpointing, info, processes)
    learned: list[Constants] = [{} for _ in tasks]
    if training_set is not None:
        learned = learn_lacking(
            networks, plans, training_set,
            execution=execution, shards=shards, processes=processes, progress=shown,
        )  # fmt: skip
        info["learned"] = {task.key: own for task, own in zip(tasks, learned, strict=True)}
    tasks = [task.informed(own, training_set) for task, own in zip(tasks, learned, strict=True)]
    start = time.monotonic()
    with progress_bar(count, show=shown) as advance:
        found = _evaluate(
            tasks, dataset, resampling, shards, stream=stream, advance=advance, **options
        )
    evaluated = time.monotonic()
    clean.check_length(found[0].n)
    subjects = [task.subject(dataset) for task in tasks]
    tables = tabulate(found, subjects, resampling, groups=groups, interactions=interactions)
    results = {task.key: own for task, own in zip(tasks, found, strict=True)}
    info |= {
        "notes": {task.key: task.noted(results[task.key].notes).told() for task in tasks},
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
        if stream and processes.first:  # otherwise the shards tell
            check_writable(checkpointing.target)


def _evaluate(
    tasks: Sequence[Task],
    data: EvaluationSet | BatchStream,
    resampling: Resampling,
    shards: ShardStore | None,
    *,
    stream: bool,
    **options: Any,
) -> Sequence[Evaluation[Rows | Sums]]:
    networks, plans = [task.network for task in tasks], [task.plan for task in tasks]
    if stream or isinstance(data, BatchStream):
        return evaluate_stream(networks, data, plans, resampling, **options)
    return evaluate(networks, data, plans, shards=shards, **options)


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
