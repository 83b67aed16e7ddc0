"""Rivals: what a user would otherwise run for the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import captum
import torch
from captum.attr import DataLoaderAttribution, FeatureAblation
from influence.network.joint_network import JointNetwork, Modality
from torch import Tensor

from experiments.benchmarks.data import MemoryBatch
from experiments.benchmarks.scores import Scores

__all__ = ["CAPTUM", "Values", "captum_differences", "plain_pass", "setup_loop", "setups_of"]

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
        As in `influence.measure`; the mutes zero, mean and uniform.
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
    """List the muted inputs of every setup, nothing muted first.

    >>> setups_of(["x", "y"], "ends")
    [(), ('x',), ('y',), ('x', 'y')]
    """
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
            baselines=(0.0,) * len(inputs),
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
        names = [modality.name for modality in self.network.inputs]
        outputs = self.network(dict(zip(names, inputs, strict=True)))
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
