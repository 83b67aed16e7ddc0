"""Provenance: everything that must be known to trust a run, and to repeat it."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from influence.data.dataset import DataFacts, EvaluationSet
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution
from influence.statistics.bootstrap import Resampling

__all__ = ["describe"]


def describe(
    networks: Sequence[JointNetwork],
    data: DataFacts,
    plans: Sequence[Plan],
    execution: Execution,
    resampling: Resampling,
    *,
    count: int | None,
    interactions: bool = False,
    levels: Sequence[str] = (),
    training: EvaluationSet | None = None,
    stream: bool = False,
    processes: int = 1,
) -> dict[str, Any]:
    """Collect the provenance of a run, in the form of ``run.json``.

    Parameters
    ----------
    networks, data, plans, execution, resampling
        What is measured, and how.
    count
        The samples to be used, at most; `None` for a whole stream, whose length nobody knows.
    interactions, levels, training
        Whether sites are also worth something together, by what results are divided, and from what
        optimal constants are learned.
    stream
        Whether running sums take the place of rows.
    processes
        How many share the work.
    """
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
                    **_stateful(plan),
                }
                for network, plan in zip(networks, plans, strict=True)
            ],
            "data": {"name": data.name, "sha256": data.sha256, "n": count},
            "mutes": list(dict.fromkeys(mute.name for plan in plans for mute in plan.mutes)),
            "setups": plans[0].setups,
            "meeting": plans[0].meeting,
            "seed": plans[0].seed,
            "amp": execution.amp,
            "stream": stream,
            "draws": resampling.draws,
            "confidence": resampling.confidence,
            "interactions": interactions,
            **({"levels": list(levels)} if levels else {}),
            **_training(training),
        },
        "execution": {
            "device": execution.device.partition(":")[0],
            "batch_size": execution.batch_size,
            "share": execution.share,
            "compile": execution.compile,
            "channels_last": execution.channels_last,
        },
        "hardware": {
            "device": torch.cuda.get_device_name() if cuda else platform.processor(),
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
            "processes": processes,
        },
        "versions": versions,
        "definitions": {
            "omega": "A(full) - A(muted), positive = the source helps the target",
            "interval": f"paired {'Poisson ' * stream}bootstrap over samples or groups, expanded "
            "percentiles",
            "p_value": "sign flips of samples or groups, two-sided; Holm over one network, mute",
        },
    }


def _training(data: EvaluationSet | None) -> dict[str, Any]:
    if data is None:
        return {}
    return {"training": {"name": data.name, "sha256": data.sha256, "n": len(data)}}


def _stateful(plan: Plan) -> dict[str, Any]:
    names = {output: [s.name for s in stateful] for output, stateful in plan.stateful.items()}
    return {"stateful": names} if names else {}
