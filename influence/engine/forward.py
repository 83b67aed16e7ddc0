"""The forward passes of one batch under every condition: one by one, or with shared work."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from torch import Tensor

from influence.engine.sharing.shared_forward import SharedForward
from influence.engine.taps import Tapped, tap_network
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of, site_of
from influence.plan.conditions import Condition
from influence.plan.setups import FULL

__all__ = ["Forward", "PlainForward", "TriedForward"]

Precision = Callable[[], AbstractContextManager[object]]
Outputs = Iterator[tuple[Condition, dict[str, Tensor]]]


class Forward(Protocol):
    """Yields the outputs of one batch under one condition after the other."""

    def __call__(self, signals: BatchInputs) -> Outputs: ...
    def compile(self) -> None: ...


class PlainForward:
    """One forward pass a condition.

    Parameters
    ----------
    network, conditions
        What is run, and how: the full condition first where an edge is muted.
    precision
        Makes the context in which the network runs.
    meeting
        Where features are looked at; see `influence.engine.sharing.tapped_graph.find_places`.
    """

    def __init__(
        self,
        network: JointNetwork,
        conditions: Sequence[Condition],
        precision: Precision = nullcontext,
        *,
        meeting: str = "off",
    ) -> None:
        self.network, self.conditions, self.precision = network, conditions, precision
        self.meeting = meeting
        self.edges = edges_of(sorted(set().union(*(c.setup for c in conditions))))
        self._tapped: Tapped | None = None

    def compile(self) -> None:
        """Compile the network."""
        self.network.module.compile()

    def __call__(self, signals: BatchInputs) -> Outputs:
        """Run the network on what each condition shows it."""
        run = self._tapped or tap_network(self.network, signals, self.edges, self.meeting)
        self._tapped = run
        clean: dict[str, Tensor] = {}  # what flows along the edges with nothing muted
        following: Mapping[str, Tensor] = {}
        if self.edges and signals.follower is not None:
            _, following = self._run(run, signals.next_sample().shown(FULL, ""), {})
        for condition in self.conditions:
            # Neither inputs nor outputs must be held here while the next condition runs.
            yield condition, self._outputs(run, signals, condition, clean, following)

    def _outputs(
        self,
        run: Tapped,
        signals: BatchInputs,
        condition: Condition,
        clean: dict[str, Tensor],
        following: Mapping[str, Tensor],
    ) -> dict[str, Tensor]:
        replaced = {
            point: signals.replaced(point, condition.mute, values, following.get(point))
            for point, values in clean.items()
            if site_of(point) in condition.setup
        }
        shown = signals.shown(condition.setup, condition.mute)
        outputs, seen = self._run(run, shown, replaced)
        if condition.setup == FULL:
            clean.update(seen)
        return outputs

    def _run(
        self, run: Tapped, shown: Mapping[str, Tensor | None], replaced: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        with self.precision():
            return run(shown, replaced)


class TriedForward:
    """The shared path where it holds, and the plain one for all other batches.

    A network may take another way for maps of another size than those on which it was tried, or
    for another number of samples.

    Parameters
    ----------
    shared, plain
        The two ways.
    tell
        Called with a note, the first time that a batch is run plainly.
    """

    def __init__(
        self, shared: SharedForward, plain: PlainForward, tell: Callable[[str], None]
    ) -> None:
        self.shared, self.plain, self.tell = shared, plain, tell
        self.told = False

    def compile(self) -> None:
        """Compile both."""
        self.shared.compile()
        self.plain.compile()

    def __call__(self, signals: BatchInputs) -> Outputs:
        """Run all conditions."""
        if self.shared.holds(signals):
            return self.shared(signals)
        if not self.told:
            self.told = True
            shapes = {name: tuple(x.shape) for name, x in signals.clean.items()}
            self.tell(
                f"no work is shared in batches such as {shapes}, for which the network takes "
                "another way than for those on which it was tried"
            )
        return self.plain(signals)
