"""Forward passes of one batch under every condition, one by one or with shared work.

The memory format of maps is chosen here as well: on some devices convolutions are faster if the
channels of a map are adjacent in memory ("channels last").
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from itertools import chain
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from influence.engine.sharing.reuse import Conflict, Reuse
from influence.engine.sharing.shared_forward import SharedForward
from influence.engine.taps import Tapped, tap_network
from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of, site_of
from influence.plan.setups import FULL, Condition

__all__ = [
    "Forward",
    "PlainForward",
    "ReusingForward",
    "TriedForward",
    "lay_out",
    "suits_channels_last",
    "with_layout",
]

ROUNDING = 1e-4
"""The tolerance, as a part of the largest value, of what a sample's company may change."""

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
        pass_ = self.of_batch(signals)
        for condition in self.conditions:
            # No reference to inputs or outputs is kept here while the next condition runs.
            shown = signals.shown(condition.setup, condition.mute)
            yield condition, pass_(condition, shown)
            del shown

    def of_batch(
        self, signals: BatchInputs
    ) -> Callable[[Condition, Mapping[str, Any]], dict[str, Any]]:
        """Return a function of a condition and the inputs under it, which gives the outputs.

        The full condition must come first if an edge is muted.
        """
        run = self._tapped or tap_network(self.network, signals, self.edges, self.meeting)
        self._tapped = run
        clean: dict[str, Tensor] = {}  # the tensors on the edges with nothing muted
        following: Mapping[str, Tensor] = {}
        if self.edges and (signals.follower is not None or signals.exchanged is not None):
            partners = signals.partners_batch() if signals.exchanged else signals.next_sample()
            with self.precision():
                _, following = run(partners.shown(FULL, ""), {})

        def outputs(condition: Condition, shown: Mapping[str, Any]) -> dict[str, Any]:
            replaced = {
                point: signals.replaced(point, condition.mute, values, following.get(point))
                for point, values in clean.items()
                if site_of(point) in condition.setup
            }
            with self.precision(), naming(condition):
                found, seen = run(shown, replaced)
            if condition.setup == FULL:
                clean.update(seen)
            return found

        return outputs


@contextmanager
def naming(condition: Condition) -> Iterator[None]:
    """Let an error of a network say under which condition it failed, if something was muted."""
    try:
        yield
    except InfluenceError as error:
        if condition.setup == FULL:
            raise
        raise InfluenceError(f"under {condition}: {error}") from error
    except Exception as error:
        error.condition = condition  # type: ignore[attr-defined]
        raise


