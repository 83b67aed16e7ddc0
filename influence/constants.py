"""Constants: what may stand in the place of an input, and how it is moved towards less loss."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from influence.evaluation_set import Field
from influence.muting import MUTES, Signal
from influence.network import Modality

__all__ = ["Constant", "list_candidates"]

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
