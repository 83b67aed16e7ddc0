"""Stages: the graph of a network, cut so that every distinct piece of work is done once.

Two conditions that agree on the mutes of the inputs that a node depends on share its value.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import fx

from influence.engine.sharing.aliasing import Observation, memory_of, mutates, out_of_place
from influence.engine.sharing.graph import Dependence, overload
from influence.engine.sharing.values import Value, Values
from influence.plan.conditions import Condition

__all__ = ["Stage", "Stages", "build_stages"]


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
        The values that stages take from the next sample, with their axis of samples; the clean
        values of which they are made are what `following` gives for that sample.
    points
        The values that take the place of what flows along edges, with the names of the points.
    """

    fixed: Stage
    following: Stage
    conditions: tuple[Stage, ...]
    inputs: Mapping[fx.Node, str]
    axes: Mapping[Value, int]
    points: Mapping[Value, str] = field(default_factory=dict)


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
        If an operator that changes a tensor in place has no variant that makes a new one.
    """
    values = Values(dependence, constant=constant, following=following, observed=observed)
    return _Builder(graph, values).build(conditions)


@dataclass
class _Builder:
    graph: fx.GraphModule
    values: Values
    fixed: dict[Value, None] = field(default_factory=dict)
    """The fixed values that stages take, in the order in which they are found."""
    axes: dict[Value, int] = field(default_factory=dict)
    """The values that stages take from the next sample, with their axis of samples."""
    points: dict[Value, str] = field(default_factory=dict)
    """The values that stages take in the place of what flows along an edge."""

    def build(self, conditions: Sequence[Condition]) -> Stages:
        (results,) = (n.args[0] for n in self.graph.graph.nodes if n.op == "output")
        outputs = [[self.values.under(node, c) for node in results] for c in conditions]
        sweeps = self._sweep_all(outputs)
        # A value of the next sample is made of the clean one when it is taken.
        needs = [[self.values.origin(v) for v in taken] for _, taken in sweeps]
        last = {v: number for number, needed in enumerate(needs) for v in needed}
        stages = []
        for number, (computed, taken) in enumerate(sweeps):
            gives = [v for v in computed if last.get(v, number) > number]
            spare = [v for v in needs[number] if last[v] == number and not self.values.fixed(v)]
            stages.append(self._stage(computed, taken, gives, outputs[number], tuple(spare)))
        moved = [v for v in self.points if any(m in self.values.following for _, m in v.muted)]
        following = list(dict.fromkeys(map(self.values.origin, [*self.axes, *moved])))
        inputs = {
            node: next(iter(self.values.dependence.inputs[node]))
            for node in self.graph.graph.nodes
            if node.op == "placeholder"
        }
        return Stages(
            self._alone(list(self.fixed)),
            self._alone(following),
            tuple(stages),
            inputs,
            self.axes,
            self.points,
        )

    def _sweep_all(
        self, outputs: Sequence[Sequence[Value]]
    ) -> list[tuple[list[Value], list[Value]]]:
        """Find what each stage computes and takes, and note what it takes from no other stage."""
        known: set[Value] = set()  # what an earlier stage computes

        def given(value: Value) -> bool:
            fixed, axis = self.values.fixed(value), self.values.axis(value)
            return value in known or fixed or axis is not None or self.values.replaced(value)

        sweeps = []
        for wanted in outputs:
            computed, taken = self._sweep(wanted, given)
            # Weights are at hand in every stage and are not passed on.
            known.update(v for v in computed if v.node.op != "get_attr")
            for value in taken:
                if self.values.replaced(value):
                    self.points[value] = value.node.meta["edge"][1]
                elif self.values.fixed(value):
                    self.fixed[value] = None
                elif (axis := self.values.axis(value)) is not None:
                    self.axes[value] = axis
            sweeps.append((computed, taken))
        return sweeps

    def _alone(self, gives: list[Value]) -> Stage:
        """Make a stage that is run on one sample and depends on no other stage."""
        computed, taken = self._sweep(gives, lambda _: False)
        return self._stage(computed, taken, gives, [], alone=True)

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
                for argument in self.values.arguments(value):
                    pending.setdefault(argument.node, {})[argument] = None
        return computed[::-1], taken[::-1]

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
            made |= {
                v: self._expanded(graph, made[v], v, count) for v in taken if self.values.fixed(v)
            }
        # What is passed on must not be changed, nor what came in.
        own = set(computed).difference(gives)
        for value in computed:
            arguments = {v.node: made[v] for v in self.values.arguments(value)}
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
        inputs = self.values.dependence.inputs
        # With other dependences one tensor would be changed under several keys.
        return all(
            inputs[node] == inputs[value.node] and self.values.restricted(node, value.muted) in own
            for node in memory_of(changed, self.values.observed.lenders)
        )

    def _expanded(self, graph: fx.Graph, node: fx.Node, value: Value, count: fx.Node) -> fx.Node:
        axes = self.values.axes(value.node)
        if not axes:
            return node
        sizes = [count if i in axes else -1 for i in range(self.values.rank(value.node))]
        return graph.call_function(torch.ops.aten.expand.default, (node, sizes))
