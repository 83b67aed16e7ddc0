"""Costs: the FLOPs of a measurement without sharing, with sharing, and at the least."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.utils.flop_counter import FlopCounterMode

from influence.engine.sharing.graph import find_dependence, joint_graph
from influence.engine.sharing.shared_forward import share
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.plan.setups import Condition

__all__ = ["Costs", "count_costs"]


@dataclass(frozen=True)
class Costs:
    """Numbers of FLOPs, as counted by torch for matrix products, convolutions and attention.

    Parameters
    ----------
    forward
        One forward pass of one sample.
    plain
        All conditions of one sample, by separate forward passes.
    shared, shared_batch, shared_once
        All conditions with shared work: per sample, per batch (for the sample that follows it)
        and per run (for values that are the same for every sample).
    least, least_once
        The least number with which every distinct value of the graph is computed, per sample and
        per run. Clean values of other samples are not assumed to be known.
    """

    forward: int
    plain: int
    shared: int
    shared_batch: int
    shared_once: int
    least: int
    least_once: int

    def of_run(self, samples: int, batch_size: int = 16) -> tuple[int, int, int]:
        """Return the FLOPs of a run on a number of samples: plain, shared, least."""
        batches = -(-samples // batch_size)
        return (
            samples * self.plain,
            samples * self.shared + batches * self.shared_batch + self.shared_once,
            samples * self.least + self.least_once,
        )


@torch.no_grad()
def count_costs(
    network: JointNetwork, inputs: BatchInputs, conditions: Sequence[Condition]
) -> Costs:
    """Count the FLOPs of running a network under all conditions, to see what sharing saves.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    inputs
        Two samples of the shapes to run; their values do not matter.
    conditions
        The full one first.

    Raises
    ------
    InfluenceError
        If no work can be shared; see `influence.engine.sharing.shared_forward.share`.

    Examples
    --------
    >>> import numpy as np
    >>> from influence.mutes.registry import MUTES
    >>> from influence.network.joint_network import Modality
    >>> class TwoLayers(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.x, self.y = torch.nn.Linear(3, 5), torch.nn.Linear(4, 5)
    ...     def forward(self, x, y):
    ...         return self.x(x) + self.y(y)
    >>> net = JointNetwork(TwoLayers().eval(), inputs=("x", "y"), outputs=("total",))
    >>> clean = {"x": torch.ones(2, 3), "y": torch.ones(2, 4)}
    >>> inputs = BatchInputs(clean, np.arange(2), {n: Modality(n) for n in clean}, MUTES)
    >>> full, no_x = Condition("none", frozenset()), Condition("zero", frozenset({"x"}))
    >>> count_costs(net, inputs, [full, no_x]).of_run(10)  # x by zeros once, not ten times
    (1400, 730, 730)
    """
    one = inputs.head(1)
    forward = _flops(lambda: network(one.shown(frozenset(), "")))
    shared = share(network, inputs, conditions)
    first = _flops(lambda: list(shared(one)))
    single = _flops(lambda: list(shared(one)))
    double = _flops(lambda: list(shared(inputs.head(2))))
    least, least_once = _least(network, inputs, conditions)
    return Costs(
        forward=forward,
        plain=forward * len(conditions),
        shared=double - single,
        shared_batch=2 * single - double,
        shared_once=first - single,
        least=least,
        least_once=least_once,
    )


def _flops(run: Callable[[], Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        run()
    return int(counter.get_total_flops())


def _least(
    network: JointNetwork, inputs: BatchInputs, conditions: Sequence[Condition]
) -> tuple[int, int]:
    graph = joint_graph(network, inputs.clean)
    dependence = find_dependence(graph.graph, list(network.layout.owners.values()))
    constant = {name for name, mute in inputs.mutes.items() if mute.constant}
    flops: dict[fx.Node, int] = {}

    class Counter(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            with FlopCounterMode(display=False) as counter:
                result = super().run_node(n)
            flops[n] = int(counter.get_total_flops())
            return result

    Counter(graph).run(*(x.clone() for x in inputs.head(1).clean.values()))
    each = once = 0
    for node, cost in flops.items():
        sites = dependence.inputs[node]
        keys = {frozenset((site, c.mute) for site in c.setup & sites) for c in conditions}
        if sites:  # a value is the same for every sample if constants replace all its inputs
            fixed = sum({site for site, mute in key if mute in constant} == sites for key in keys)
        else:
            fixed = int(node not in dependence.sized)
        each, once = each + cost * (len(keys) - fixed), once + cost * fixed
    return each, once