class ReusingForward:
    """Plain passes in which operators are not computed again for the same arguments.

    In the first batch it is seen whether anything is saved; if not, the passes are plain ones.

    Parameters
    ----------
    plain
        The passes.
    """

    def __init__(self, plain: PlainForward) -> None:
        self.plain = plain
        self.reuse: Reuse | None = None
        self.reason = ""
        self._constants: dict[tuple[Any, ...], Tensor] = {}
        self._first: dict[Condition, dict[str, Tensor]] | None = {}

    def compile(self) -> None:
        """Compile the network, whose operators cannot be looked up then."""
        self.plain.compile()
        self._give_up("it is compiled")

    def _give_up(self, reason: str) -> None:
        self.reason, self.reuse, self._constants = reason, None, {}

    def __call__(self, signals: BatchInputs) -> Outputs:
        """Yield the outputs of the network under each condition in turn."""
        if self.reason:
            yield from self.plain(signals)
            return
        if self.reuse is None:
            self.reuse = self._make(signals)
        self.reuse.begin_batch()
        shown = _Shown(signals, self._constants)
        pass_ = self.plain.of_batch(signals)
        for number, condition in enumerate(self.plain.conditions):
            inputs, mutes = shown.under(condition)
            tensors = {leaf: x for leaf, x in inputs.items() if isinstance(x, Tensor)}
            reuse, outputs = self.reuse, None
            if reuse is not None:
                reuse.begin(number, tensors, mutes)
                try:
                    with reuse:
                        outputs = pass_(condition, inputs)
                    reuse.confirm(outputs.values())
                except Exception as error:  # what is wrong with the network, plain passes tell
                    outputs = None
                    self._give_up(
                        "it changes in place what another setup needs"
                        if isinstance(error, Conflict)
                        else f"operators cannot be looked up ({type(error).__name__})"
                    )
            if outputs is None:
                outputs = pass_(condition, signals.shown(condition.setup, condition.mute))
            if self._first is not None:
                maps = {n: x for n, x in outputs.items() if isinstance(x, Tensor)}
                self._first[condition] = {
                    name: x.narrow(0, 0, 1).clone() for name, x in maps.items()
                }
            yield condition, outputs
            del outputs, inputs, tensors
        if self.reuse is not None:
            self.reuse.begin_batch()  # frees memory
            if not self.reuse.pays:
                self._give_up("the setups have too little work in common")
            elif self._first:
                self._check(signals, self._first)
        self._first = None

    def _make(self, signals: BatchInputs) -> Reuse:
        module = self.plain.network.module
        constant = [name for name, mute in signals.mutes.items() if mute.constant]
        device = next((x.device.type for x in _weights(module)), "cpu")
        return Reuse(_weights(module), self.plain.conditions, constant, device)

    def _check(self, signals: BatchInputs, first: Mapping[Condition, Mapping[str, Tensor]]) -> None:
        """Compare the first sample with plain passes; the rows of the batch are made already.

        Raises
        ------
        InfluenceError
            If anything differs, as where a network keeps a state that torch does not see.
        """
        if not self._differs(self.plain(signals.head(1)), first):
            return
        # Alone a sample may be rounded otherwise; in its batch it has to be the same.
        if where := self._differs(self.plain(signals), first):
            raise InfluenceError(
                f"network {self.plain.network.name!r}: {where} differs if work is shared between "
                "setups, so it depends on more than its inputs. Measure with share=False"
            )

    def _differs(self, passes: Outputs, first: Mapping[Condition, Mapping[str, Tensor]]) -> str:
        """Return which output of the first sample is another in plain passes; empty if none is."""
        for condition, plain in passes:
            for name, found in first[condition].items():
                value = plain[name].narrow(0, 0, 1)
                slack = ROUNDING * float(found.double().abs().nan_to_num(0.0, 0.0, 0.0).amax())
                if value.shape != found.shape or not torch.allclose(
                    value.double(), found.double(), rtol=0.0, atol=slack, equal_nan=True
                ):
                    return f"output {name!r} under {condition}"
        return ""


class _Shown:
    """The inputs of a batch under its conditions, the same tensors wherever they are the same."""

    def __init__(self, signals: BatchInputs, constants: dict[tuple[Any, ...], Tensor]) -> None:
        self.signals, self.constants = signals, constants
        # Copies, which the network may change in place: the mutes need the inputs as they are.
        self.made = {(leaf, ""): x for leaf, x in signals.shown(FULL, "").items()}

    def under(self, condition: Condition) -> tuple[dict[str, Any], dict[str, tuple[str, str]]]:
        """Return the inputs under a condition, and for each leaf its site and its mute."""
        inputs: dict[str, Any] = {}
        mutes: dict[str, tuple[str, str]] = {}
        for leaf, values in self.signals.clean.items():
            site = self.signals.site_of(leaf)
            mute = condition.mute if site in condition.setup else ""
            if (leaf, mute) not in self.made:
                self.made[leaf, mute] = self._muted(leaf, mute, values)
            inputs[leaf] = self.made[leaf, mute]
            mutes[leaf] = site, mute
        return inputs, mutes

    def _muted(self, leaf: str, mute: str, values: Any) -> Any:
        alone = list(self.signals.owners.values()).count(self.signals.site_of(leaf)) < 2
        if not (self.signals.mutes[mute].constant and alone and isinstance(values, Tensor)):
            return self.signals.muted(leaf, mute)
        key = (leaf, mute, values.shape, values.dtype)
        if key not in self.constants:
            self.constants[key] = self.signals.muted(leaf, mute)
        return self.constants[key]


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
