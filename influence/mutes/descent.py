"""Descent: constants in the place of inputs, moved towards less loss by gradients."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, EvaluationSet, Field
from influence.data.loader import load_batches
from influence.errors import InfluenceError
from influence.mutes.losses import Losses
from influence.mutes.mute import Signal
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork, Modality

__all__ = [
    "Constant",
    "Descent",
    "list_candidates",
]


CHECKS = 5
"""So often the constants that gradients have led to are compared with the best."""

NOTHING = 1e-9
"""A loss that is so small a part of that under a bad constant is no measure for others."""

Shown = tuple[str, Tensor] | None
"""An input and the constant in its place; `None` with nothing muted."""


class Descent:
    """A network, its losses on training data, and the samples on which constants are compared.

    Parameters
    ----------
    network
        In evaluation mode, on `device`.
    data, losses
        Training data, and the losses of the outputs there.
    held
        Batches of the samples on which constants are compared.
    device, workers
        Where to compute, and how many processes read ahead.
    """

    def __init__(
        self,
        network: JointNetwork,
        data: EvaluationSet,
        losses: Losses,
        held: Sequence[NDArray[np.int64]],
        *,
        device: torch.device,
        workers: int = 0,
    ) -> None:
        self.network, self.data, self.losses, self.held = network, data, losses, held
        self.device, self.workers = device, workers
        self.scales: dict[str, float] = {}

    def begin(self, facts: Sequence[Modality]) -> list[Constant]:
        """Start for each input from the best of its candidates, and scale the losses.

        Each output's loss is divided by what it is with nothing muted. A network that makes no
        error there would make that infinite: its loss under the worst candidate is taken instead.

        Parameters
        ----------
        facts
            The inputs, with mean and deviation.

        Raises
        ------
        InfluenceError
            If the network returns NaN or infinity.
        """
        tried = [
            (modality, name, candidate.to(self.device))
            for modality in facts
            for name, candidate in list_candidates(
                modality, self.data.inputs[modality.name]
            ).items()
        ]
        full, *muted = self._compare([None, *((m.name, c) for m, _, c in tried)])
        self.scales = {name: _scale(loss, [m[name] for m in muted]) for name, loss in full.items()}
        if not np.isfinite(list(full.values())).all():
            raise InfluenceError(
                f"network {self.network.name!r} returned NaN or infinity for some of "
                f"{self.data.source}: with nothing muted its losses are {full}. Look for NaN in "
                "the inputs"
            )
        totals = [self._total(loss) for loss in muted]
        constants = []
        for modality in facts:
            own = {n: (t, c) for (m, n, c), t in zip(tried, totals, strict=True) if m is modality}
            loss, start = min(own.values(), key=lambda pair: np.nan_to_num(pair[0], nan=np.inf))
            if not np.isfinite(loss):
                raise InfluenceError(
                    f"network {self.network.name!r} returned NaN or infinity on {self.data.source} "
                    f"for each of {', '.join(own)} in the place of {modality.name!r}"
                )
            flat = len({t for t, _ in own.values()}) == 1
            constants.append(Constant(modality, start, loss, flat=flat))
        return constants

    def run(
        self,
        constants: Sequence[Constant],
        batches: Sequence[NDArray[np.int64]],
        advance: Callable[[int], None],
    ) -> None:
        """Move every constant, each by itself, a step a batch, and keep the best of each.

        Raises
        ------
        InfluenceError
            If no gradient reaches an input on which the outputs depend.
        """
        checks = {round(len(batches) * (i + 1) / CHECKS) for i in range(CHECKS)}
        for number, batch in enumerate(load_batches(self.data, batches, workers=self.workers)):
            for constant in constants:
                self._step(constant, batch, rate=1 - number / len(batches))
            if number + 1 in checks:
                self._check(constants)
            advance(len(batch))

    def _step(self, constant: Constant, batch: Batch, *, rate: float) -> None:
        name = constant.modality.name
        sums = self._sums(batch, (name, constant.value()))
        means = {n: total / places.clamp(min=1) for n, (total, places) in sums.items()}
        loss = torch.stack([mean / self.scales[n] for n, mean in means.items()]).sum()
        if not constant.step(loss, rate) and not constant.flat:
            raise InfluenceError(
                f"network {self.network.name!r}: no gradient reaches the input {name!r}, though "
                "the outputs depend on it. Take out of the forward pass what stops gradients, such "
                "as no_grad, detach or rounding"
            )

    def _check(self, constants: Sequence[Constant]) -> None:
        with torch.no_grad():
            values = [constant.value() for constant in constants]
        shown = [(c.modality.name, value) for c, value in zip(constants, values, strict=True)]
        for constant, value, losses in zip(constants, values, self._compare(shown), strict=True):
            constant.consider(value, self._total(losses))

    def _compare(self, shown: Sequence[Shown]) -> list[dict[str, float]]:
        """Return the mean losses on the held samples under several constants, by one read."""
        sums: list[dict[str, Tensor]] = [{} for _ in shown]
        with torch.no_grad():
            for batch in load_batches(self.data, self.held, workers=self.workers):
                for own, one in zip(sums, shown, strict=True):
                    for name, pair in self._sums(batch, one).items():
                        own[name] = own.get(name, 0.0) + pair
        return [
            {name: (total / places.clamp(min=1)).item() for name, (total, places) in own.items()}
            for own in sums
        ]

    def _sums(self, batch: Batch, shown: Shown) -> dict[str, Tensor]:
        inputs = {
            m.name: batch.inputs[m.name].to(self.device, self.network.dtype)
            for m in self.network.inputs
        }
        if shown:
            inputs[shown[0]] = _filled(shown[1], inputs[shown[0]])
        targets = {name: batch.targets[name].to(self.device) for name in self.losses.names}
        return self.losses(self.network(inputs), targets)

    def _total(self, losses: Mapping[str, float]) -> float:
        return sum(loss / self.scales[name] for name, loss in losses.items())


def _scale(full: float, muted: Sequence[float]) -> float:
    worst = max((loss for loss in muted if np.isfinite(loss)), default=0.0)
    return full if full > NOTHING * worst else worst or 1.0


def _filled(constant: Tensor, like: Tensor) -> Tensor:
    """Expand a constant, one number a channel, to the shape of a batch."""
    shape = (1, len(constant), *[1] * (like.ndim - 2)) if like.ndim > 1 else (1,)
    # A network may call view() on its input or change it in place.
    return constant.to(like.dtype).reshape(shape).expand_as(like).clone()


RATE = 0.1
"""Adam's first step, in standard deviations of the input, or in logits; it falls to zero."""

