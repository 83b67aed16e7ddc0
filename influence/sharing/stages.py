"""Stages: the graph of a network, cut so that every distinct piece of work is done once.

A node's value under a condition depends only on the mutes of the inputs that it depends on. Two
conditions that agree on those share the value; where all of them are muted by constants, there is
one value for the whole data set, computed on a single sample; and where all of them show the input
of the sample that follows, the value is the one which that sample has when nothing is muted.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import fx

from influence.rows import Condition
from influence.sharing.dependence import Dependence
from influence.sharing.joint_graph import overload
from influence.sharing.mutation import memory_of, mutates, out_of_place
from influence.sharing.observation import Observation

__all__ = ["CLEAN", "Stage", "Stages", "Value", "build_stages"]

Key = frozenset[tuple[str, str]]
CLEAN: Key = frozenset()
"""The key of a value that no mute has touched."""


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
    following
        Clean values of the sample that follows the batch; run on every batch.
    conditions
        One stage a condition, in order, each run on every batch.
    inputs
        The modality of every placeholder.
    axes
        Of the values that are clean ones moved on by a sample: their axis of samples.
    """

    fixed: Stage
    following: Stage
    conditions: tuple[Stage, ...]
    inputs: Mapping[fx.Node, str]
    axes: Mapping[Value, int]


