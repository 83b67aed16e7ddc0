"""The shared forward pass: all conditions of a batch, computing every distinct value once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, fx

from influence.engine.sharing.stages import CLEAN, Stage, Stages, Value, build_stages
from influence.engine.sharing.tapped_graph import tap_graph
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of
from influence.plan.setups import Condition

__all__ = ["SharedForward", "share"]

Precision = Callable[[], AbstractContextManager[object]]


@dataclass
class SharedForward:
    """Runs a network under all conditions, batch by batch.

    Parameters
    ----------
    graph
        A graph as returned by `influence.engine.sharing.graph.joint_graph`.
    stages, conditions
        The stages of the computation, and the conditions in their order.
    outputs
        The names of the network's outputs and places, in order.
    precision
        Returns the context in which the network runs, such as `torch.autocast`.
    """

    graph: fx.GraphModule
    stages: Stages
    conditions: Sequence[Condition]
    outputs: Sequence[str]
    precision: Precision = nullcontext

    def __post_init__(self) -> None:
        self._modules: list[Callable[..., Any]] = [s.module for s in self.stages.conditions]
        self._fixed: dict[Value, Tensor] = {}
        self._fixed_for: list[torch.Size] = []
        self._holds, self._checked_for = False, list[torch.Size]()

    def within(self, precision: Precision) -> SharedForward:
        """Return the same computation in another precision."""
        return replace(self, precision=precision)

    def holds(self, inputs: BatchInputs) -> bool:
        """Return whether the graph is valid for the shapes and the number of these samples.

        A trace records the operators that the network calls for example inputs. For larger maps, or
        another number of samples, the network may call others.
        """
        shapes = [x.shape for x in inputs.clean.values()]
        if shapes != self._checked_for:
            self._checked_for = shapes
            try:
                self.graph.meta["check"](list(inputs.clean.values()))
                self._holds = True
            except Exception:  # a failed guard, or one that cannot be computed for such shapes
                self._holds = False
        return self._holds

    def compile(self) -> None:
        """Compile every stage with `torch.compile`."""
        self._modules = [torch.compile(module) for module in self._modules]

    def __call__(self, inputs: BatchInputs) -> Iterator[tuple[Condition, dict[str, Tensor]]]:
        """Yield the outputs by name, under each condition in turn."""
        shapes = [x.shape[1:] for x in inputs.clean.values()]
        if shapes != self._fixed_for:  # once, unless maps change their size between batches
            self._fixed = self._values_of(self.stages.fixed, partial(inputs.head, 1))
            self._fixed_for = shapes
        values = _BatchValues(self.stages, inputs, dict(self._fixed))
        if (stage := self.stages.following).gives:  # computed when a condition first needs it
            values.following = cache(partial(self._values_of, stage, inputs.next_sample))
        for number, condition in enumerate(self.conditions):
            # No reference to the outputs is kept here while the next stage runs.
            yield condition, self._run(self.stages.conditions[number], values, number)

    def _run(
        self, stage: Stage, values: _BatchValues, number: int | None = None
    ) -> dict[str, Tensor]:
        """Run a stage, compiled if it has a number, and add its `gives` to the values."""
        taken = [values.take(value) for value in stage.takes]
        for value in stage.spare:
            values.computed.pop(value, None)
        module = stage.module if number is None else self._modules[number]
        with self.precision():
            outputs, gives = module(len(values.inputs.indices), *taken)
        values.computed.update(zip(stage.gives, gives, strict=True))
        return dict(zip(self.outputs, outputs, strict=bool(outputs)))

    def _values_of(self, stage: Stage, sample: Callable[[], BatchInputs]) -> dict[Value, Tensor]:
        """Run a stage that takes only inputs on one sample, and return its `gives`."""
        values = _BatchValues(self.stages, sample())
        self._run(stage, values)
        return values.computed


@dataclass
class _BatchValues:
    """The values of one batch that stages take as arguments.

    Parameters
    ----------
    stages
        The stages of the computation.
    inputs
        The inputs of the batch, clean and muted.
    computed
        The values that earlier stages have returned.
    following
        Returns the clean values of the sample that follows the batch.
    """

    stages: Stages
    inputs: BatchInputs
    computed: dict[Value, Tensor] = field(default_factory=dict)
    following: Callable[[], Mapping[Value, Tensor]] = dict

    def take(self, value: Value) -> Tensor:
        """Return a value for a stage, made from a clean one under a shuffle or at a muted edge."""
        clean = Value(value.node, CLEAN)
        if (axis := self.stages.axes.get(value)) is not None:
            partners = self.inputs.of_partners(self.at_hand(clean), self.following()[clean], axis)
            assert isinstance(partners, Tensor), "values of a graph are tensors"
            return partners
        if (point := self.stages.points.get(value)) is None:
            return self.at_hand(value)
        ((_, mute),) = value.muted
        follower = self.following().get(clean)
        found: Tensor = self.inputs.replaced(point, mute, self.computed[clean], follower)
        return found

    def at_hand(self, value: Value) -> Tensor:
        """Return a value that a stage has computed, or the tensor of an input."""
        if value in self.computed:
            return self.computed[value]
        leaf = self.stages.inputs[value.node]
        for _, mute in value.muted:
            found: Tensor = self.inputs.muted(leaf, mute)
            return found
        clean: Tensor = self.inputs.clean[leaf]
        return clean


def share(
    network: JointNetwork,
    inputs: BatchInputs,
    conditions: Sequence[Condition],
    *,
    meeting: str = "off",
) -> SharedForward:
    """Build the shared forward pass of a network; see `influence.engine.sharing`.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    inputs
        Two samples of the shapes to run; their values do not matter.
    conditions
        The full one first.
    meeting
        Where features are taken; see `influence.engine.sharing.tapped_graph.find_places`.

    Raises
    ------
    InfluenceError
        If the network cannot be traced, or changes tensors in place that other operators read.
    """
    sites = sorted(set().union(*(condition.setup for condition in conditions)))
    tapped = tap_graph(network, inputs, edges_of(sites), meeting)
    stages = build_stages(tapped, conditions, inputs.mutes)
    outputs = [*(o.name for o in network.outputs), *tapped.places]
    return SharedForward(tapped.graph, stages, conditions, outputs)
