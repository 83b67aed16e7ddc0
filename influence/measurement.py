"""Measurement: networks and data in, tables out; the one call behind ``influence measure``."""

from __future__ import annotations

import platform
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from os import PathLike
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from influence.bootstrap import Resampling
from influence.errors import InfluenceError, unknown
from influence.evaluation import Execution, Plan, choose_device, evaluate, sample_count
from influence.evaluation_file import EvaluationFile
from influence.evaluation_set import EvaluationSet, MemorySet
from influence.metrics import Metric, default_metrics, find_metrics
from influence.muting import parse_mutes
from influence.network import JointNetwork
from influence.omega import Subject, influence_frame, performance_frame, samples_frame
from influence.progress import progress_bar
from influence.results import Run, check_free
from influence.rows import Rows
from influence.setups import select_sites
from influence.shards import ShardStore

__all__ = ["Checkpointing", "measure", "open_data"]

Data = str | PathLike[str] | EvaluationSet | Iterable[Any]


@dataclass(frozen=True)
class Checkpointing:
    """Where rows of finished batches are kept while measuring, and whether to go on from them.

    `target` is the run directory that will be written; one that holds another run is refused
    before anything is computed.
    """

    folder: Path
    resume: bool = False
    target: Path | None = None


def open_data(data: Data) -> EvaluationSet:
    """Return an evaluation set from a path, a set, or an iterable of batches (inputs, targets)."""
    if isinstance(data, (str, PathLike)):
        return EvaluationFile(data)
    if all(hasattr(data, name) for name in ("ids", "inputs", "targets", "__getitem__")):
        return data  # type: ignore[return-value]
    if not isinstance(data, Iterable):
        raise InfluenceError(
            "expected the path of an evaluation file or an iterable of batches (inputs, targets), "
            f"got {type(data).__name__}"
        )
    return MemorySet.collect(data)


