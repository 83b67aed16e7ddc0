"""Optimal constants: for each input the constant under which the network's loss is smallest.

Optimal ablation (Li and Janson, NeurIPS 2024, arXiv 2409.09951) replaces an input by the constant
with the smallest expected loss. The remaining loss is due to the missing information; the
additional loss under any other constant is due to that constant being unusual.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from influence.data.source import Data, Form, close_data, open_data, sample_count
from influence.errors import InfluenceError
from influence.mutes.descent import Descent, find_outputs
from influence.mutes.moments import lacking_moments, measure_moments, with_moments
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork
from influence.network.sites import select_sites
from influence.runtime.execution import Execution, choose_device, progress_bar
from influence.runtime.renames import moved_into_record

__all__ = ["learn_optimal", "with_optimal"]

HELD = 128
"""The number of samples on which constants are compared, the same in all comparisons."""


BATCH_SIZE = 8
LEARNING = partial(Execution, batch_size=BATCH_SIZE)
"""The default settings: small batches, because the gradient needs all activations."""


@moved_into_record("execution", ("batch_size", "device", "workers"), LEARNING)
def learn_optimal(
    network: JointNetwork,
    data: Data,
    *,
    sites: Sequence[str] | None = None,
    steps: int = 200,
    seed: int = 0,
    limit: int | None = None,
    execution: Execution | None = None,
    progress: bool = False,
) -> dict[str, tuple[float, ...]]:
    """Learn for each input the constant, one number per channel, with the smallest loss.

    The network is not changed. Adam optimises the constant of one input while all other inputs
    are present. The loss is the sum over outputs of cross entropy (labels) or squared error
    (values), each divided by its value with nothing muted. Adam starts from the best of zero, the
    mean and, for probabilities and logits, the uniform input. Returned is the constant, among these
    and those that Adam reached, with the smallest loss on 128 samples drawn from the data.
    Constants of probabilities are distributions, so zero is not tried for them, and those of depth
    are not negative.

    Parameters
    ----------
    network
        A module or an exported program through which gradients can pass.
    data
        Training data: the path of an evaluation file, a set, or an iterable of batches ``(inputs,
        targets)``. Outputs without ground truth there do not contribute to the loss.
    sites
        The inputs; all by default.
    steps, seed
        The number of steps of Adam, and the seed with which their samples are drawn.
    limit
        The largest number of samples to use, from the start of the data; by default all.
    execution
        The device to compute on, the number of samples in each step (8 by default; the gradient
        needs all activations, so a smaller batch takes less memory), and the number of workers.
    progress
        Whether to show a progress bar.

    Returns
    -------
    dict
        For each input its constant, one number per channel, in the unit of the input.

    Raises
    ------
    InfluenceError
        If network and data do not fit together, an input has no gradient, or the network returns
        NaN or infinity.

    Examples
    --------
    >>> class Sum(nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> x, y = torch.tensor([[1.0], [2.0], [6.0]]), torch.ones(3, 1)
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("z",))
    >>> found = learn_optimal(net, [({"x": x, "y": y}, {"z": x + y})], sites=["x"])
    >>> round(found["x"][0], 3)  # the mean, in closed form
    3.0
    """
    opened = open_data(data, form=Form(contexts=network.layout.contexts))
    execution = execution or LEARNING()
    chosen = select_sites(sites, network.inputs)
    if steps < 0:
        raise InfluenceError(f"expected 0 steps or more, got steps={steps}")
    count = sample_count(opened, limit)
    held, batches = _draw_batches(count, steps, execution.batch_size or BATCH_SIZE, seed)
    outputs = find_outputs(network, opened)
    mutes = [MUTES["mean"], MUTES["noise"]]  # which need both moments
    lacking = lacking_moments(network, opened, mutes, chosen)
    measured = measure_moments([network], opened, lacking, count)
    known, _ = with_moments(network, opened, mutes, chosen, measured)
    device = choose_device(execution.device)
    descent = Descent(network, opened, outputs, held, device, execution.workers)
    with _frozen(network.to(descent.device).module):
        constants = descent.begin([known[site] for site in chosen])
        with progress_bar(sum(map(len, batches)), show=progress) as advance:
            descent.run(constants, batches, advance)
    close_data(opened, data)
    return {constant.modality.name: tuple(constant.best.tolist()) for constant in constants}


def with_optimal(network: JointNetwork, constants: Mapping[str, Sequence[float]]) -> JointNetwork:
    """Return the same network with optimal constants in its facts.

    Parameters
    ----------
    network
        A network, which is not changed; the new one has the same module.
    constants
        For each input its constant, as `learn_optimal` returns them.

    Examples
    --------
    >>> net = JointNetwork(nn.Identity(), inputs=("x",), outputs=("y",))
    >>> with_optimal(net, {"x": (0.5,)}).inputs[0].optimal
    (0.5,)
    """
    filled = copy.copy(network)
    filled.inputs = tuple(
        replace(m, optimal=tuple(map(float, constants[m.name]))) if m.name in constants else m
        for m in network.inputs
    )
    return filled


def _draw_batches(
    count: int, steps: int, batch_size: int, seed: int
) -> tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]]:
    """Draw batches of the held samples, and the batches of all steps, from `count` samples.

    In the steps, the numbers of times that samples occur differ by at most one.
    """
    stream = np.random.Generator(np.random.Philox([seed, crc32(b"optimal")]))
    held = np.sort(stream.permutation(count)[:HELD])
    size = min(batch_size, count)
    rounds = [stream.permutation(count) for _ in range(-(-steps * size // count))]
    order = np.concatenate([*rounds, np.empty(0, np.int64)])[: steps * size]
    return _cut(held, batch_size), _cut(order, size)


def _cut(order: NDArray[np.int64], size: int) -> list[NDArray[np.int64]]:
    return [order[i : i + size] for i in range(0, len(order), size)]


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    """Disable gradients of weights in this context, because they would need memory."""
    weights = [w for w in module.parameters() if w.requires_grad]
    for weight in weights:
        weight.requires_grad_(False)
    try:
        with torch.inference_mode(False), torch.enable_grad():
            yield
    finally:
        for weight in weights:
            weight.requires_grad_(True)
