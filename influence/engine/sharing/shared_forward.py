"""The shared path: all conditions of a batch, with every distinct piece of work done once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, fx

from influence.engine.sharing.graph import holds
from influence.engine.sharing.stages import Stage, Stages, build_stages
from influence.engine.sharing.tapped_graph import tap_graph
from influence.engine.sharing.values import CLEAN, Value
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of
from influence.plan.conditions import Condition

__all__ = ["SharedForward", "share"]

Precision = Callable[[], AbstractContextManager[object]]


class SharedForward:
    """Runs the stages of a network on one batch after the other.

    Parameters
    ----------
    graph
        As from `joint_graph`.
    stages, conditions
        As built for these conditions.
    outputs
        The names of the network's outputs and places, in order.
    precision
        Makes the context in which the network runs.
    """

    def __init__(
        self,
        graph: fx.GraphModule,
        stages: Stages,
        conditions: Sequence[Condition],
        outputs: Sequence[str],
        *,
        precision: Precision = nullcontext,
    ) -> None:
        self.graph, self.stages = graph, stages
        self.conditions, self.outputs = conditions, outputs
        self.precision = precision
        self._modules: list[Callable[..., Any]] = [stage.module for stage in stages.conditions]
        self._fixed: dict[Value, Tensor] = {}
        self._fixed_for: list[torch.Size] = []

    def within(self, precision: Precision) -> SharedForward:
        """Return the same network, run in another precision."""
        return SharedForward(
            self.graph, self.stages, self.conditions, self.outputs, precision=precision
        )

    def holds(self, signals: BatchInputs) -> bool:
        """Say whether this is what the network does with samples of such a shape and number."""
        return holds(self.graph, list(signals.clean.values()))

    def compile(self) -> None:
        """Compile every stage."""
        self._modules = [torch.compile(module) for module in self._modules]

    def __call__(self, signals: BatchInputs) -> Iterator[tuple[Condition, dict[str, Tensor]]]:
        """Yield the outputs under one condition after the other."""
        values: dict[Value, Tensor] = dict(self._fixed_values(signals))
        following = self._following_values(signals)
        for number, condition in enumerate(self.conditions):
            # The outputs must not be held here while the next stage runs.
            yield condition, self._run(number, values, following, signals)

    def _run(
        self,
        number: int,
        values: dict[Value, Tensor],
        following: Mapping[Value, Tensor],
        signals: BatchInputs,
    ) -> dict[str, Tensor]:
        stage = self.stages.conditions[number]
        taken = [self._taken(v, values, following, signals) for v in stage.takes]
        for value in stage.spare:
            values.pop(value, None)
        with self.precision():
            outputs, gives = self._modules[number](len(signals), *taken)
        values.update(zip(stage.gives, gives, strict=True))
        return dict(zip(self.outputs, outputs, strict=True))

    def _taken(
        self,
        value: Value,
        values: Mapping[Value, Tensor],
        following: Mapping[Value, Tensor],
        signals: BatchInputs,
    ) -> Tensor:
        if value in self.stages.axes:
            return self._of_next(value, values, following, signals)
        if (point := self.stages.points.get(value)) is None:
            return self._value(value, values, signals)
        ((_, mute),) = value.muted
        clean = Value(value.node, CLEAN)
        return signals.replaced(point, mute, values[clean], following.get(clean))

    def _of_next(
        self,
        value: Value,
        values: Mapping[Value, Tensor],
        following: Mapping[Value, Tensor],
        signals: BatchInputs,
    ) -> Tensor:
        """Return the clean value of the sample after each."""
        axis, origin = self.stages.axes[value], Value(value.node, CLEAN)
        clean = self._value(origin, values, signals)
        return signals.of_partners(clean, following[origin], axis)

    def _following_values(self, signals: BatchInputs) -> dict[Value, Tensor]:
        stage = self.stages.following
        if not stage.gives:
            return {}
        return self._alone(stage, signals.next_sample())

    def _fixed_values(self, signals: BatchInputs) -> Mapping[Value, Tensor]:
        shapes = [x.shape[1:] for x in signals.clean.values()]
        if shapes != self._fixed_for:  # once, unless maps change their size between batches
            self._fixed = self._alone(self.stages.fixed, signals.head(1))
            self._fixed_for = shapes
        return self._fixed

    def _alone(self, stage: Stage, sample: BatchInputs) -> dict[Value, Tensor]:
        with self.precision():
            _, gives = stage.module(1, *(self._value(v, {}, sample) for v in stage.takes))
        return dict(zip(stage.gives, gives, strict=True))

    def _value(self, value: Value, values: Mapping[Value, Tensor], signals: BatchInputs) -> Tensor:
        if value in values:
            return values[value]
        for site, mute in value.muted:
            return signals.muted(site, mute)
        return signals.clean[self.stages.inputs[value.node]]


def share(
    network: JointNetwork,
    signals: BatchInputs,
    conditions: Sequence[Condition],
    *,
    meeting: str = "off",
) -> SharedForward:
    """Build the shared path of a network.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two samples; only their shapes matter.
    conditions
        The full one first.
    meeting
        Where features are looked at; see `influence.engine.sharing.tapped_graph.find_places`.

    Raises
    ------
    InfluenceError
        If the network cannot be traced, or changes tensors in place in a way that cannot be shared.
    """
    sites = sorted(set().union(*(condition.setup for condition in conditions)))
    tapped = tap_graph(network, signals, edges_of(sites), meeting)
    mutes = signals.mutes
    stages = build_stages(
        tapped.graph,
        tapped.dependence,
        conditions,
        constant=[name for name, mute in mutes.items() if mute.constant],
        following=[name for name, mute in mutes.items() if "partners" in mute.needs],
        observed=tapped.observed,
    )
    outputs = [*(o.name for o in network.outputs), *tapped.places]
    return SharedForward(tapped.graph, stages, conditions, outputs)
