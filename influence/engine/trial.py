"""Trials: a network is run on a few samples first, to decide how all samples are run.

It is seen whether it draws random numbers, and whether it predicts a sample alike alone and in
other company. If its graph is known or worth a trace, the setups share common work, provided that
this gives the same outputs.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from influence.engine.forward import ROUNDING, PlainForward
from influence.engine.sharing.reuse import CountFlops
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.errors import InfluenceError, said
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.programs.program import Program
from influence.plan.setups import FULL, NO_MUTE, Condition
from influence.statistics.rows import is_place

__all__ = [
    "Probe",
    "RandomDraws",
    "Trial",
    "guard",
    "probe_network",
    "trial_size",
    "try_network",
]

WORTH_TRACING = 5e11
"""A module (not an exported program) is traced if all its passes cost more FLOPs than this."""

EFFORT = 1 / 40
"""The fraction of the samples in a trial, divided by the number of conditions; at least two."""

FEW = 8
"""With no more samples than this, to compare shared passes with plain ones would not pay."""

MOST = 16
"""The largest number of samples in a trial."""

NOISE = 128
"""The tolerance of shared outputs, in units in the last place of the largest plain value."""


@dataclass(frozen=True)
class Probe:
    """What a few samples show of a network.

    Parameters
    ----------
    independent
        Whether it predicts a sample alone, in another order and in its batch alike.
    reason
        Why it does not.
    notes
        Messages for the user.
    runs
        Whether it runs on a few samples at all.
    flops
        The FLOPs of one pass of one sample; `None` if torch cannot count them.
    graded
        Whether it needs tensors that allow gradients, which inference mode does not.
    channels_last
        Whether maps are stored with their channels last.
    doubles
        The inputs of float64 that it takes as they are, beside weights of another type.
    """

    independent: bool
    reason: str = ""
    notes: tuple[str, ...] = ()
    runs: bool = True
    flops: float | None = None
    graded: bool = False
    channels_last: bool = False
    doubles: tuple[str, ...] = ()


def guard(graded: bool) -> AbstractContextManager[Any]:
    """Return the context in which a network runs: inference mode, or no gradients by default."""
    return torch.no_grad() if graded else torch.inference_mode()


class RandomDraws:
    """Notices whether random numbers are drawn inside the context, from any global generator.

    >>> with RandomDraws() as draws:
    ...     _ = torch.rand(1)
    >>> draws.drawn
    True
    """

    def __init__(self, device: torch.device | None = None) -> None:
        self._device = device if device is not None and device.type == "cuda" else None
        self.drawn = False

    def _states(self) -> list[Any]:
        found: list[Any] = [torch.get_rng_state(), random.getstate()]
        if self._device is not None:
            found.append(torch.cuda.get_rng_state(self._device))
        state: Any = np.random.get_state()  # noqa: NPY002
        return [*found, (state[1].tobytes(), state[2:])]

    def __enter__(self) -> RandomDraws:
        self._before = self._states()
        return self

    def __exit__(self, *_: object) -> None:
        for before, after in zip(self._before, self._states(), strict=True):
            same = torch.equal(before, after) if isinstance(before, Tensor) else before == after
            self.drawn |= not same


def probe_network(network: JointNetwork, signals: BatchInputs) -> Probe:
    """Run a network on a few samples, on one alone, and on all in another order.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two samples or more of one batch.
    """
    full = [Condition(NO_MUTE, FULL)]
    plain = PlainForward(network, full)
    run = partial(_full_outputs, plain)
    graded = False
    device = next(iter([x.device for x in signals.clean.values() if isinstance(x, Tensor)]), None)
    flops = None
    try:
        with guard(graded), RandomDraws(device) as draws:
            first, flops = _counted(lambda: run(signals), len(signals))
    except Exception as error:
        if "nference tensor" not in str(error) and "does not require grad" not in str(error):
            reason = f"it fails on {len(signals)} samples: {_reason(error)}"
            return Probe(False, reason, runs=False)
        graded = True
        with guard(graded), RandomDraws(device) as draws:
            first = run(signals)
    known = partial(Probe, flops=flops, graded=graded)
    with guard(graded):
        if draws.drawn:
            notes = tuple(_changes(first, run(signals))) or (
                "the network draws random numbers when it runs, so its outputs may change between "
                "identical runs (is dropout active?)",
            )
            return known(False, "its outputs differ between two identical runs", notes)
        count = len(signals)
        try:
            turned = run(signals.chosen(np.arange(count)[::-1].copy()))
            alone = run(signals.chosen(np.array([count - 1])))
        except Exception as error:
            return known(False, f"it fails on one sample alone: {_reason(error)}")
    for name, expected in first.items():
        for other, here in ((turned[name], slice(None)), (alone[name], slice(count - 1, None))):
            if isinstance(other, Tensor) and len(other) == count:
                other = other.flip(0)
            if not _alike(expected, other, here):
                if notes := tuple(_changes(first, run(signals))):
                    return known(False, "its outputs differ between two identical runs", notes)
                return known(False, f"output {name!r} depends on the other samples of the batch")
    return known(True)


def _full_outputs(plain: PlainForward, signals: BatchInputs) -> dict[str, Any]:
    _, outputs = next(plain(signals))
    return outputs


def _counted(
    run: Callable[[], dict[str, Any]], samples: int
) -> tuple[dict[str, Any], float | None]:
    try:
        with CountFlops() as counter:
            found = run()
        return found, counter.total / samples
    except InfluenceError:
        raise
    except Exception:  # it may call what torch does not let a mode see
        return run(), None


def _alike(expected: Any, found: Any, here: slice) -> bool:
    """Return whether a tensor equals a part of another but for rounding; other objects do."""
    if not (isinstance(expected, Tensor) and isinstance(found, Tensor)):
        return True
    if not expected.is_floating_point():
        return expected[here].shape == found.shape and torch.equal(expected[here], found)
    if expected[here].shape != found.shape:
        return False
    largest = expected.double().abs().nan_to_num(0.0, 0.0, 0.0)
    slack = max(ROUNDING, 8 * torch.finfo(expected.dtype).eps)
    return _gap(expected[here], found) <= slack * (largest.amax().item() if largest.numel() else 0)


def _changes(first: Mapping[str, Any], again: Mapping[str, Any]) -> Iterator[str]:
    """Yield a note for each output that differs between two identical runs."""
    for name, value in first.items():
        if not isinstance(value, Tensor):
            continue
        if value.shape != again[name].shape:
            yield f"output {name!r} changes its shape between two identical runs"
        elif not torch.equal(value, again[name]) and not value.isnan().any():
            gap = (value.double() - again[name].double()).abs().max().item()
            yield (
                f"output {name!r} changes between two identical runs by up to {gap:.3g}: "
                "influences of that size are not meaningful (is dropout active?)"
            )


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
        Whether maps are stored with their channels last, as the probe found.
    places
        The places at which features are kept.
    reusing
        Whether operators are looked up instead; see `influence.engine.sharing.reuse`.
    """

    shared: bool
    reason: str = ""
    notes: tuple[str, ...] = ()
    runs: bool = True
    channels_last: bool = False
    places: tuple[str, ...] = ()
    reusing: bool = False

    @property
    def path(self) -> str:
        """How the network is run and why, as a phrase for the user."""
        return "shared" if self.shared else f"each setup by itself: {self.reason}"


