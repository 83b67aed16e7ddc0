"""Stages: the graph of a network, divided such that every distinct value is computed once.

A value is the result of a node under given mutes of the inputs on which the node depends.
Conditions that agree on these mutes share it. If all these inputs are muted by constants, the value
is the same for every sample; if all are muted by `shuffle`, it is the clean value of the partner.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import fx

from influence.engine.sharing.aliasing import aliases_of, mutates, out_of_place
from influence.engine.sharing.graph import overload
from influence.engine.sharing.tapped_graph import TappedGraph
from influence.mutes.mute import Mute
from influence.network.sites import is_edge
from influence.plan.setups import Condition

__all__ = ["CLEAN", "Key", "Stage", "Stages", "Value", "build_stages"]

Key = frozenset[tuple[str, str]]
"""The muted sites, each with its mute."""

CLEAN: Key = frozenset()
"""The key of a value that no mute affects."""


class Value(NamedTuple):
    """The result of a node when the sites in `muted`, on all of which it depends, are replaced."""

    node: fx.Node
    muted: Key


@dataclass(frozen=True)
class Stage:
    """A part of the network's computation.

    Parameters
    ----------
    module
        Called with the number of samples and the values in `takes`. Returns two tuples: the
        network's outputs, and the values in `gives`.
    takes, gives
        The values that are passed in, and those that are returned for later stages.
    spare
        Values that no later stage takes, so that their memory can be freed.
    """

    module: fx.GraphModule
    takes: tuple[Value, ...]
    gives: tuple[Value, ...]
    spare: tuple[Value, ...] = ()


@dataclass(frozen=True)
class Stages:
    """The computation of a network under all conditions of a run, divided into stages.

    Parameters
    ----------
    fixed
        Computes the values that are the same for every sample, on one sample, once per run.
    following
        Computes clean values of the sample that follows the batch, once per batch.
    conditions
        One stage for each condition, in order, each run once per batch.
    inputs
        For each placeholder its leaf of the network's inputs.
    axes
        The values that are clean values of the partner sample, with the index of their axis of
        samples. They are made from the clean values of the batch and those of `following`.
    points
        The values with which mutes replace the tensors of edges, with the names of the points.
    """

    fixed: Stage
    following: Stage
    conditions: tuple[Stage, ...]
    inputs: Mapping[fx.Node, str]
    axes: Mapping[Value, int]
    points: Mapping[Value, str]


def build_stages(
    tapped: TappedGraph, conditions: Sequence[Condition], mutes: Mapping[str, Mute]
) -> Stages:
    """Divide a graph into one stage for each condition, and two that run on a single sample.

    Parameters
    ----------
    tapped
        The graph, observed on one and on two samples.
    conditions
        The full one first.
    mutes
        The mutes of the conditions, by name.

    Raises
    ------
    InfluenceError
        If an operator changes a reused tensor in place, and torch has no variant of the operator
        that makes a new tensor.
    """
    return _Builder(tapped.graph, _Values(tapped, mutes)).build(conditions)


class _Values:
    """The values of a graph, and the ways in which each can be obtained."""

    def __init__(self, tapped: TappedGraph, mutes: Mapping[str, Mute]) -> None:
        self.dependence, self.observed = tapped.dependence, tapped.observed
        self.constant = {name for name, mute in mutes.items() if mute.constant}
        self.shuffling = {name for name, mute in mutes.items() if "partners" in mute.needs}
        # Some tensors of such a site, like lengths, stay as they are under a constant mute.
        self.leaves, owners = list(tapped.owners), list(tapped.owners.values())
        self.several = {site for site in owners if owners.count(site) > 1}

    def under(self, node: fx.Node, condition: Condition) -> Value:
        """Return the value of a node under a condition."""
        return self.restricted(node, frozenset((site, condition.mute) for site in condition.setup))

    def arguments(self, value: Value) -> list[Value]:
        """List the values from which a value is computed."""
        # A size depends on no input, so its argument is the clean value, which is always available.
        return [self.restricted(arg, value.muted) for arg in value.node.all_input_nodes]

    def restricted(self, node: fx.Node, muted: Key) -> Value:
        """Return the value of a node when sites are muted, reduced to those on which it depends."""
        inputs = self.dependence.inputs[node]
        key = frozenset(pair for pair in muted if pair[0] in inputs)
        # The replacement of the tensor of an edge does not depend on the mutes before it.
        return Value(node, _of_edge(node, key) or key)

    def replaced(self, value: Value) -> bool:
        """Return whether a value is the tensor with which a mute replaces that of an edge."""
        return bool(_of_edge(*value))

    def fixed(self, value: Value) -> bool:
        """Return whether a value is the same for every sample: computed for one, then expanded."""
        node = value.node
        if node.op == "get_attr" or node not in self.observed.shapes[0]:
            return False
        if not self.dependence.inputs[node]:
            return node not in self.dependence.sized
        alone = self.several.isdisjoint(self.dependence.inputs[node])
        return alone and self._covered(value, self.constant) and self.axes(node) is not None

    def axis(self, value: Value) -> int | None:
        """Return the axis of samples of a clean value of the partner; `None` for other values."""
        if not self._covered(value, self.shuffling):
            return None
        axes = self.axes(value.node)
        return axes[0] if axes and len(axes) == 1 else None

    def origin(self, value: Value) -> Value:
        """Return the clean value from which a stage makes a value, or the value itself.

        Values of the partner and replacements of the tensors of edges are made from clean values.
        """
        made = self.replaced(value) or self.axis(value) is not None
        return Value(value.node, CLEAN) if made else value

    def _covered(self, value: Value, mutes: set[str]) -> bool:
        """Return whether all inputs of a value, and no edge, are muted by the given mutes."""
        inputs = {site for site in self.dependence.inputs[value.node] if not is_edge(site)}
        muted = {site for site, mute in value.muted if mute in mutes}
        return bool(inputs) and muted == inputs and len(value.muted) == len(inputs)

    def axes(self, node: fx.Node) -> list[int] | None:
        """List the axes as long as the number of samples; `None` if other lengths vary with it."""
        if node not in self.observed.shapes[0]:
            return None
        one, two = self.observed.shapes[0][node], self.observed.shapes[1][node]
        axes = [i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
        same = len(one) == len(two) and all((one[i], two[i]) == (1, 2) for i in axes)
        return axes if same else None


def _of_edge(node: fx.Node, muted: Key) -> Key:
    """Return the mute of the edge that a node marks; empty for other nodes."""
    site, _ = node.meta.get("edge", ("", ""))
    return frozenset(pair for pair in muted if pair[0] == site)


class _Sweep(NamedTuple):
    """The values that a stage computes, in the order of the graph, and those that it takes."""

    computed: list[Value]
    taken: list[Value]


@dataclass
class _Builder:
    graph: fx.GraphModule
    values: _Values
    fixed: dict[Value, None] = field(default_factory=dict)
    """The fixed values that stages take, in the order in which they are found."""
    axes: dict[Value, int] = field(default_factory=dict)
    points: dict[Value, str] = field(default_factory=dict)

    def build(self, conditions: Sequence[Condition]) -> Stages:
        (results,) = (n.args[0] for n in self.graph.graph.nodes if n.op == "output")
        outputs = [[self.values.under(node, c) for node in results] for c in conditions]
        sweeps = self._sweep_all(outputs)
        needs = [[self.values.origin(v) for v in sweep.taken] for sweep in sweeps]
        last = {v: number for number, needed in enumerate(needs) for v in needed}
        stages = []
        for number, sweep in enumerate(sweeps):
            gives = [v for v in sweep.computed if last.get(v, number) > number]
            spare = [v for v in needs[number] if last[v] == number and not self.values.fixed(v)]
            stages.append(self._stage(sweep, gives, outputs[number], tuple(spare)))
        moved = [v for v in self.points if any(m in self.values.shuffling for _, m in v.muted)]
        following = list(dict.fromkeys(map(self.values.origin, [*self.axes, *moved])))
        placeholders = self.graph.graph.find_nodes(op="placeholder")
        inputs = dict(zip(placeholders, self.values.leaves, strict=True))
        return Stages(
            self._alone(list(self.fixed)),
            self._alone(following),
            tuple(stages),
            inputs,
            self.axes,
            self.points,
        )

    def _sweep_all(self, outputs: Sequence[Sequence[Value]]) -> list[_Sweep]:
        """Find the values that each stage computes and takes; record those that none computes."""
        known: set[Value] = set()  # the values that earlier stages compute

        def given(value: Value) -> bool:
            fixed, axis = self.values.fixed(value), self.values.axis(value)
            return value in known or fixed or axis is not None or self.values.replaced(value)

        sweeps = []
        for wanted in outputs:
            sweep = self._sweep(wanted, given)
            # Weights are available in every stage and are not passed on.
            known.update(v for v in sweep.computed if v.node.op != "get_attr")
            for value in sweep.taken:
                if self.values.replaced(value):
                    self.points[value] = value.node.meta["edge"][1]
                elif self.values.fixed(value):
                    self.fixed[value] = None
                elif (axis := self.values.axis(value)) is not None:
                    self.axes[value] = axis
            sweeps.append(sweep)
        return sweeps

    def _alone(self, gives: list[Value]) -> Stage:
        """Make a stage that runs on one sample, before all stages of conditions."""
        return self._stage(self._sweep(gives, lambda _: False), gives, [])

    def _sweep(self, wanted: Iterable[Value], given: Callable[[Value], bool]) -> _Sweep:
        """Walk the graph back from the wanted values to values that are given."""
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
                for argument in self.values.arguments(value):
                    pending.setdefault(argument.node, {})[argument] = None
        return _Sweep(computed[::-1], taken[::-1])

    def _stage(
        self,
        sweep: _Sweep,
        gives: list[Value],
        outputs: list[Value],
        spare: tuple[Value, ...] = (),
    ) -> Stage:
        graph = fx.Graph()
        count = graph.placeholder("count")
        made = {v: graph.placeholder(f"value_{i}") for i, v in enumerate(sweep.taken)}
        if outputs:  # a stage without outputs runs on one sample
            made |= {
                v: self._expanded(graph, made[v], v, count)
                for v in sweep.taken
                if self.values.fixed(v)
            }
        # Neither values that are passed on nor those passed in may be changed in place.
        internal = set(sweep.computed).difference(gives)
        for value in sweep.computed:
            arguments = {v.node: made[v] for v in self.values.arguments(value)}
            made[value] = graph.node_copy(value.node, arguments.__getitem__)
            if overload(value.node) is torch.ops.aten.view.default:
                # An expanded tensor, which has strides of zero, cannot always be viewed.
                made[value].target = torch.ops.aten.reshape.default
            if mutates(value.node) and not self._in_place(value, internal):
                made[value].target = out_of_place(value.node)
        graph.output((tuple(made[v] for v in outputs), tuple(made[v] for v in gives)))
        return Stage(fx.GraphModule(self.graph, graph), tuple(sweep.taken), tuple(gives), spare)

    def _in_place(self, value: Value, internal: set[Value]) -> bool:
        """Return whether a change in place affects only internal values with the same key."""
        changed = value.node.args[0]
        assert isinstance(changed, fx.Node), "a change of another argument is refused"
        inputs = self.values.dependence.inputs
        # If dependences differed, one tensor would be changed under several keys.
        return all(
            inputs[node] == inputs[value.node]
            and self.values.restricted(node, value.muted) in internal
            for node in aliases_of(changed, self.values.observed.aliases)
        )

    def _expanded(self, graph: fx.Graph, node: fx.Node, value: Value, count: fx.Node) -> fx.Node:
        axes = self.values.axes(value.node)
        if not axes:
            return node
        rank = len(self.values.observed.shapes[0][value.node])
        sizes = [count if i in axes else -1 for i in range(rank)]
        return graph.call_function(torch.ops.aten.expand.default, (node, sizes))
