"""The only loop that runs a network: every condition on every sample, one read of the data."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError, unknown
from influence.evaluation_set import Batch, EvaluationSet
from influence.loading import load_batches, with_followers
from influence.metrics import Metric
from influence.moments import with_moments
from influence.muting import Mute, cyclic_order
from influence.network import JointNetwork
from influence.rows import NO_MUTE, Condition, RowKey, Rows, group_numbers
from influence.runner import Runner
from influence.setups import FULL, leave_one_out
from influence.shards import ShardStore

__all__ = ["Execution", "Plan", "choose_device", "evaluate", "sample_count"]


@dataclass(frozen=True)
class Plan:
    """What is measured: the sites, the mutes, the metrics of each output, the seed."""

    sites: tuple[str, ...]
    mutes: tuple[Mute, ...]
    metrics: Mapping[str, tuple[Metric, ...]]
    seed: int = 0

    def conditions(self, network: JointNetwork) -> list[Condition]:
        """List the inference runs: full, then each site muted by each mute defined for it.

        Raises
        ------
        InfluenceError
            If a mute is defined for none of the sites.
        """
        known = {m.name: m for m in network.inputs}
        setups = leave_one_out(self.sites, list(known))[1:]
        found = [Condition(NO_MUTE, FULL)]
        for mute in self.mutes:
            usable = [s for s in setups if all(mute.applies_to(known[site]) for site in s)]
            if not usable:
                kinds = {site: known[site].kind for site in self.sites}
                raise InfluenceError(
                    f"mute {mute.name!r} is defined for inputs of kind "
                    f"{' or '.join(sorted(mute.kinds))}; network {network.name!r} has {kinds}"
                )
            found += [Condition(mute.name, setup) for setup in usable]
        return found

    def check(self, network: JointNetwork, count: int) -> None:
        """Raise InfluenceError if this cannot be measured on so many samples."""
        self.conditions(network)
        if self.shuffles:
            cyclic_order(count, self.seed)

    @property
    def shuffles(self) -> bool:
        """Whether a mute needs another sample's input."""
        return any("partners" in mute.needs for mute in self.mutes)


@dataclass(frozen=True)
class Execution:
    """How it is computed; none of this changes a result beyond floating-point noise.

    `amp` is the exception: ``bf16`` or ``fp16`` runs the network in mixed precision.
    """

    device: str = "auto"
    batch_size: int = 16
    workers: int = 0
    amp: str = "off"

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 0:
            raise InfluenceError(
                "expected a batch size of 1 or more and 0 or more workers, got "
                f"{self.batch_size} and {self.workers}"
            )
        if self.amp not in AMP:
            raise unknown("precision", self.amp, AMP)


AMP: dict[str, torch.dtype | None] = {
    "off": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""The precisions by name."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA where there is one.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # Metrics need float64, which not every kind of device has.
        torch.ones(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InfluenceError(f"device {name!r} cannot be used here: {reason}") from error
    return device


def sample_count(data: EvaluationSet, limit: int | None = None) -> int:
    """Return the number of samples to use: all, or the first `limit`.

    Raises
    ------
    InfluenceError
        If the limit is below one.
    """
    if limit is not None and limit < 1:
        raise InfluenceError(f"expected a limit of one sample or more, got {limit}")
    return len(data) if limit is None else min(len(data), limit)


def evaluate(
    network: JointNetwork,
    data: EvaluationSet,
    plan: Plan,
    *,
    execution: Execution | None = None,
    limit: int | None = None,
    shards: ShardStore | None = None,
    advance: Callable[[int], None] | None = None,
) -> Rows:
    """Run a network on a data set under every condition of a plan.

    Each sample is read once, whatever the number of conditions. Statistics are computed on the
    device, per sample, in float64, and predictions are dropped at once.

    Parameters
    ----------
    network, data, plan
        What to run, on what, and how to mute and score.
    execution
        Device, batch size, workers, precision.
    limit
        Use only the first samples.
    shards
        Where rows of finished batches are kept, and taken from on a resumed run.
    advance
        Called with the number of samples that were finished, for a progress bar.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not match, a sample has no valid place, or the network fails
        or returns NaN or infinity; the message names the sample.
    """
    execution = execution or Execution()
    count = sample_count(data, limit)
    conditions = plan.conditions(network)
    order = cyclic_order(count, plan.seed) if plan.shuffles else np.arange(count)
    batches = [order[i : i + execution.batch_size] for i in range(0, count, execution.batch_size)]
    modalities, notes = with_moments(network, data, plan.mutes, plan.sites, batches)
    runner = Runner(
        network,
        data,
        conditions,
        modalities=modalities,
        mutes={mute.name: mute for mute in plan.mutes},
        metrics=plan.metrics,
        device=choose_device(execution.device),
        amp=AMP[execution.amp],
        seed=plan.seed,
    )

    done = set(shards.finished()) if shards else set()
    collected: dict[str, NDArray[np.float64]] = {}

    def collect(indices: NDArray[np.int64], rows: Mapping[str, NDArray[np.float64]]) -> None:
        for key, values in rows.items():
            whole = collected.setdefault(key, np.empty((count, values.shape[1])))
            whole[indices] = values
        if advance:
            advance(len(indices))

    for number in sorted(done):
        collect(batches[number], shards.load(number))  # type: ignore[union-attr]
    left = [number for number in range(len(batches)) if number not in done]
    loaded = load_batches(data, [batches[number] for number in left], workers=execution.workers)
    pairs: Iterator[tuple[Batch, Mapping[str, Tensor] | None]]
    pairs = with_followers(loaded, data, order) if plan.shuffles else ((b, None) for b in loaded)
    for number, (batch, follower) in zip(left, pairs, strict=True):
        rows = runner.run(batch, follower)
        if shards:
            shards.save(number, rows)
        collect(batch.indices, rows)

    keys = [
        RowKey(condition, output, statistic)
        for condition in conditions
        for output, statistic in runner.statistics()
    ]
    groups = None if data.groups is None else data.groups[:count]
    return Rows(
        ids=list(data.ids)[:count],
        groups=group_numbers(groups, count),
        values={key: collected[str(key)] for key in keys},
        notes=(*notes, *runner.notes),
    )
