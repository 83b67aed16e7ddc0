"""Measurement: networks and data in, tables out; the one call behind ``influence measure``."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from influence.batch_stream import BatchStream
from influence.bootstrap import Resampling
from influence.data_sources import Data, open_data
from influence.distance import distance_frame
from influence.divisions import parse_levels
from influence.edges import edges_of
from influence.errors import InfluenceError
from influence.evaluation import Evaluation, evaluate
from influence.evaluation_set import DataFacts, EvaluationSet
from influence.gate import CleanScores, Expectation, check_scores, parse_expectation, reopen
from influence.grouping import group_frames, group_sums, name_groups
from influence.interactions import explain_games, interactions_frame
from influence.loop import sample_count
from influence.matching import match_metrics, match_scorers
from influence.metrics import Wanted
from influence.network import JointNetwork
from influence.omega import (
    Subject,
    adjusted,
    influence_frame,
    performance_frame,
    samples_frame,
)
from influence.optimal import with_optimal
from influence.panel import choose_mutes
from influence.plan import Execution, Plan, choose_device
from influence.processes import Processes, process_device
from influence.progress import progress_bar
from influence.provenance import describe
from influence.results import Run, check_free, check_writable, empty_table
from influence.rows import RowKey, Rows
from influence.scores import influence_scores, interaction_scores, performance_scores
from influence.scoring import Scores
from influence.setups import coalition_setups, select_sites
from influence.shards import ShardStore
from influence.slices import match_slices
from influence.streaming import evaluate_stream
from influence.sums import Sums
from influence.training import Constants, learn_lacking, open_training, tell_origins
from influence.trial import Trial

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
        torchmetrics; see `influence.metrics.find_metrics`. By default all outputs, with
        `influence.metrics.default_metrics`.
    levels
        What every result is divided by, beside the classes: ``depth`` or ``depth=1,2,4`` (true
        depth, with the edges of its bins), ``region`` or ``region=3`` (near a border between true
        labels, so many pixels at most, or not), ``group`` (the samples of each group alone, whose
        intervals are over these samples). See `influence.slices.match_slices`.
    mutes
        What replaces a muted input; see `influence.muting.MUTES`. ``panel`` stands for those of
        `influence.muting.PANEL` that are defined for the network.
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
        How it is computed; see `influence.plan.Execution`.
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
        inputs of which the networks' facts do not hold it; see `influence.optimal.learn_optimal`.
    progress
        Show progress on standard error.
    checkpointing
        Keep the rows of finished batches on disk.
    processes
        Those that share the work, from `influence.processes.join_processes`: each calls this, and
        gets the same tables. They need `checkpointing`, or `stream`.

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
    keys = _keys(networks)
    expect = [expect] if isinstance(expect, str) else expect
    expectations = [parse_expectation(e) if isinstance(e, str) else e for e in expect]
    dataset = open_data(data, stream=stream)
    divided = parse_levels(levels)
    chosen_sites = [select_sites(sites, [m.name for m in network.inputs]) for network in networks]
    chosen_metrics = [match_metrics(network, dataset, metrics) for network in networks]
    panels = [
        choose_mutes(mutes, network, own, training=training is not None)
        for network, own in zip(networks, chosen_sites, strict=True)
    ]
    plans = [
        Plan(
            sites=tuple(own),
            mutes=chosen,
            metrics=matched,
            scorers=match_scorers(metrics),
            slices=match_slices(network, dataset, divided.divisions, list(matched)),
            seed=seed,
            setups=coalition_setups(own) if interactions and setups != "all" else setups,
            meeting=meeting,
        )
        for network, own, (chosen, _), matched in zip(
            networks, chosen_sites, panels, chosen_metrics, strict=True
        )
    ]
    groups = _group_levels(dataset, limit, stream=stream) if divided.by_group else []
    training_set = None if training is None else open_training(training, plans)
    count = None if isinstance(dataset, BatchStream) else sample_count(dataset, limit)
    for network, plan in zip(networks, plans, strict=True):
        plan.check(network, count)
    games = [
        explain_games(plan.conditions(network), plan.sites, seed) if interactions else []
        for network, plan in zip(networks, plans, strict=True)
    ]
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
        networks, dataset, plans, execution,
        count=limit if count is None else count, stream=stream, processes=processes.count,
    )  # fmt: skip
    info["measured"] |= {
        "draws": draws, "confidence": confidence, "interactions": interactions,
    }  # fmt: skip
    if by := list(divided):
        info["measured"]["levels"] = by
    if training_set is not None:
        info["measured"]["training"] = {
            "name": training_set.name, "sha256": training_set.sha256, "n": len(training_set),
        }  # fmt: skip
    if checkpointing and checkpointing.target:
        check_free(checkpointing.target, info)
        if stream and processes.first:  # otherwise the shards tell
            check_writable(checkpointing.target)
    clean = CleanScores()
    if expectations:
        with progress_bar(count, show=progress and processes.first) as advance:
            clean = check_scores(
                expectations, dict(zip(keys, networks, strict=True)), plans, reopen(data, dataset),
                execution=execution, limit=limit, processes=processes, advance=advance,
            )  # fmt: skip
    shards = None if stream else _shards(checkpointing, info, processes)
    constants: list[Constants] = [{} for _ in networks]
    if training_set is not None:
        constants = learn_lacking(
            networks, plans, training_set, execution=execution, shards=shards, processes=processes,
            progress=progress and processes.first,
        )  # fmt: skip
        networks = [with_optimal(n, own) for n, own in zip(networks, constants, strict=True)]
        info["learned"] = dict(zip(keys, constants, strict=True))
    start = time.monotonic()
    with progress_bar(count, show=progress and processes.first) as advance:
        found: Sequence[Evaluation[Rows | Sums]]
        if stream:
            found = evaluate_stream(
                networks, dataset, plans, resampling,
                execution=execution, limit=limit, processes=processes, advance=advance,
            )  # fmt: skip
        else:
            assert not isinstance(dataset, BatchStream)
            found = evaluate(
                networks, dataset, plans,
                execution=execution, limit=limit, processes=processes, advance=advance,
                shards=shards,
            )  # fmt: skip
    evaluated = time.monotonic()
    kept = [own.kept for own in found]
    rows = {key: own for key, own in zip(keys, kept, strict=True) if isinstance(own, Rows)}
    sums = [own if isinstance(own, Sums) else resampling.sums(own) for own in kept]
    scores, features = [own.scores for own in found], [own.features for own in found]
    notes, trials = [own.notes for own in found], [own.trial for own in found]
    subjects = [
        _subject(network, dataset, plan) for network, plan in zip(networks, plans, strict=True)
    ]
    run = _tabulate(sums, scores, features, subjects, resampling, rows, keys, info, groups)
    origins = [
        tell_origins(*of, training_set) for of in zip(networks, plans, constants, strict=True)
    ]
    info["notes"] = {
        key: list(dict.fromkeys([*left_out, *game, *clean.notes.get(key, ()), *where, *own]))
        for key, own, game, where, (_, left_out) in zip(
            keys, notes, games, origins, panels, strict=True
        )
    }
    info["expected"] = list(clean.scores)
    info["paths"] = {key: _path(trial) for key, trial in zip(keys, trials, strict=True)}
    # Metrics that keep their own state have no value of one sample.
    info["samples"] = bool(len(run.samples))
    info["seconds"] = {
        "evaluate": round(evaluated - start, 3),
        "statistics": round(time.monotonic() - evaluated, 3),
    }
    samples = sums[0].n
    clean.check_length(samples)
    info["samples_per_second"] = round(samples / max(evaluated - start, 1e-9), 2)
    return run


def _tabulate(
    sums: Sequence[Sums],
    scores: Sequence[Scores],
    features: Sequence[Mapping[RowKey, NDArray[np.float64]]],
    subjects: Sequence[Subject],
    resampling: Resampling,
    rows: Mapping[str, Rows],
    keys: Sequence[str],
    info: Mapping[str, Any],
    groups: Sequence[str],
) -> Run:
    influence, performance, interactions = [], [], []
    for key, own, values, subject in zip(keys, sums, scores, subjects, strict=True):
        by_group = group_frames(rows[key], groups, subject, resampling) if groups else ([], [])
        whole = influence_frame(own, subject, resampling)
        influence.append(adjusted(_stack([whole, *by_group[0]])) if groups else whole)
        performance += [performance_frame(own, subject, resampling), *by_group[1]]
        about: Any = {"n": own.n, "confidence": resampling.confidence}
        influence.append(influence_scores(values, subject, **about))
        performance.append(performance_scores(values, subject, **about))
        if info["measured"]["interactions"]:
            about["seed"] = resampling.seed
            interactions.append(interactions_frame(own, subject, resampling))
            if groups:
                parts = group_sums(rows[key], groups, resampling)
                interactions += [
                    interactions_frame(part, subject, resampling, level=level)
                    for level, part in parts
                ]
            interactions.append(interaction_scores(values, subject, **about))
    samples = [samples_frame(rows[k], s) for k, s in zip(keys, subjects, strict=True) if rows]
    return Run(
        influence=_stack(influence),
        performance=_stack(performance),
        samples=_stack(samples) if rows else empty_table("samples"),
        info=info,
        interactions=_stack(interactions) if interactions else empty_table("interactions"),
        distance=_stack(distance_frame(f, s) for f, s in zip(features, subjects, strict=True)),
        rows=rows,
    )


def _group_levels(
    data: EvaluationSet | BatchStream, limit: int | None, *, stream: bool
) -> list[str]:
    if stream or isinstance(data, BatchStream):
        raise InfluenceError(
            "results by group need the rows of every sample, and a stream keeps none. Leave out "
            "the level 'group', or measure without streaming"
        )
    if data.groups is None:
        raise InfluenceError(
            f"{data.source} says of no sample to which group it belongs. Leave out the level "
            "'group', or write the file with groups=..."
        )
    return name_groups(data.groups[: sample_count(data, limit)])


def _path(trial: Trial) -> str:
    return "shared" if trial.shared else f"each setup by itself: {trial.reason}"


def _stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    found = list(frames)
    # A network without a row, such as of samples, is passed over, unless none has any.
    return pd.concat([f for f in found if len(f)] or found[:1], ignore_index=True)


def _keys(networks: Sequence[JointNetwork]) -> list[str]:
    """Name each network's rows: by its name, with the seed where several share a name."""
    if not networks:
        raise InfluenceError("expected one network or more to measure, got none")
    names = [n.name for n in networks]
    keys = [n.name if names.count(n.name) == 1 else f"{n.name}-seed{n.seed}" for n in networks]
    if len(set(keys)) < len(keys):
        twice = next(k for k in keys if keys.count(k) > 1)
        raise InfluenceError(
            f"two networks are called {twice!r}: rows in the tables could not be told apart. "
            "Give them other names or seeds in their facts, or name each checkpoint once"
        )
    return keys


def _subject(network: JointNetwork, data: DataFacts, plan: Plan) -> Subject:
    classes = {o.name: o.classes or data.targets[o.name].classes for o in network.outputs
               if o.name in data.targets}  # fmt: skip
    return Subject(
        network=network.name,
        seed=network.seed,
        dataset=data.name,
        modalities=(*(m.name for m in network.inputs), *edges_of(plan.sites)),
        metrics=plan.metrics,
        scorers=plan.scorers,
        classes=classes,
        units={name: field.unit for name, field in data.targets.items()},
        checkpoint_sha256=network.sha256,
    )


def _shards(
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