def try_network(
    network: JointNetwork,
    signals: BatchInputs,
    conditions: Sequence[Condition],
    probe: Probe,
    *,
    samples: int | None,
    wanted: bool = True,
    meeting: str = "off",
) -> tuple[Trial, SharedForward | None]:
    """Decide whether a network's work can be shared, and compare the shared passes with plain ones.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two or more samples.
    conditions
        The full one first.
    probe
        What is known of the network.
    samples
        The number of samples that will be run; `None` if it is unknown.
    wanted
        Whether to share work between conditions if possible.
    meeting
        Where features are kept; see `influence.engine.sharing.tapped_graph.find_places`.

    Returns
    -------
    tuple
        The trial, and the shared passes; `None` if work is not shared by a graph.
    """
    plain = PlainForward(network, conditions, meeting=meeting)
    program = isinstance(network.module, Program)
    places: tuple[str, ...] = ()
    if plain.edges or meeting not in ("auto", "off") or (program and meeting != "off"):
        try:
            places = tuple(name for name in _full_outputs(plain, signals) if is_place(name))
        except Exception as error:  # it may take batches of one size only
            reason = f"it fails on {len(signals)} samples: {_reason(error)}"
            return Trial(False, reason, runs=False), None
    alone = partial(Trial, False, places=places)
    if not probe.independent:
        return alone(probe.reason, runs=probe.runs), None
    if not wanted:
        return alone("not asked for"), None
    if any(signals.mutes[c.mute].absent for c in conditions if c.setup):
        return alone("the mute 'absent' passes None, with which it cannot be traced"), None
    large = samples is None or probe.flops is None
    if samples is not None and probe.flops is not None:
        large = probe.flops * len(conditions) * samples > WORTH_TRACING
    if program and samples is not None and samples <= FEW:
        return alone("there are too few samples for a trial", reusing=not probe.graded), None
    if not (program or large):
        return alone("the work is too small to be worth a trace", reusing=not probe.graded), None
    if probe.graded:
        return alone("it computes gradients when it runs"), None
    try:
        with _without_logs():
            shared = share(network, signals.head(2), conditions, meeting=meeting)
        reason = _difference(plain, shared, signals)
    except Exception as error:  # torch raises various errors on graphs that it does not support
        reason = _reason(error)
    if reason:
        note = f"no work is shared through the network's graph: {reason}"
        return alone(reason, (note,), reusing=not program), None
    return Trial(True, places=tuple(filter(is_place, shared.outputs))), shared


@contextmanager
def _without_logs() -> Iterator[None]:
    """Keep torch from printing why a network cannot be traced: plain passes do as well."""
    logger = logging.getLogger("torch._guards")
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled


def trial_size(samples: int | None, batch: int, conditions: int) -> int:
    """Return the number of samples in a trial, chosen such that it costs little of the whole run.

    >>> trial_size(654, 16, 7), trial_size(20_000, 16, 7), trial_size(None, 16, 7)
    (2, 16, 16)
    """
    affordable = batch if samples is None else int(samples * EFFORT / conditions)
    return max(2, min(batch, affordable, MOST))


def _reason(error: Exception) -> str:
    text = str(error) if isinstance(error, InfluenceError) else said(error)
    return text.partition("\n")[0][:300]


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
    rounding = {name: _gap(value.narrow(0, 0, 1), alone[name]) for name, value in many.items()}
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
