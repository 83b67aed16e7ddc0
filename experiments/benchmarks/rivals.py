"""Rivals: what a user would otherwise run for the same numbers, and whether they are the same.

Before anything is timed, all contenders give the same numbers, and reads are counted: what reads
less or computes something else is not compared by its time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import captum
import torch
from captum.attr import DataLoaderAttribution, FeatureAblation
from torch import Tensor

from experiments.benchmarks.cases import INFLUENCE, Case
from experiments.benchmarks.scores import Scores
from experiments.benchmarks.subject import (
    SOURCES,
    CountingFeed,
    CountingSet,
    MemoryBatch,
    Source,
    Subject,
)
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork, Modality
from influence.results.run_directory import Run

__all__ = [
    "TOLERANCE",
    "captum_differences",
    "check_agreement",
    "plain_pass",
    "setup_loop",
    "setups_of",
    "values_of",
]

Values = dict[tuple[str, str, str, str], float]
"""A metric's value by mute, setup, output and metric, as named in `performance.csv`."""

CAPTUM = "0.9.0"
"""The version whose code takes the role 2 for labels; its documentation says 1."""


def plain_pass(
    network: JointNetwork, data: Iterable[MemoryBatch], device: str = "cpu"
) -> dict[tuple[str, str], float]:
    """Evaluate once, with nothing muted."""
    return _evaluate(network, data, device, {})


def setup_loop(
    network: JointNetwork,
    data: Iterable[MemoryBatch],
    *,
    setups: str = "each",
    mutes: Sequence[str] = ("zero",),
    device: str = "cpu",
) -> Values:
    """Evaluate once for every setup: the loop that one scripts, one pass over the data each.

    Parameters
    ----------
    setups, mutes
        As in `influence.measure`; the mutes zero, mean, uniform, and empty for tokens.
    """
    names = [modality.name for modality in network.inputs]
    found: Values = {}
    for setup in setups_of(names, setups):
        for mute in mutes if setup else ("none",):
            muted = {m.name: (m, mute) for m in network.inputs if m.name in setup}
            present = "+".join(n for n in names if n not in setup) or "none"
            for (output, metric), value in _evaluate(network, data, device, muted).items():
                found[mute, present, output, metric] = value
    return found


def setups_of(names: Sequence[str], setups: str) -> list[tuple[str, ...]]:
    """List the muted inputs of every setup, nothing muted first."""
    sizes = {"each": (0, 1), "ends": (0, 1, len(names)), "all": range(len(names) + 1)}[setups]
    return [setup for size in sizes for setup in combinations(names, size)]


@torch.inference_mode()
def _evaluate(
    network: JointNetwork,
    data: Iterable[MemoryBatch],
    device: str,
    muted: Mapping[str, tuple[Modality, str]],
) -> dict[tuple[str, str], float]:
    scores = Scores(network, device)
    for inputs, targets in data:
        shown = {name: x.to(device, non_blocking=True) for name, x in inputs.items()}
        for name, (modality, mute) in muted.items():
            shown[name] = _replace(shown[name], modality, mute)
        truth = {name: x.to(device, non_blocking=True) for name, x in targets.items()}
        scores.update(network(shown), truth)
    return scores.compute()


def _replace(x: Tensor, modality: Modality, mute: str) -> Tensor:
    if mute == "zero":
        return torch.zeros_like(x)
    if mute == "empty":
        return torch.full_like(x, modality.pad)
    if mute == "uniform":
        return torch.full_like(x, 1 / x.shape[1] if modality.kind == "probabilities" else 0.0)
    assert mute == "mean"
    assert modality.mean is not None
    means = torch.tensor(modality.mean, device=x.device)
    return means.reshape(1, -1, *[1] * (x.ndim - 2)).expand_as(x).contiguous()


def captum_differences(
    network: JointNetwork, data: Iterable[MemoryBatch], device: str = "cpu"
) -> dict[tuple[str, str, str], float]:
    """Ablate each input with Captum, all in one pass over the data, and a pass for the full setup.

    Captum has no setup in which several inputs are muted at once beside these, so it does less
    than `influence` where more is asked for.

    Returns
    -------
    dict
        By muted input, output and metric: the value with nothing muted minus the value muted.

    Raises
    ------
    RuntimeError
        If Captum is not the version whose roles are known.
    """
    if captum.__version__ != CAPTUM:
        raise RuntimeError(f"expected Captum {CAPTUM}, found {captum.__version__}: check the roles")
    inputs = [modality.name for modality in network.inputs]
    reduction = _Reduction(network, device, taken=len(inputs))
    masks = tuple(
        torch.full((1,) * (1 + len(modality.shape or ())), place, device=device)
        for place, modality in enumerate(network.inputs)
    )
    with torch.inference_mode():
        found = DataLoaderAttribution(FeatureAblation(reduction.forward)).attribute(
            _Lists(data, network, device),
            input_roles=(0,) * len(inputs) + (2,) * len(network.outputs),
            # A number that is no integer would turn ids into such numbers.
            baselines=tuple(m.pad if m.kind == "tokens" else 0.0 for m in network.inputs),
            feature_mask=masks,
            reduce=reduction.reduce,
            to_metric=reduction.to_metric,
            perturbations_per_pass=len(inputs),
            return_input_shape=False,
        )
    return {
        (source, *key): float(found[row, column])
        for row, key in enumerate(reduction.keys)
        for column, source in enumerate(inputs)
    }