def build_stages(
    graph: fx.GraphModule,
    dependence: Dependence,
    conditions: Sequence[Condition],
    *,
    constant: Collection[str],
    following: Collection[str],
    observed: Observation,
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
    following
        The names of those that replace every sample by the one after it.
    observed
        What was seen on one and on two samples.

    Raises
    ------
    InfluenceError
        If the graph changes a tensor in place in a way that cannot be shared.
    """
    builder = _Builder(graph, dependence, frozenset(constant), frozenset(following), observed)
    return builder.build(conditions)


@dataclass
class _Builder:
    graph: fx.GraphModule
    dependence: Dependence
    constant: frozenset[str]
    following: frozenset[str]
    observed: Observation
    fixed: dict[Value, None] = field(default_factory=dict)
    """The fixed values that stages take, in the order in which they are found."""
    axes: dict[Value, int] = field(default_factory=dict)
    """The values that stages take from the next sample, with their axis of samples."""

    def build(self, conditions: Sequence[Condition]) -> Stages:
        (results,) = (n.args[0] for n in self.graph.graph.nodes if n.op == "output")
        known: set[Value] = set()  # what an earlier stage computes

        def given(value: Value) -> bool:
            return value in known or self._lifted(value) or self._moved(value) is not None

        sweeps, outputs = [], []
        for condition in conditions:
            wanted = [self._under(node, condition) for node in results]
            computed, taken = self._sweep(wanted, given)
            # Weights are at hand in every stage and are not passed on.
            known.update(v for v in computed if v.node.op != "get_attr")
            self.fixed |= dict.fromkeys(v for v in taken if self._lifted(v))
            for value in taken:
                if (axis := self._moved(value)) is not None:
                    self.axes[value] = axis
            sweeps.append((computed, taken))
            outputs.append(wanted)
        # A value that is moved on is made of the clean one when it is taken.
        needs = [[self._origin(v) for v in taken] for _, taken in sweeps]
        last = {v: number for number, needed in enumerate(needs) for v in needed}
        stages = []
        for number, (computed, taken) in enumerate(sweeps):
            gives = [v for v in computed if last.get(v, number) > number]
            spare = [v for v in needs[number] if last[v] == number and not self._lifted(v)]
            stages.append(self._stage(computed, taken, gives, outputs[number], tuple(spare)))
        fixed = self._alone(list(self.fixed))
        following = self._alone(list(dict.fromkeys(map(self._origin, self.axes))))
        inputs = {
            node: next(iter(self.dependence.inputs[node]))
            for node in self.graph.graph.nodes
            if node.op == "placeholder"
        }
        return Stages(fixed, following, tuple(stages), inputs, self.axes)

    def _alone(self, gives: list[Value]) -> Stage:
        """Make a stage that is run on one sample and depends on no other stage."""
        computed, taken = self._sweep(gives, lambda _: False)
        return self._stage(computed, taken, gives, [], alone=True)

    def _origin(self, value: Value) -> Value:
        return Value(value.node, CLEAN) if value in self.axes else value

    def _under(self, node: fx.Node, condition: Condition) -> Value:
        muted = self.dependence.inputs[node] & condition.setup
        return Value(node, frozenset((site, condition.mute) for site in muted))

    def _arguments(self, value: Value) -> list[Value]:
        # A size depends on no input, so that its argument is the clean value, always at hand.
        return [self._restricted(arg, value.muted) for arg in value.node.all_input_nodes]

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
        if node.op == "get_attr" or node not in self.observed.shapes[0]:
            return False
        if not inputs:
            return node not in self.dependence.sized
        covered = {site for site, mute in muted if mute in self.constant} == inputs
        return covered and self._axes(node) is not None

    def _moved(self, value: Value) -> int | None:
        """Return the axis of samples of a value that is the clean one of the next sample."""
        node, muted = value
        inputs = self.dependence.inputs[node]
        if not inputs or {site for site, mute in muted if mute in self.following} != inputs:
            return None
        axes = self._axes(node)
        return axes[0] if axes and len(axes) == 1 else None

    def _axes(self, node: fx.Node) -> list[int] | None:
        """List the axes that are as long as there are samples; `None` if lengths differ else."""
        if node not in self.observed.shapes[0]:
            return None
        one, two = self.observed.shapes[0][node], self.observed.shapes[1][node]
        axes = [i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b]
        same = len(one) == len(two) and all((one[i], two[i]) == (1, 2) for i in axes)
        return axes if same else None

    def _stage(
        self,
        computed: list[Value],
        taken: list[Value],
        gives: list[Value],
        outputs: list[Value],
        spare: tuple[Value, ...] = (),
        *,
        alone: bool = False,
    ) -> Stage:
        graph = fx.Graph()
        count = graph.placeholder("count")
        made = {v: graph.placeholder(f"value_{i}") for i, v in enumerate(taken)}
        if not alone:
            made |= {v: self._expanded(graph, made[v], v, count) for v in taken if self._lifted(v)}
        # What is passed on must not be changed, nor what came in.
        own = set(computed).difference(gives)
        for value in computed:
            arguments = {v.node: made[v] for v in self._arguments(value)}
            made[value] = graph.node_copy(value.node, arguments.__getitem__)
            if overload(value.node) is torch.ops.aten.view.default:
                made[value].target = torch.ops.aten.reshape.default  # of what may be expanded
            if mutates(value.node) and not self._in_place(value, own):
                made[value].target = out_of_place(value.node)
        graph.output((tuple(made[v] for v in outputs), tuple(made[v] for v in gives)))
        return Stage(fx.GraphModule(self.graph, graph), tuple(taken), tuple(gives), spare)

    def _in_place(self, value: Value, own: set[Value]) -> bool:
        changed = value.node.args[0]
        assert isinstance(changed, fx.Node), "what changes another argument is refused"
        inputs = self.dependence.inputs
        # With other dependences one tensor would be changed under several keys.
        return all(
            inputs[node] == inputs[value.node] and self._restricted(node, value.muted) in own
            for node in memory_of(changed, self.observed.lenders)
        )

    def _expanded(self, graph: fx.Graph, node: fx.Node, value: Value, count: fx.Node) -> fx.Node:
        axes = self._axes(value.node)
        if not axes:
            return node
        rank = len(self.observed.shapes[0][value.node])
        sizes = [count if i in axes else -1 for i in range(rank)]
        return graph.call_function(torch.ops.aten.expand.default, (node, sizes))
