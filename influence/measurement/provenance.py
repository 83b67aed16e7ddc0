"""Provenance: the settings, versions and hashes that are needed to trust a run and to repeat it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from influence.data.dataset import DataFacts, EvaluationSet
from influence.measurement.tasks import Request, Task
from influence.metrics.metric import Metric
from influence.metrics.slices import parse_levels
from influence.metrics.stateful import StatefulMetric
from influence.network.joint_network import JointNetwork
from influence.runtime.digests import digest_of
from influence.runtime.execution import Execution
from influence.statistics.bootstrap import BLOCKS, Resampling

__all__ = ["machine_info", "run_info"]


def run_info(
    tasks: Sequence[Task],
    data: DataFacts,
    request: Request,
    execution: Execution,
    resampling: Resampling,
    *,
    count: int | None,
    training: EvaluationSet | None = None,
    stream: bool = False,
) -> dict[str, Any]:
    """Collect the settings, versions and hashes of a run, as they are stored in ``run.json``.

    Parameters
    ----------
    tasks, data, request, execution, resampling
        The networks with their plans, the data, the arguments of `measure`, and the settings.
    count
        The largest number of samples that are used; `None` for a whole stream.
    training
        The data from which optimal constants are learned.
    stream
        Whether running sums are kept instead of rows.
    """
    plan = tasks[0].plan
    drawn = "samples or groups"
    if stream or count is None or count > BLOCKS:
        drawn = f"{drawn}, in at most {BLOCKS} random blocks"
    return {
        # A run that differs in any of these must not be written over this one.
        "measured": {
            "networks": [
                {
                    "name": task.network.name,
                    "seed": task.network.seed,
                    "sha256": task.network.sha256,
                    **_weights(task.network),
                    "sites": list(task.plan.sites),
                    "metrics": _names(task.plan.metrics),
                    **({"stateful": _names(task.plan.stateful)} if task.plan.stateful else {}),
                }
                for task in tasks
            ],
            "data": {"name": data.name, "sha256": data.sha256, "n": count},
            "mutes": list(dict.fromkeys(mute.name for task in tasks for mute in task.plan.mutes)),
            "setups": plan.setups,
            "meeting": plan.meeting,
            "seed": plan.seed,
            "amp": execution.amp,
            "stream": stream,
            "draws": resampling.draws,
            "confidence": resampling.confidence,
            "interactions": request.interactions,
            **({"levels": list(parse_levels(request.levels))} if request.levels else {}),
            **_training(training),
        },
        "execution": {
            "device": execution.device.partition(":")[0],
            "batch_size": execution.batch_size,
            "share": execution.share,
            "compile": execution.compile,
            "channels_last": execution.channels_last,
        },
        "definitions": {
            "omega": "A(full) - A(muted), positive = the source helps the target",
            "interval": f"paired bootstrap over {drawn}, expanded percentiles",
            "p_value": f"sign flips of {drawn}, two-sided; Holm over one network, mute",
        },
    }


def machine_info(device: str, processes: int) -> dict[str, Any]:
    """Collect the hardware and package versions of a run, as they are stored in ``run.json``."""
    cuda = device.startswith("cuda")
    return {
        "hardware": {
            "device": torch.cuda.get_device_name() if cuda else platform.processor(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": processes,
        },
        "versions": dict(_versions()),
    }


@cache
def _versions() -> Mapping[str, str]:
    versions = {"python": platform.python_version()}
    for package in ("cross-influence", "torch", "numpy", "pandas", "scipy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "not installed"
    return versions


def _names(metrics: Mapping[str, Sequence[Metric | StatefulMetric]]) -> dict[str, list[str]]:
    return {output: [metric.name for metric in own] for output, own in metrics.items()}


def _weights(network: JointNetwork) -> dict[str, str]:
    """Return a digest of the weights of a network that comes from no file."""
    if network.sha256:
        return {}
    return {"weights": f"xxh3:{digest_of(network.module.state_dict())}"}


def _training(data: EvaluationSet | None) -> dict[str, Any]:
    if data is None:
        return {}
    return {"training": {"name": data.name, "sha256": data.sha256, "n": len(data)}}
