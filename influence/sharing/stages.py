"""Stages: the graph of a network, cut so that every distinct piece of work is done once.

A node's value under a condition depends only on the mutes of the inputs that it depends on. Two
conditions that agree on those share the value; where all of them are muted by constants, there is
one value for the whole data set, computed on a single sample.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx

from influence.rows import Condition
from influence.sharing.dependence import Dependence
from influence.sharing.joint_graph import only_metadata
from influence.sharing.mutation import mutates, out_of_place

__all__ = ["Stage", "Stages", "Value", "build_stages", "record_shapes"]

Key = frozenset[tuple[str, str]]
CLEAN: Key = frozenset()
"""The key of a value that no mute has touched."""

Shapes = Mapping[fx.Node, tuple[int, ...]]


class Value(NamedTuple):
    """What a node computes when the inputs in `muted` are replaced: pairs (modality, mute)."""

    node: fx.Node
    muted: Key


@dataclass(frozen=True)
class Stage:
    """A piece of the network's graph.

    Parameters
    ----------
    module
        Called with the number of samples and the values in `takes`; returns the network's outputs,
        then the values in `gives`, which later stages take.
    takes, gives
        What is passed in and out.
    spare
        What no later stage takes.
    """

    module: fx.GraphModule
    takes: tuple[Value, ...]
    gives: tuple[Value, ...]
    spare: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Stages:
    """A network under all conditions of a run.

    Parameters
    ----------
    fixed
        Everything that is the same for every sample; run once, on one sample.
    conditions
        One stage a condition, in order, each run on every batch.
    inputs
        The modality of every placeholder.
    """

    fixed: Stage
    conditions: tuple[Stage, ...]
    inputs: Mapping[fx.Node, str]


def record_shapes(graph: fx.GraphModule, inputs: Sequence[Tensor]) -> dict[fx.Node, Any]:
    """Run a graph and note the shape of every tensor that a node gives."""
    shapes: dict[fx.Node, tuple[int, ...]] = {}

    class Recorder(fx.Interpreter):
        def run_node(self, n: fx.Node) -> Any:
            result = super().run_node(n)
            if isinstance(result, Tensor):
                shapes[n] = tuple(result.shape)
            return result

    Recorder(graph).run(*inputs)
    return shapes


def build_stages(
    graph: fx.GraphModule,
    dependence: Dependence,
    conditions: Sequence[Condition],
    *,
    constant: Collection[str],
    shapes: tuple[Shapes, Shapes],
) -> Stages:
    """Cut a graph into one stage a condition and one for what never changes.

    Parameters
    ----------
    graph, dependence
        As from `joint_graph` and `find_dependence`.
    conditions
        The full one first.
    constant
        The names of the mutes that replace every sample by the same.
    shapes
        Of every node on one and on two samples.

    Raises
    ------
    InfluenceError
        If the graph changes a tensor in place in a way that cannot be shared.
    """
    return _Builder(graph, dependence, frozenset(constant), shapes).build(conditions)


@dataclass
class _Builder:
    graph: fx.GraphModule
    dependence: Dependence
    constant: frozenset[str]
    shapes: tuple[Shapes, Shapes]
    fixed: dict[Value, None] = field(default_factory=dict)
    """The fixed values that stages take, in the order in which they are found."""

    def build(self, conditions: Sequence[Condition]) -> Stages:
        (results,) = (n.args[0] for n in self.graph.graph.nodes if n.op == "output")
        known: set[Value] = set()  # what an earlier stage computes

        def given(value: Value) -> bool:
            return value in known or self._lifted(value)

        sweeps, outputs = [], []
        for condition in conditions:
            wanted = [self._under(node, condition) for node in results]
            computed, taken = self._sweep(wanted, given)
            known.update(computed)
            self.fixed |= dict.fromkeys(v for v in taken if self._lifted(v))
            sweeps.append((computed, taken))
            outputs.append(wanted)
        last = {v: number for number, (_, taken) in enumerate(sweeps) for v in taken}
        stages = []
        for number, (computed, taken) in enumerate(sweeps):
            gives = [v for v in computed if last.get(v, number) > number]
            spare = [v for v in taken if last[v] == number and not self._lifted(v)]
            stages.append(self._stage(computed, taken, gives, outputs[number], tuple(spare)))
        computed, taken = self._sweep(self.fixed, lambda _: False)
        fixed = self._stage(computed, taken, list(self.fixed), [], once=True)
        inputs = {
            node: next(iter(self.dependence.inputs[node]))
            for node in self.graph.graph.nodes
            if node.op == "placeholder"
        }
        return Stages(fixed, tuple(stages), inputs)

    def _under(self, node: fx.Node, condition: Condition) -> Value:
        muted = self.dependence.inputs[node] & condition.setup
        return Value(node, frozenset((site, condition.mute) for site in muted))

    def _arguments(self, value: Value) -> list[Value]:
        # A size is the same whatever is muted, and clean values are always at hand.
        muted = CLEAN if only_metadata(value.node) else value.muted
        return [self._restricted(arg, muted) for arg in value.node.all_input_nodes]

    def _restricted(self, node: fx.Node, muted: Key) -> Value:
        inputs = self.dependence.inputs[node]
        return Value(node, frozenset(pair for pair in muted if pair[0] in inputs))

    def _sweep(
        self, wanted: Iterable[Value], given: Callable[[Value], bool]
    ) -> tuple[list[Value], list[Value]]:
        """Find what has to be computed for the wanted values, in order, and what is taken."""
        pending: dict[fx.Node, dict[Value, None]] = {}
        for value in wanted:
            pending.setdefault(value.node, {})[value] = None
        computed, taken = [], []
        for node in reversed(self.graph.graph.nodes):
            for value in pending.get(node, ()):
                if node.op == "placeholder" or given(value):
                    taken.append(value)
                    continue
                computed.append(value)
                for argument in self._arguments(value):
                    pending.setdefault(argument.node, {})[argument] = None
        return computed[::-1], taken[::-1]

    def _lifted(self, value: Value) -> bool:
        """Say whether a value is computed once, on one sample, and expanded to the batch."""
        node, muted = value
        inputs = self.dependence.inputs[node]
        if node.op == "get_attr" or node not in self.shapes[0]:
            return False
        if not inputs:
            return node not in self.dependence.sized
        covered = {site for site, mute in muted if mute in self.constant} == inputs
        one, two = self.shapes[0][node], self.shapes[1][node]
        return covered and len(one) == len(two) and all(
            a == b or (a, b) == (1, 2) for a, b in zip(one, two, strict=True)
        )  # fmt: skip

    def _stage(
        self,
        computed: list[Value],
        taken: list[Value],
        gives: list[Value],
        outputs: list[Value],
        spare: tuple[Value, ...] = (),
        *,
        once: bool = False,
    ) -> Stage:
        graph = fx.Graph()
        count = graph.placeholder("count")
        made = {v: graph.placeholder(f"value_{i}") for i, v in enumerate(taken)}
        if not once:
            made |= {v: self._expanded(graph, made[v], v, count) for v in taken if self._lifted(v)}
        # What is passed on must not be changed, nor what came in.
        own = set(computed).difference(gives)
        for value in computed:
            arguments = {v.node: made[v] for v in self._arguments(value)}
            made[value] = graph.node_copy(value.node, arguments.__getitem__)
            if mutates(value.node) and not self._in_place(value, own):
                made[value].target = out_of_place(value.node)
        graph.output((tuple(made[v] for v in outputs), tuple(made[v] for v in gives)))
        return Stage(fx.GraphModule(self.graph, graph), tuple(taken), tuple(gives), spare)

    def _in_place(self, value: Value, own: set[Value]) -> bool:
        changed = value.node.args[0]
        assert isinstance(changed, fx.Node)
        # With other dependences one tensor would be changed under several keys.
        same = self.dependence.inputs[changed] == self.dependence.inputs[value.node]
        return same and self._restricted(changed, value.muted) in own

    def _expanded(self, graph: fx.Graph, node: fx.Node, value: Value, count: fx.Node) -> fx.Node:
        one, two = self.shapes[0][value.node], self.shapes[1][value.node]
        if one == two:
            return node
        sizes = [-1 if a == b else count for a, b in zip(one, two, strict=True)]
        return graph.call_function(torch.ops.aten.expand.default, (node, sizes))
