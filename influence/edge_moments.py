"""Edge moments: the per-channel mean and deviation of what flows along muted edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.batch_stream import BatchStream
from influence.edges import edges_of
from influence.errors import InfluenceError
from influence.evaluation_set import EvaluationSet
from influence.loading import load_batches
from influence.network import Modality
from influence.plan import Plan
from influence.runner import Runner

__all__ = ["measure_edges"]

SAMPLES = 64
"""On so many samples at most, evenly spread, the moments of edges are measured."""


def measure_edges(
    runners: Sequence[Runner],
    data: EvaluationSet | BatchStream,
    plans: Sequence[Plan],
    *,
    count: int | None,
    batch_size: int,
) -> None:
    """Tell the runners the moments of muted edges, where a mute needs them.

    Nobody knows them beforehand: the network is run on some samples with nothing muted.

    Parameters
    ----------
    runners, plans
        One plan a runner.
    data, count
        The samples, of which the first ones are used; `None` for a stream.
    batch_size
        How many samples are run together.

    Raises
    ------
    InfluenceError
        If a mute needs them of a stream.
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
                point: _describe(point, torch.cat([batch[point] for batch in seen]))
                for point in seen[0]
            },
            f"mean and std of {', '.join(runner.plain.edges)} come from {len(indices)} samples "
            f"of {data.source}, which are not training data",
        )


def _are_needed(plan: Plan) -> bool:
    """Say whether a mute of a plan needs the mean or the deviation of an edge."""
    needs = set().union(*(mute.needs for mute in plan.mutes))
    return bool(edges_of(plan.sites)) and not needs.isdisjoint({"mean", "std"})


def _spread(count: int) -> NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, SAMPLES)).astype(np.int64))


def _describe(point: str, values: Tensor) -> Modality:
    """Return the facts of a point that held values (samples, channels, ...)."""
    values = values.double()
    places = values.movedim(1, 0).flatten(1) if values.ndim > 1 else values.unsqueeze(0)
    mean, std = places.mean(1), places.std(1, correction=0)
    return Modality(point, mean=tuple(mean.tolist()), std=tuple(std.tolist()))
