"""Scores by torchmetrics: what a user would score the networks of the benchmark with."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torchmetrics import (
    MeanAbsoluteError,
    MeanAbsolutePercentageError,
    MeanMetric,
    MeanSquaredError,
    Metric,
)
from torchmetrics.classification import MulticlassAccuracy, MulticlassJaccardIndex

from influence.network.joint_network import JointNetwork

__all__ = ["DEPTH", "METRICS_OF", "Scores", "depth_arguments", "metrics_of"]

DEPTH: Mapping[str, Callable[[], Metric]] = {
    "abs_rel": MeanAbsolutePercentageError,
    "sqr_rel": MeanMetric,
    "log10": MeanAbsoluteError,
    "rms": lambda: MeanSquaredError(squared=False),
    "rms_log": lambda: MeanSquaredError(squared=False),
    "delta_1": MeanMetric,
    "delta_2": MeanMetric,
    "delta_3": MeanMetric,
}
"""The metrics of Table I of arXiv 1702.08009, each as the metric of torchmetrics that gives it."""

METRICS_OF: Mapping[str, tuple[str, ...]] = {
    "depth": tuple(DEPTH),
    "probabilities": ("mean_iou", "pixel_accuracy"),
    "logits": ("accuracy",),
    "other": ("mse", "mae"),
}
"""What an output of each kind is scored with, here and in `influence`."""

SMALLEST_DEPTH = 1e-3
"""Metres; `influence` clamps to it before it scores, and so do the rivals."""


def metrics_of(network: JointNetwork) -> dict[str, tuple[str, ...]]:
    """Return the names of the metrics of each output, as `influence.measure` takes them."""
    return {output.name: METRICS_OF[output.kind] for output in network.outputs}


class Scores:
    """The metrics of every output, updated batch by batch.

    Written with care for speed: labels are picked, and pixels without truth left out, once for all
    metrics of an output; nothing is validated.
    """

    def __init__(self, network: JointNetwork, device: torch.device | str = "cpu") -> None:
        self.kinds = {output.name: output.kind for output in network.outputs}
        self.metrics: dict[tuple[str, str], Metric] = {
            (output.name, name): _metric(name, len(output.classes)).to(device)
            for output in network.outputs
            for name in METRICS_OF[output.kind]
        }

    def update(self, outputs: Mapping[str, Tensor], targets: Mapping[str, Tensor]) -> None:
        """Add a batch."""
        for output, kind in self.kinds.items():
            arguments = _arguments(kind, outputs[output], targets[output])
            for name in METRICS_OF[kind]:
                self.metrics[output, name].update(*arguments[name])

    def compute(self) -> dict[tuple[str, str], float]:
        """Return the value of every metric, by output and name."""
        return {key: float(metric.compute()) for key, metric in self.metrics.items()}


def _metric(name: str, classes: int) -> Metric:
    if name in DEPTH:
        return DEPTH[name]()
    if name == "mean_iou":
        return MulticlassJaccardIndex(classes, ignore_index=-1, validate_args=False)
    if name in ("accuracy", "pixel_accuracy"):
        return MulticlassAccuracy(classes, average="micro", ignore_index=-1, validate_args=False)
    return MeanSquaredError() if name == "mse" else MeanAbsoluteError()


def _arguments(kind: str, values: Tensor, target: Tensor) -> Mapping[str, tuple[Tensor, ...]]:
    """Return what the metrics of an output of this kind are updated with, by name."""
    if kind == "depth":
        valid = target > 0  # not where it is NaN
        return depth_arguments(values[:, 0][valid], target[valid])
    if kind in ("probabilities", "logits"):
        values = values.argmax(dim=1)
    return dict.fromkeys(METRICS_OF[kind], (values, target))


def depth_arguments(guess: Tensor, truth: Tensor) -> dict[str, tuple[Tensor, ...]]:
    """Return what each metric of `DEPTH` is updated with, for valid depths in metres."""
    guess = guess.clamp(min=SMALLEST_DEPTH)
    logs = guess.log(), truth.log()
    worst = torch.maximum(guess / truth, truth / guess)
    return {
        "abs_rel": (guess, truth),
        "sqr_rel": ((guess - truth).square() / truth,),
        "log10": (guess.log10(), truth.log10()),
        "rms": (guess, truth),
        "rms_log": logs,
        **{f"delta_{i}": ((worst < 1.25**i).float(),) for i in (1, 2, 3)},
    }