def measure(
    networks: JointNetwork | Sequence[JointNetwork],
    data: Data,
    *,
    metrics: Mapping[str, Sequence[str | Metric]] | None = None,
    mutes: Sequence[str] = ("zero", "mean"),
    sites: Sequence[str] | None = None,
    device: str = "auto",
    draws: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    batch_size: int = 16,
    workers: int = 0,
    amp: str = "off",
    limit: int | None = None,
    progress: bool = False,
    checkpointing: Checkpointing | None = None,
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
        For each output to score, metrics by name or as records; by default all outputs, with
        `influence.metrics.default_metrics`.
    mutes
        What replaces a muted input; see `influence.muting.MUTES`.
    sites
        The inputs to mute; all by default.
    device, batch_size, workers, amp
        How it is computed; see `influence.evaluation.Execution`.
    draws, confidence, seed
        Of the paired bootstrap and the sign-flip test; the seed also rules shuffle and noise.
    limit
        Use only the first samples.
    progress
        Show progress on standard error.
    checkpointing
        Keep the rows of finished batches on disk.

    Returns
    -------
    Run
        The tables and everything needed to trust them.

    Raises
    ------
    InfluenceError
        If names, shapes, labels or values are not what they have to be.

    Examples
    --------
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
    dataset = open_data(data)
    chosen_mutes = parse_mutes(mutes)
    execution = Execution(str(choose_device(device)), batch_size, workers, amp)
    count = sample_count(dataset, limit)
    plans = [
        Plan(
            sites=tuple(select_sites(sites, [m.name for m in network.inputs])),
            mutes=tuple(chosen_mutes),
            metrics=_matched_metrics(network, dataset, metrics),
            seed=seed,
        )
        for network in networks
    ]
    for network, plan in zip(networks, plans, strict=True):
        plan.check(network, count)
    info = _describe(networks, dataset, plans, execution, count=count)
    info["measured"] |= {"draws": draws, "confidence": confidence}
    if checkpointing and checkpointing.target:
        check_free(checkpointing.target, info)
    if checkpointing and not checkpointing.resume:
        for earlier in checkpointing.folder.glob("*/plan.json"):
            shutil.rmtree(earlier.parent)

    rows: dict[str, Rows] = {}
    start = time.monotonic()
    with progress_bar(count * len(networks), show=progress) as advance:
        for key, network, plan in zip(keys, networks, plans, strict=True):
            shards = _shards(checkpointing, len(rows), key, info)
            rows[key] = evaluate(
                network,
                dataset,
                plan,
                execution=execution,
                limit=limit,
                shards=shards,
                advance=advance,
            )
    evaluated = time.monotonic()
    resampling = Resampling(draws, confidence, seed)
    sums = {key: resampling.sums(found) for key, found in rows.items()}
    subjects = {
        key: _subject(network, dataset, plan)
        for key, network, plan in zip(keys, networks, plans, strict=True)
    }
    run = Run(
        influence=_stack(influence_frame(sums[k], s, resampling) for k, s in subjects.items()),
        performance=_stack(performance_frame(sums[k], s, resampling) for k, s in subjects.items()),
        samples=_stack(samples_frame(rows[k], s) for k, s in subjects.items()),
        info=info,
        rows=rows,
    )
    info["notes"] = {key: list(found.notes) for key, found in rows.items()}
    info["seconds"] = {
        "evaluate": round(evaluated - start, 3),
        "statistics": round(time.monotonic() - evaluated, 3),
    }
    info["samples_per_second"] = round(count * len(networks) / max(evaluated - start, 1e-9), 2)
    return run


def _stack(frames: Iterable[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(list(frames), ignore_index=True)


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


def _matched_metrics(
    network: JointNetwork,
    data: EvaluationSet,
    wanted: Mapping[str, Sequence[str | Metric]] | None,
) -> dict[str, tuple[Metric, ...]]:
    """Check that network and data fit together, and choose the metrics of each output."""
    for modality in network.inputs:
        if modality.name not in data.inputs:
            raise InfluenceError(
                f"network {network.name!r} takes the inputs "
                f"{[m.name for m in network.inputs]}, but {data.source} holds "
                f"{sorted(data.inputs)}: {modality.name!r} is missing. Rename one or the other"
            )
        found, declared = data.inputs[modality.name].shape, modality.shape
        if declared is not None and not (
            len(found) == len(declared)
            and all(d is None or d == f for d, f in zip(declared, found, strict=True))
        ):
            shown = tuple("any" if d is None else d for d in declared)
            raise InfluenceError(
                f"{data.source}: inputs/{modality.name} has shape {found} a sample, network "
                f"{network.name!r} expects {shown}. Write the file in that shape, or export the "
                "network with the shapes it is to be used on"
            )
    outputs = {o.name: o for o in network.outputs}
    for name in wanted or ():
        if name not in outputs:
            raise unknown("output", name, outputs)
    metrics: dict[str, tuple[Metric, ...]] = {}
    for name in wanted or outputs:
        if name not in data.targets:
            raise InfluenceError(
                f"network {network.name!r} predicts {name!r}, but {data.source} holds ground "
                f"truth for {sorted(data.targets)}. Rename it, or score only the outputs that have "
                "ground truth: --metric output=name,..."
            )
        own, theirs = outputs[name].classes, data.targets[name].classes
        if own and theirs and [c.casefold() for c in own] != [c.casefold() for c in theirs]:
            raise InfluenceError(
                f"{data.source}: targets/{name} has the classes {', '.join(theirs)}, network "
                f"{network.name!r} predicts {', '.join(own)}. Bring the labels into the network's "
                "order"
            )
        metrics[name] = tuple(
            find_metrics(wanted[name])
            if wanted
            else default_metrics(outputs[name], data.targets[name])
        )
    return metrics


def _subject(network: JointNetwork, data: EvaluationSet, plan: Plan) -> Subject:
    classes = {o.name: o.classes or data.targets[o.name].classes for o in network.outputs
               if o.name in data.targets}  # fmt: skip
    return Subject(
        network=network.name,
        seed=network.seed,
        dataset=data.name,
        modalities=tuple(m.name for m in network.inputs),
        metrics=plan.metrics,
        classes=classes,
        units={name: field.unit for name, field in data.targets.items()},
        checkpoint_sha256=network.sha256,
    )


def _shards(
    checkpointing: Checkpointing | None, position: int, key: str, info: Mapping[str, Any]
) -> ShardStore | None:
    if checkpointing is None:
        return None
    plan = dict(info["measured"]) | dict(info["execution"]) | {"network": key}
    # A network's name comes from a file that others wrote: no path is made of it.
    return ShardStore(checkpointing.folder / str(position), plan, resume=checkpointing.resume)


def _describe(
    networks: Sequence[JointNetwork],
    data: EvaluationSet,
    plans: Sequence[Plan],
    execution: Execution,
    *,
    count: int,
) -> dict[str, Any]:
    """Collect the provenance of a run, in the form of ``run.json``."""
    versions = {"python": platform.python_version()}
    for package in ("cross-influence", "torch", "numpy", "pandas", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    cuda = execution.device.startswith("cuda")
    return {
        # Another run must not be written over this one if any of these differ.
        "measured": {
            "networks": [
                {
                    "name": network.name,
                    "seed": network.seed,
                    "sha256": network.sha256,
                    "sites": list(plan.sites),
                    "metrics": {n: [m.name for m in found] for n, found in plan.metrics.items()},
                }
                for network, plan in zip(networks, plans, strict=True)
            ],
            "data": {"name": data.name, "sha256": data.sha256, "n": count},
            "mutes": [mute.name for mute in plans[0].mutes],
            "seed": plans[0].seed,
            "amp": execution.amp,
        },
        "execution": {"device": execution.device, "batch_size": execution.batch_size},
        "hardware": {
            "device": torch.cuda.get_device_name() if cuda else platform.processor(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
        },
        "versions": versions,
        "definitions": {
            "omega": "A(full) - A(muted), positive = the source helps the target",
            "interval": "paired bootstrap over samples or groups, expanded percentiles",
            "p_value": "sign flips of samples or groups, two-sided; Holm over one network, mute",
        },
    }
