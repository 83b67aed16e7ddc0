"""Trials: a network is run on a few samples first, to decide how all samples are run.

Two identical runs show whether it is deterministic. If it is, its graph is traced, and the setups
share common work, provided that this gives the same outputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from influence.engine.forward import PlainForward
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.errors import InfluenceError
from influence.mutes.mute import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.programs.program import Program
from influence.plan.setups import Condition
from influence.statistics.rows import is_place

__all__ = ["Trial", "trial_size", "try_network"]

WORTH_TRACING = 5e11
"""A module (not an exported program) is traced if all its passes cost more FLOPs than this."""

EFFORT = 1 / 40
"""The fraction of the samples in a trial, divided by the number of conditions; at least two."""

NOISE = 128
"""The tolerance of shared outputs, in units in the last place of the largest plain value."""


@dataclass(frozen=True)
class Trial:
    """The behaviour of a network on a few samples, which decides how it is run.

    Parameters
    ----------
    shared
        Whether work is shared between its conditions.
    reason
        Why work is not shared.
    notes
        Messages for the user.
    runs
        Whether the network runs on a few samples at all.
    channels_last
        Whether maps are stored with their channels last.
    places
        The places at which features are kept.
    """

    shared: bool
    reason: str = ""
    notes: tuple[str, ...] = ()
    runs: bool = True
    channels_last: bool = False
    places: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        """How the network is run and why, as a phrase for the user."""
        return "shared" if self.shared else f"each setup by itself: {self.reason}"


@torch.inference_mode()
def try_network(
    network: JointNetwork,
    signals: BatchInputs,
    conditions: Sequence[Condition],
    *,
    samples: int | None,
    wanted: bool = True,
    meeting: str = "off",
) -> tuple[Trial, SharedForward | None]:
    """Run a network twice on the same samples, and decide whether work can be shared.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two or more samples.
    conditions
        The full one first.
    samples
        The number of samples that will be run; `None` if it is unknown.
    wanted
        Whether to share work between conditions if possible.
    meeting
        Where features are kept; see `influence.engine.sharing.tapped_graph.find_places`.

    Returns
    -------
    tuple
        The trial, and the shared passes; `None` if work is not shared.
    """
    plain = PlainForward(network, conditions, meeting=meeting)
    try:
        _, first = next(plain(signals))
        _, again = next(plain(signals))
    except Exception as error:  # it may take batches of one size only
        return Trial(
            False, f"it fails on {len(signals)} samples: {_reason(error)}", runs=False
        ), None
    places = tuple(name for name in first if is_place(name))
    alone = partial(Trial, False, places=places)
    if notes := tuple(_changes(first, again)):
        return alone("its outputs differ between two identical runs", notes), None
    if not wanted:
        return alone("not asked for"), None
    if any(signals.mutes[c.mute].absent for c in conditions if c.setup):
        return alone("the mute 'absent' passes None, with which it cannot be traced"), None
    if not (isinstance(network.module, Program) or _worth_tracing(plain, signals, samples)):
        return alone("the work is too small to be worth a trace"), None
    try:
        shared = share(network, signals.head(2), conditions, meeting=meeting)
        reason = _difference(plain, shared, signals)
    except Exception as error:  # torch raises various errors on graphs that it does not support
        reason = _reason(error)
    if reason:
        note = f"no work is shared between the setups, each is run by itself: {reason}"
        return alone(reason, (note,)), None
    return Trial(True, places=tuple(filter(is_place, shared.outputs))), shared


def trial_size(samples: int | None, batch: int, conditions: int) -> int:
    """Return the number of samples in a trial, chosen such that it costs little of the whole run.

    >>> trial_size(654, 16, 7), trial_size(20_000, 16, 7), trial_size(None, 16, 7)
    (2, 16, 16)
    """
    affordable = batch if samples is None else int(samples * EFFORT / conditions)
    return max(2, min(batch, affordable))


def _worth_tracing(plain: PlainForward, signals: BatchInputs, samples: int | None) -> bool:
    if samples is None:
        return True
    try:
        with FlopCounterMode(display=False) as counter:
            next(plain(signals))
    except Exception:  # torch cannot count where modules make weights, as weight_norm does
        return True
    each: float = counter.get_total_flops() / len(signals)
    return each * len(plain.conditions) * samples > WORTH_TRACING


def _reason(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0][:300]
    return text if isinstance(error, InfluenceError) else f"{type(error).__name__}: {text}"


def _changes(first: Mapping[str, Tensor], again: Mapping[str, Tensor]) -> Iterator[str]:
    """Yield a note for each output that differs between two identical runs."""
    for name, value in first.items():
        if value.shape != again[name].shape:
            yield f"output {name!r} changes its shape between two identical runs"
        elif not torch.equal(value, again[name]) and not value.isnan().any():
            gap = (value.double() - again[name].double()).abs().max().item()
            yield (
                f"output {name!r} changes between two identical runs by up to {gap:.3g}: "
                "influences of that size are not meaningful (is dropout active?)"
            )


def _difference(plain: PlainForward, shared: SharedForward, signals: BatchInputs) -> str:
    """Return a message if outputs of plain and shared passes differ by more than rounding; else "".

    Rounding depends on the number of samples that are run together. It is estimated, up to an upper
    limit, by the change of the plain outputs of one sample when it is run alone.
    """
    worst: dict[str, tuple[float, str]] = {}
    scale: dict[str, float] = {}
    for (condition, plain_outputs), (_, shared_outputs) in _together(plain, shared, signals):
        for name, expected in plain_outputs.items():
            found = shared_outputs[name]
            if expected.shape != found.shape or expected.dtype != found.dtype:
                return f"output {name!r} would have shape {tuple(found.shape)} under {condition}"
            if (gap := _gap(expected, found)) >= worst.get(name, (0.0, ""))[0]:
                worst[name] = (gap, str(condition))
            largest = expected.double().abs().nan_to_num(0.0, 0.0, 0.0).amax().item()
            eps = torch.finfo(expected.dtype).eps if expected.dtype.is_floating_point else 0.0
            scale[name] = max(scale.get(name, 0.0), eps * max(largest, 1e-6))
    (_, many), (_, alone) = (next(plain(some)) for some in (signals, signals.head(1)))
    rounding = {name: _gap(value[:1], alone[name]) for name, value in many.items()}
    for name, (gap, condition_name) in worst.items():
        slack = NOISE * scale[name] + min(10 * rounding[name], 10 * NOISE * scale[name])
        if not gap <= slack:
            return f"output {name!r} would differ by {gap:.3g} under {condition_name}"
    return ""


def _together(
    plain: PlainForward, shared: SharedForward, signals: BatchInputs
) -> Iterator[tuple[tuple[Condition, dict[str, Tensor]], tuple[Condition, dict[str, Tensor]]]]:
    """Run plain and shared passes, and with nothing muted also on a single sample.

    A trace assumes two or more samples, but values under constant mutes are computed on one.
    """
    one = signals.head(1)
    yield next(plain(one)), next(shared(one))
    yield from zip(plain(signals), shared(signals), strict=True)


def _gap(one: Tensor, other: Tensor) -> float:
    """Return the largest difference; infinite where only one tensor is NaN or infinite."""
    same = (one == other) | (one.isnan() & other.isnan())
    gaps = torch.where(same, 0.0, (one.double() - other.double()).abs())
    return gaps.nan_to_num(torch.inf, torch.inf).amax().item()
