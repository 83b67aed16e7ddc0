"""Preparation: the runner of each network, with the means and deviations that its mutes need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import EvaluationSet
from influence.data.loader import load_batches
from influence.data.source import BatchStream
from influence.engine.runner import Runner
from influence.errors import InfluenceError
from influence.mutes.moments import Moments, lacking_moments, measure_moments, with_moments
from influence.network.joint_network import JointNetwork, Modality
from influence.network.sites import edges_of
from influence.plan.plan import Plan
from influence.runtime.execution import Execution
from influence.runtime.processes import Json, Processes

__all__ = [
    "make_runners",
    "measure_edges",
]


MOMENTS = 16
"""The number of samples that are run together to measure moments of edges."""

SAMPLES = 64
"""The number of samples, evenly spread, on which moments of edges are measured."""


def make_runners(
    networks: Sequence[JointNetwork],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    execution: Execution,
    *,
    count: int | None,
    processes: Processes | None = None,
) -> list[Runner]:
    """Make a runner for each network, with the means and deviations that its mutes need.

    Parameters
    ----------
    networks, data, plans, execution
        The parameters of `influence.engine.evaluation.evaluate`.
    count
        The number of samples; `None` for a stream.
    processes
        The processes that share the work; the first one measures moments and broadcasts them.

    Raises
    ------
    InfluenceError
        If a mute needs moments of inputs of a stream that are not in the network's facts.
    """
    measured = _find_moments(networks, data, plans, count, processes or Processes())
    runners = []
    for network, plan in zip(networks, plans, strict=True):
        modalities, sources = with_moments(network, data, plan.mutes, plan.sites, measured)
        runner = Runner(network, plan, data, execution, modalities=modalities, notes=sources)
        runners.append(runner)
    size = execution.batch_size or MOMENTS
    measure_edges(runners, data, plans, count=count, batch_size=size)
    return runners


def _find_moments(
    networks: Sequence[JointNetwork],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    count: int | None,
    processes: Processes,
) -> Moments:
    """Measure the moments of inputs that mutes need, unless the facts or the data contain them."""
    pairs = zip(networks, plans, strict=True)
    lacking: dict[str, set[str]] = {}
    for network, plan in pairs:
        for name, needs in lacking_moments(network, data, plan.mutes, plan.sites).items():
            lacking.setdefault(name, set()).update(needs)
    if not isinstance(data, BatchStream):
        assert count is not None, "a set has a length"
        own = measure_moments(networks, data, lacking, count) if processes.first else {}
        return cast(Moments, processes.broadcast(cast(Json, own)))
    if lacking:
        raise InfluenceError(
            f"a mute needs the mean of the inputs {', '.join(sorted(lacking))}, and a stream "
            "cannot be read twice to find it. Give it in the network's facts: Modality(mean=..., "
            "std=...)"
        )
    return {}


def measure_edges(
    runners: Sequence[Runner],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    *,
    count: int | None,
    batch_size: int,
) -> None:
    """Measure the moments of muted edges that mutes need, and pass them to the runners.

    Moments of edges are not stored in any file; the network is run with nothing muted to find them.

    Parameters
    ----------
    runners, plans
        The runners, and the plan of each.
    data, count
        The data, and the number of samples in use; `None` for a stream.
    batch_size
        The number of samples that are run together.

    Raises
    ------
    InfluenceError
        If a mute needs moments of edges and the data are a stream.
    """
    for runner, plan in zip(runners, plans, strict=True):
        if not _are_needed(plan):
            continue
        if isinstance(data, BatchStream):
            raise InfluenceError(
                "a mute needs the mean of an internal edge, and a stream cannot be read twice to "
                "find it. Mute edges of a stream by zero or shuffle, or measure on an evaluation "
                "file"
            )
        assert count is not None, "a set has a length"
        indices = _spread(count)
        cuts = [indices[i : i + batch_size] for i in range(0, len(indices), batch_size)]
        seen = runner.see_edges(load_batches(data, cuts))
        runner.learn(
            {
                point: _moments_of(point, torch.cat([batch[point] for batch in seen]))
                for point in seen[0]
            },
            f"mean and std of {', '.join(runner.plain.edges)} come from {len(indices)} samples "
            f"of {data.source}, which are not training data",
        )


def _are_needed(plan: Plan) -> bool:
    """Return whether a mute of the plan needs the mean or the standard deviation of an edge."""
    needs = set().union(*(mute.needs for mute in plan.mutes))
    return bool(edges_of(plan.sites)) and not needs.isdisjoint({"mean", "std"})


def _spread(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).astype(np.int64))


def _moments_of(point: str, values: Tensor) -> Modality:
    """Compute mean and deviation of each channel of values (samples, channels, ...) at a point."""
    values = values.double()
    places = values.movedim(1, 0).flatten(1) if values.ndim > 1 else values.unsqueeze(0)
    mean, std = places.mean(1), places.std(1, correction=0)
    return Modality(point, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
