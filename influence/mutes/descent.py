"""Descent: constants that replace inputs are moved by gradient descent to reduce the loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, DataFacts, EvaluationSet, Field
from influence.data.loader import load_batches
from influence.errors import InfluenceError
from influence.metrics.metric import Prediction
from influence.metrics.registry import METRICS, match_metrics
from influence.mutes.mute import SiteTensor, expand_channels
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork, Modality, Output
from influence.runtime.values import cast

__all__ = ["Constant", "Descent", "choose_loss", "find_outputs", "list_candidates", "sum_loss"]

CHECKS = 5
"""The number of times that constants are compared with the best so far, in one descent."""

NEGLIGIBLE = 1e-9
"""A loss below this fraction of the loss under the worst constant is not used as a scale."""

RATE = 0.1
"""The initial step of Adam, in standard deviations of the input or in logits; it falls to zero."""

SMALLEST = 1e-6
"""The smallest probability in a constant, before its probabilities are normalised."""

COLUMNS = {"cross_entropy": (0, 1), "depth_rms": (5, 0), "mse": (1, 0)}
"""For each metric the columns of its statistic with the sum of the loss and the pixel count."""

Replacement = tuple[str, Tensor] | None
"""An input with the constant that replaces it; `None` if nothing is muted."""


def choose_loss(output: Output, target: Field) -> str:
    """Choose the metric from whose statistic the loss of an output is computed.

    The loss is a mean over pixels: cross entropy for labels, squared error for values. For depth it
    is that of `depth_rms`, which leaves out pixels whose true depth is not positive.

    >>> choose_loss(Output("y", "logits"), Field((), integer=True))
    'cross_entropy'
    """
    if output.kind == "depth":
        return "depth_rms"
    return "cross_entropy" if target.holds_labels else "mse"


def sum_loss(prediction: Prediction) -> Tensor:
    """Compute the sum of the loss of an output and the number of pixels, float64 (2,).

    The sum is differentiable.
    """
    metric = choose_loss(prediction.output, prediction.field)
    rows = METRICS[metric].statistic.update(prediction)
    return rows[:, list(COLUMNS[metric])].sum(0)


def find_outputs(network: JointNetwork, data: DataFacts) -> dict[str, Output]:
    """Return the outputs for which a data set holds ground truth, by name.

    Raises
    ------
    InfluenceError
        If there is no such output, or network and data do not fit together.
    """
    outputs = {o.name: o for o in network.outputs if o.name in data.targets}
    if not outputs:
        raise InfluenceError(
            f"network {network.name!r} predicts {[o.name for o in network.outputs]}, but "
            f"{data.source} holds ground truth for {sorted(data.targets)}. Rename one or the other"
        )
    wanted = {name: [choose_loss(o, data.targets[name])] for name, o in outputs.items()}
    match_metrics(network, data, wanted)
    return outputs


@dataclass
class Descent:
    """The search for constants of a network's inputs that minimise its loss on training data.

    Parameters
    ----------
    network
        In evaluation mode, on `device`.
    data, outputs
        Training data, and the outputs for which they hold ground truth.
    held
        Batches of the indices of the samples on which constants are compared.
    device, workers
        The device to compute on, and the number of processes that read ahead.
    """

    network: JointNetwork
    data: EvaluationSet
    outputs: Mapping[str, Output]
    held: Sequence[NDArray[np.int64]]
    device: torch.device
    workers: int = 0
    scales: dict[str, float] = field(default_factory=dict, init=False)

    def begin(self, facts: Sequence[Modality]) -> list[Constant]:
        """Choose the initial constant of each input, and set the scales of the losses.

        An input starts at its best candidate. The loss of each output is divided by its loss with
        nothing muted, or, if this is nearly zero, by its loss under the worst candidate.

        Parameters
        ----------
        facts
            The inputs, with mean and standard deviation.

        Raises
        ------
        InfluenceError
            If the network returns NaN or infinity.
        """
        candidates = {
            m.name: {n: c.to(self.device) for n, c in list_candidates(m, self._field(m)).items()}
            for m in facts
        }
        flat = [(site, c) for site, found in candidates.items() for c in found.values()]
        full, *muted = self._compare([None, *flat])
        self.scales = {name: _scale(loss, [m[name] for m in muted]) for name, loss in full.items()}
        if not np.isfinite(list(full.values())).all():
            raise InfluenceError(
                f"network {self.network.name!r} returned NaN or infinity for some of "
                f"{self.data.source}: with nothing muted its losses are {full}. Look for NaN in "
                "the inputs"
            )
        totals = iter([self._total(losses) for losses in muted])
        return [self._best(m, [(next(totals), n, c) for n, c in candidates[m.name].items()])
                for m in facts]  # fmt: skip

    def _field(self, modality: Modality) -> Field:
        """Return how an input is stored: its first tensor, or the part of it that is the input."""
        layout = self.network.layout
        leaf = layout.of(modality.name)[0]
        field = self.data.inputs[layout.tensor_of(leaf)]
        if layout.is_part(leaf) and modality.slice is not None and modality.slice[0] == 1:
            assert modality.mean is not None, "an input comes with its moments"
            return replace(field, shape=(len(modality.mean), *field.shape[1:]))
        return field

    def _best(self, modality: Modality, tried: Sequence[tuple[float, str, Tensor]]) -> Constant:
        names = [name for _, name, _ in tried]
        loss, _, start = min(tried, key=lambda one: np.nan_to_num(one[0], nan=np.inf))
        if not np.isfinite(loss):
            raise InfluenceError(
                f"network {self.network.name!r} returned NaN or infinity on {self.data.source} "
                f"when {modality.name!r} was replaced by each of {', '.join(names)}"
            )
        return Constant(modality, start, loss, flat=len({total for total, *_ in tried}) == 1)

    def run(
        self,
        constants: Sequence[Constant],
        batches: Sequence[NDArray[np.int64]],
        advance: Callable[[int], object],
    ) -> None:
        """Move each constant separately, one step per batch, and keep the best value of each.

        Parameters
        ----------
        constants
            Constants from `begin`; changed in place.
        batches
            Indices of the samples of each step.
        advance
            Called after each step with the number of its samples.

        Raises
        ------
        InfluenceError
            If an input on which the outputs depend has no gradient.
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
        means = {n: total / pixels.clamp(min=1) for n, (total, pixels) in sums.items()}
        loss = torch.stack([mean / self.scales[n] for n, mean in means.items()]).sum()
        if not constant.step(loss, rate) and not constant.flat:
            raise InfluenceError(
                f"network {self.network.name!r}: no gradient reaches the input {name!r}, though "
                "the outputs depend on it. Take out of the forward pass what stops gradients, such "
                "as no_grad, detach or rounding"
            )

    def _check(self, constants: Sequence[Constant]) -> None:
        with torch.no_grad():
            tried = [(constant.modality.name, constant.value()) for constant in constants]
        losses = self._compare(tried)
        for constant, (_, value), loss in zip(constants, tried, losses, strict=True):
            constant.consider(value, self._total(loss))

    def _compare(self, replacements: Sequence[Replacement]) -> list[dict[str, float]]:
        """Return the mean losses on the held samples under each replacement, in one pass."""
        sums: list[dict[str, Tensor]] = [{} for _ in replacements]
        with torch.no_grad():
            for batch in load_batches(self.data, self.held, workers=self.workers):
                for total, replacement in zip(sums, replacements, strict=True):
                    for name, found in self._sums(batch, replacement).items():
                        total[name] = total.get(name, 0.0) + found
        return [
            {name: (loss / pixels.clamp(min=1)).item() for name, (loss, pixels) in total.items()}
            for total in sums
        ]

    def _sums(self, batch: Batch, replacement: Replacement) -> dict[str, Tensor]:
        leaves = self.network.split(batch.shown)
        inputs = {n: cast(x, self.device, self.network.dtype) for n, x in leaves.items()}
        if replacement:
            site, constant = replacement
            leaf, *_ = self.network.layout.of(site)
            # A copy, because a network may call view() on its input or change it in place.
            inputs[leaf] = expand_channels(constant.to(inputs[leaf].dtype), inputs[leaf]).clone()
        predicted = self.network(inputs)
        sums = {}
        for name, output in self.outputs.items():
            values, target = predicted[name], cast(batch.targets[name], self.device, None)
            values = values if values.is_floating_point() else values.double()
            sums[name] = sum_loss(Prediction(values, target, output, self.data.targets[name]))
        return sums

    def _total(self, losses: Mapping[str, float]) -> float:
        return sum(loss / self.scales[name] for name, loss in losses.items())


