"""Costs: the FLOPs of a measurement, plain, shared, and the least that the graph allows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx
from torch.utils.flop_counter import FlopCounterMode

from influence.engine.sharing.graph import Dependence, find_dependence, joint_graph, meeting_points
from influence.engine.sharing.shared_forward import share
from influence.engine.sharing.tapped_graph import modules_of, results_of, where
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import PREFIX
from influence.plan.conditions import Condition

__all__ = [
    "Costs",
    "candidate_edges",
    "count_costs",
    "meetings",
]


@dataclass(frozen=True)
class Costs:
    """FLOPs, as torch counts them (matrix products, convolutions, attention).

    Parameters
    ----------
    forward
        One forward pass of one sample.
    plain
        All conditions of one sample, each by itself.
    shared, shared_batch, shared_once
        All conditions of one sample on the shared path, and what it computes once a batch (the
        sample that follows) and once a run (what never changes).
    least, least_once
        The sum over the nodes of the graph of their distinct restrictions: nothing that computes
        each value of the graph can do with less.
    """

    forward: int
    plain: int
    shared: int
    shared_batch: int
    shared_once: int
    least: int
    least_once: int

    def of_run(self, samples: int, batch_size: int = 16) -> tuple[int, int, int]:
        """Return the FLOPs of all samples: plain, shared, least."""
        batches = -(-samples // batch_size)
        return (
            samples * self.plain,
            samples * self.shared + batches * self.shared_batch + self.shared_once,
            samples * self.least + self.least_once,
        )


@torch.no_grad()
def count_costs(
    network: JointNetwork, signals: BatchInputs, conditions: Sequence[Condition]
) -> Costs:
    """Count the FLOPs of a network under all conditions.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two samples; only their shapes matter.
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
    >>> signals = BatchInputs(clean, np.arange(2), {n: Modality(n) for n in clean}, MUTES)
    >>> full, no_x = Condition("none", frozenset()), Condition("zero", frozenset({"x"}))
    >>> count_costs(net, signals, [full, no_x]).of_run(10)  # x by zeros once, not ten times
    (1400, 730, 730)
    """
    one = signals.head(1)
    forward = _flops(lambda: network(one.shown(frozenset(), "")))
    shared = share(network, signals, conditions)
    first = _flops(lambda: list(shared(one)))
    single = _flops(lambda: list(shared(one)))
    double = _flops(lambda: list(shared(signals.head(2))))
    least, least_once = _least(network, signals, conditions)
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
    network: JointNetwork, signals: BatchInputs, conditions: Sequence[Condition]
) -> tuple[int, int]:
    graph = joint_graph(network, signals.clean)
    dependence = find_dependence(graph.graph, list(signals.clean))
    constant = {name for name, mute in signals.mutes.items() if mute.constant}
    flops: dict[fx.Node, int] = {}

    class Counter(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            with FlopCounterMode(display=False) as counter:
                result = super().run_node(n)
            flops[n] = int(counter.get_total_flops())
            return result

    Counter(graph).run(*(x.clone() for x in signals.head(1).clean.values()))
    each = once = 0
    for node, cost in flops.items():
        fixed = [
            _fixed(node, key, dependence, constant) for key in _keys(node, dependence, conditions)
        ]
        each += cost * fixed.count(False)
        once += cost * fixed.count(True)
    return each, once


def _keys(
    node: fx.Node, dependence: Dependence, conditions: Sequence[Condition]
) -> set[frozenset[tuple[str, str]]]:
    inputs = dependence.inputs[node]
    return {frozenset((site, c.mute) for site in c.setup & inputs) for c in conditions}


def _fixed(
    node: fx.Node,
    key: frozenset[tuple[str, str]],
    dependence: Dependence,
    constant: set[str],
) -> bool:
    inputs = dependence.inputs[node]
    if not inputs:
        return node not in dependence.sized
    return {site for site, mute in key if mute in constant} == inputs


def meetings(network: JointNetwork, signals: BatchInputs) -> Iterator[str]:
    """Say where the modalities first meet, and which edges lead there, to be muted."""
    graph = joint_graph(network, signals.clean).graph
    dependence = find_dependence(graph, list(signals.clean))
    for node, modalities in meeting_points(graph, dependence):
        yield f"{' and '.join(modalities)} meet in {where(node)}"
    for path, modalities, met in candidate_edges(graph, dependence):
        yield f"--site {PREFIX}{path}: {' and '.join(modalities)} on the way to {met}"


def candidate_edges(
    graph: fx.Graph, dependence: Dependence
) -> Iterator[tuple[str, list[str], str]]:
    """List modules whose output is the last that depends on fewer modalities than what follows.

    In a network of one modality these are its outermost modules.

    Yields
    ------
    tuple
        The path of the module, the modalities that its output depends on, and where they meet
        others.
    """
    if not any(True for _ in meeting_points(graph, dependence)):
        yield from _outermost(graph, dependence)
        return
    listed = set()
    for node, _ in meeting_points(graph, dependence):
        for argument in node.all_input_nodes:
            found = _last_module(graph, argument, dependence)
            if found and found[0] not in listed:
                listed.add(found[0])
                yield (*found, where(node))


def _outermost(graph: fx.Graph, dependence: Dependence) -> Iterator[tuple[str, list[str], str]]:
    paths = dict.fromkeys(modules_of(node)[0] for node in graph.nodes if modules_of(node))
    for path in paths:
        if leaving := [n for n in results_of(graph, path) if dependence.inputs[n]]:
            yield path, sorted(dependence.inputs[leaving[0]]), "the output"


def _last_module(
    graph: fx.Graph, node: fx.Node, dependence: Dependence
) -> tuple[str, list[str]] | None:
    """Walk back to a module that gives this tensor, and depends on no other modality."""
    while node.op == "call_function":
        for path in modules_of(node):
            within = [n for n in graph.nodes if path in modules_of(n)]
            alone = all(dependence.inputs[n] <= dependence.inputs[node] for n in within)
            if alone and node in results_of(graph, path):
                return path, sorted(dependence.inputs[node])
        before = [n for n in node.all_input_nodes if dependence.inputs[n]]
        if len(before) != 1:
            return None
        (node,) = before
    return None