SMALLEST = 1e-6
"""Probabilities are at least this large, before they are made to sum to one."""


def list_candidates(modality: Modality, data: Field) -> dict[str, Tensor]:
    """Return what the constant mutes put in the place of an input, as float64 (channels,).

    A constant of probabilities is a distribution, so that zero is none of them there.

    >>> facts = Modality("x", "probabilities", mean=(0.25, 0.75))
    >>> {name: c.tolist() for name, c in list_candidates(facts, Field((2,), False)).items()}
    {'mean': [0.25, 0.75], 'uniform': [0.5, 0.5]}
    """
    like = torch.zeros(1, *(data.shape or (1,))[:1], dtype=torch.float64)
    signal = Signal(like, modality, np.zeros(1, dtype=np.int64))
    names = ["mean", "uniform"] if modality.kind == "probabilities" else ["zero", "mean", "uniform"]
    found = {n: MUTES[n].replace(signal)[0] for n in names if MUTES[n].applies_to(modality)}
    if modality.kind == "probabilities":
        clamped = {n: c.clamp(min=SMALLEST) for n, c in found.items()}
        return {n: c / c.sum() for n, c in clamped.items()}
    return found


@dataclass
class Constant:
    """The constant of one input while it is sought.

    It is `start` + `scale` * `free`; of probabilities the softmax of log `start` + `free`; and
    depth is reflected at zero.

    Parameters
    ----------
    modality
        Which input, with its `std`.
    start
        Where the search begins, float64 (channels,).
    loss
        The loss there, and then at `best`.
    flat
        Whether the loss seems not to depend on the constant, so that there is no gradient.
    """

    modality: Modality
    start: Tensor
    loss: float
    flat: bool = False
    best: Tensor = field(init=False)
    free: Tensor = field(init=False)

    def __post_init__(self) -> None:
        assert self.modality.std is not None, "its scale is filled in"
        self.best = self.start
        std = torch.tensor(self.modality.std, dtype=torch.float64)
        self.scale = torch.where(std > 0, std, 1.0).to(self.start.device)
        self.free = torch.zeros_like(self.start, requires_grad=True)
        self._adam = torch.optim.Adam([self.free], lr=RATE)

    def value(self) -> Tensor:
        """Return where the search is, as a function of what it moves."""
        if self.modality.kind == "probabilities":
            return (self.start.log() + self.free).softmax(0)
        moved = self.start + self.scale * self.free
        return moved.abs() if self.modality.kind == "depth" else moved

    def step(self, loss: Tensor, rate: float) -> bool:
        """Go a step against the gradient; `rate` falls from one to zero. False if there is none."""
        known = loss.requires_grad
        (gradient,) = torch.autograd.grad(loss, [self.free], allow_unused=True) if known else [None]
        if gradient is None:
            return False
        if gradient.isfinite().all():  # a root or a logarithm may have none at some places
            self.free.grad = gradient
            self._adam.param_groups[0]["lr"] = RATE * rate
            self._adam.step()
        return True

    def consider(self, value: Tensor, loss: float) -> None:
        """Take a value for the best if its loss is less."""
        if loss < self.loss:
            self.best, self.loss = value.detach(), loss
