"""Forward passes of one batch under every condition, one by one or with shared work.

The memory format of maps is chosen here as well: on some devices convolutions are faster if the
channels of a map are adjacent in memory ("channels last").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import Protocol

import torch
from torch import Tensor, nn

from influence.engine.sharing.shared_forward import SharedForward
from influence.engine.taps import Tapped, tap_network
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of, site_of
from influence.plan.setups import FULL, Condition

__all__ = [
    "Forward",
    "PlainForward",
    "TriedForward",
    "lay_out",
    "suits_channels_last",
    "with_layout",
]

Precision = Callable[[], AbstractContextManager[object]]
Outputs = Iterator[tuple[Condition, dict[str, Tensor]]]


class Forward(Protocol):
    """Computes the outputs of one batch under each condition in turn."""

    def __call__(self, signals: BatchInputs) -> Outputs: ...
    def compile(self) -> None: ...


class PlainForward:
    """One forward pass for each condition.

    Parameters
    ----------
    network, conditions
        The network, and the conditions: the full one first if an edge is muted.
    precision
        Returns the context in which the network runs, such as `torch.autocast`.
    meeting
        Where features are kept; see `influence.engine.sharing.tapped_graph.find_places`.
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
        """Yield the outputs of the network under each condition in turn."""
        run = self._tapped or tap_network(self.network, signals, self.edges, self.meeting)
        self._tapped = run
        clean: dict[str, Tensor] = {}  # the tensors on the edges with nothing muted
        following: Mapping[str, Tensor] = {}
        if self.edges and signals.follower is not None:
            with self.precision():
                _, following = run(signals.next_sample().shown(FULL, ""), {})
        for condition in self.conditions:
            # No reference to inputs or outputs is kept here while the next condition runs.
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
        with self.precision():
            outputs, seen = run(shown, replaced)
        if condition.setup == FULL:
            clean.update(seen)
        return outputs


class TriedForward:
    """Shared passes for batches whose shapes fit the traced graph, plain passes for all others.

    A network may compute something else for maps of another size, or for another number of samples,
    than those for which it was traced.

    Parameters
    ----------
    shared, plain
        The two kinds of forward passes.
    note
        Called with a message for the user when a batch is run by plain passes for the first time.
    """

    def __init__(
        self, shared: SharedForward, plain: PlainForward, note: Callable[[str], None]
    ) -> None:
        self.shared, self.plain, self.note = shared, plain, note
        self._noted = False

    def compile(self) -> None:
        """Compile both kinds of passes."""
        self.shared.compile()
        self.plain.compile()

    def __call__(self, signals: BatchInputs) -> Outputs:
        """Yield the outputs of the network under each condition in turn."""
        if self.shared.holds(signals):
            return self.shared(signals)
        if not self._noted:
            self._noted = True
            shapes = {name: tuple(x.shape) for name, x in signals.clean.items()}
            self.note(
                f"no work is shared in batches such as {shapes}, because the network may compute "
                "something else for them than for those with which it was traced"
            )
        return self.plain(signals)


def suits_channels_last(module: nn.Module, device: torch.device, *, mixed: bool) -> bool:
    """Return whether a network is faster on maps in the memory format "channels last".

    This holds for two-dimensional convolutions on the CPU, which otherwise reorder every map twice,
    and in mixed precision on CUDA. No timing is involved, so the choice is the same in every run.

    Parameters
    ----------
    module, device
        The network, and the device on which it runs.
    mixed
        Whether the network runs in mixed precision.

    Examples
    --------
    >>> suits_channels_last(nn.Conv2d(1, 8, 3), torch.device("cpu"), mixed=False)
    True
    >>> suits_channels_last(nn.Linear(8, 8), torch.device("cpu"), mixed=False)
    False
    """
    convolves = any(w.ndim == 4 and w.shape[-1] > 1 for w in _weights(module))
    return convolves and (device.type == "cpu" or mixed)


def lay_out(module: nn.Module, *, channels_last: bool) -> None:
    """Store the weights of convolutions with channels last or first; values do not change."""
    # Weights made in inference mode could not be trained afterwards.
    with torch.inference_mode(False):
        for weights in _weights(module):
            if weights.ndim == 4:
                weights.data = with_layout(weights.data, channels_last=channels_last)


def with_layout(maps: Tensor, *, channels_last: bool) -> Tensor:
    """Return a tensor of four axes with channels last or first in memory; others are unchanged.

    >>> with_layout(torch.zeros(1, 2, 3, 4), channels_last=True).stride()
    (24, 1, 8, 2)
    """
    if maps.ndim != 4:
        return maps
    order = torch.channels_last if channels_last else torch.contiguous_format
    return maps.contiguous(memory_format=order)


def _weights(module: nn.Module) -> chain[Tensor]:
    return chain(module.parameters(), module.buffers())