@dataclass
class _Lists:
    """Batches as Captum takes them: one list, inputs and then targets (a tuple makes it fail)."""

    data: Iterable[MemoryBatch]
    network: JointNetwork
    device: str

    def __iter__(self) -> Iterator[list[Tensor]]:
        for inputs, targets in self.data:
            yield [
                *(inputs[m.name].to(self.device) for m in self.network.inputs),
                *(targets[o.name].to(self.device) for o in self.network.outputs),
            ]


class _Reduction:
    """Carries predictions through Captum, which knows one tensor only, to the same `Scores`."""

    def __init__(self, network: JointNetwork, device: str, taken: int) -> None:
        self.network, self.device, self.taken = network, device, taken
        self.shapes: dict[str, torch.Size] = {}
        self.keys = list(Scores(network).metrics)

    def forward(self, *inputs: Tensor) -> Tensor:
        # Captum computes with ids, which come out as floating-point numbers.
        given = {
            m.name: x.long() if m.kind == "tokens" else x
            for m, x in zip(self.network.inputs, inputs, strict=True)
        }
        outputs = self.network(given)
        self.shapes = {name: x.shape[1:] for name, x in outputs.items()}
        return torch.cat([x.flatten(1) for x in outputs.values()], dim=1)

    def reduce(self, scores: Scores | None, joined: Tensor, given: Sequence[Tensor]) -> Scores:
        scores = scores or Scores(self.network, self.device)
        sizes = [shape.numel() for shape in self.shapes.values()]
        parts = zip(self.shapes.items(), torch.split(joined, sizes, dim=1), strict=True)
        targets = dict(zip(self.shapes, given[self.taken :], strict=True))
        scores.update({name: x.reshape(-1, *shape) for (name, shape), x in parts}, targets)
        return scores

    def to_metric(self, scores: Scores) -> Tensor:
        found = scores.compute()
        return torch.tensor([found[key] for key in self.keys], dtype=torch.float64)


TOLERANCE = 1e-5
"""Largest difference of a value, relative for values above one: the noise of float32."""


def values_of(run: Run) -> Values:
    """Return every metric's value by mute, setup, output and metric."""
    rows = run.performance[run.performance["level"] == "all"]
    keys = zip(rows["mute"], rows["setup"], rows["target"], rows["metric"], strict=True)
    return {key: float(value) for key, value in zip(keys, rows["value"], strict=True)}


def check_agreement(case: Case, subject: Subject) -> list[dict[str, Any]]:
    """Run every contender once on all data.

    Returns
    -------
    list of dict
        For each source and contender the reads of a sample, on average, and the largest difference
        from our values. In memory, ours begins with a look at the first batch.

    Raises
    ------
    InfluenceError
        If a contender's values differ by more than float noise, or have other keys.
    """
    records = []
    for source in SOURCES:
        counting = CountingSet(subject.opened(source))
        run = subject.measure(counting, setups=case.setups, mutes=list(case.mutes), draws=10)
        ours = values_of(run)
        reads = [counting.reads.get(index, 0) for index in range(subject.samples)]
        if min(reads) < 1:
            raise InfluenceError(f"{case.name}: expected every sample to be read, some were not")
        # By path or as a list, without the counting, it has to be the same.
        plainly = subject.measure(source, setups=case.setups, mutes=list(case.mutes), draws=10)
        gap = _gap(case, INFLUENCE, ours, values_of(plainly))
        path = "; ".join(run.info["paths"].values())
        mean = sum(reads) / len(reads)
        records.append(_record(case, source, INFLUENCE, mean, gap) | {"path": path})
        for rival in case.limits:
            feed = subject.feed(source)
            found, expected = _of_rival(rival, case, subject, feed, ours)
            gap = _gap(case, rival, expected, found)
            records.append(_record(case, source, rival, feed.samples / subject.samples, gap))
    return records


def _record(case: Case, source: Source, contender: str, reads: float, gap: float) -> dict[str, Any]:
    return {
        "case": case.name,
        "source": source,
        "contender": contender,
        "reads_per_sample": reads,
        "largest_difference": gap,
    }


def _of_rival(
    rival: str, case: Case, subject: Subject, feed: CountingFeed, ours: Values
) -> tuple[Mapping[Any, float], Mapping[Any, float]]:
    """Return a rival's values, and what they have to be by our own, with the same keys."""
    names = [modality.name for modality in subject.network.inputs]
    full = "+".join(names)
    if rival == "plain pass":
        found = plain_pass(subject.network, feed, subject.device)
        return found, {key[2:]: x for key, x in ours.items() if key[:2] == ("none", full)}
    if rival == "setup loop":
        return setup_loop(subject.network, feed, setups=case.setups, mutes=case.mutes,
                          device=subject.device), ours  # fmt: skip
    differences = captum_differences(subject.network, feed, subject.device)
    expected = {
        (muted, output, metric): ours["none", full, output, metric]
        - ours[case.mutes[0], "+".join(n for n in names if n != muted), output, metric]
        for muted, output, metric in differences
    }
    return differences, expected


def _gap(
    case: Case, contender: str, expected: Mapping[Any, float], found: Mapping[Any, float]
) -> float:
    """Return the largest difference, once it is known to be small."""
    if set(expected) != set(found):
        raise InfluenceError(
            f"{case.name}: {contender} gives other values than influence: "
            f"{sorted(map(str, set(expected) ^ set(found)))[:3]}"
        )
    gaps = {key: abs(found[key] - x) / max(1.0, abs(x)) for key, x in expected.items()}
    for worst in (key for key, gap in gaps.items() if not gap <= TOLERANCE):  # NaN too
        raise InfluenceError(
            f"{case.name}: {contender} gives {found[worst]} for {worst}, influence "
            f"{expected[worst]}; expected a difference of at most {TOLERANCE}"
        )
    return max(gaps.values())