def _scale(full: float, muted: Sequence[float]) -> float:
    worst = max((loss for loss in muted if np.isfinite(loss)), default=0.0)
    return full if full > NEGLIGIBLE * worst else worst or 1.0


def list_candidates(modality: Modality, data: Field) -> dict[str, Tensor]:
    """Return the constants with which mutes replace an input: name -> float64 (channels,).

    A constant for probabilities must be a distribution, so zero is not a candidate for them.

    >>> facts = Modality("x", "probabilities", mean=(0.25, 0.75))
    >>> {name: c.tolist() for name, c in list_candidates(facts, Field((2,), False)).items()}
    {'mean': [0.25, 0.75], 'uniform': [0.5, 0.5]}
    """
    like = torch.zeros(1, *(data.shape or (1,))[:1], dtype=torch.float64)
    site = SiteTensor(like, modality, np.zeros(1, dtype=np.int64))
    names = ["mean", "uniform"] if modality.kind == "probabilities" else ["zero", "mean", "uniform"]
    found = {n: MUTES[n].replace(site)[0] for n in names if MUTES[n].applies_to(modality)}
    if modality.kind == "probabilities":
        clamped = {n: c.clamp(min=SMALLEST) for n, c in found.items()}
        return {n: c / c.sum() for n, c in clamped.items()}
    return found


@dataclass
class Constant:
    """The constant of one input during the search.

    The optimised variable is `free`, float64 (channels,), initially zero. The constant is `start`
    + std * `free`; for depth its absolute value, so that it is not negative; for probabilities
    softmax(log `start` + `free`), so that it is a distribution.

    Parameters
    ----------
    modality
        The facts of the input, with `std`.
    start
        The initial constant, float64 (channels,).
    loss
        The loss at `start`; later the loss at `best`, the best constant so far.
    flat
        Whether all candidates have the same loss, so that no gradient is expected.
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
        """Compute the current constant as a function of `free`, float64 (channels,)."""
        if self.modality.kind == "probabilities":
            return (self.start.log() + self.free).softmax(0)
        moved = self.start + self.scale * self.free
        return moved.abs() if self.modality.kind == "depth" else moved

    def step(self, loss: Tensor, rate: float) -> bool:
        """Take one step of Adam, with a step size that decreases as `rate` falls from one to zero.

        Returns
        -------
        bool
            Whether `loss` has a gradient with respect to `free`.
        """
        known = loss.requires_grad
        (gradient,) = torch.autograd.grad(loss, [self.free], allow_unused=True) if known else [None]
        if gradient is None:
            return False
        if gradient.isfinite().all():  # that of a root or a logarithm may be infinite
            self.free.grad = gradient
            self._adam.param_groups[0]["lr"] = RATE * rate
            self._adam.step()
        return True

    def consider(self, value: Tensor, loss: float) -> None:
        """Keep a value as the best one if its loss is smaller."""
        if loss < self.loss:
            self.best, self.loss = value.detach(), loss
