"""Intervals: 2,000 paired draws of ours beside BootStrapper of torchmetrics.

BootStrapper scores the drawn samples anew for every draw. It runs a few draws here, twice as many
to see that its cost is linear in them, and is then scaled.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassJaccardIndex
from torchmetrics.wrappers import BootStrapper

from experiments.benchmarks.cases import INFLUENCE
from experiments.benchmarks.networks import jrn
from experiments.benchmarks.rivals import TOLERANCE, setups_of, values_of
from experiments.benchmarks.scores import DEPTH, depth_arguments
from experiments.benchmarks.subject import Subject, prepared
from experiments.benchmarks.timing import interleave
from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from models.jrn import JRNConfig

__all__ = ["BOOTSTRAPPER", "CASE", "bootstrapped", "metric_arguments", "time_intervals"]

CASE = "intervals"
BOOTSTRAPPER = "BootStrapper"
SAMPLES, CLASSES = 654, 40  # the test images of NYU-Depth v2, and its classes
HEIGHT, WIDTH = 30, 40  # the fewer pixels, the less BootStrapper has to do
DRAWS, FEW = 2000, 20

Arguments = dict[tuple[str, str], tuple[Tensor, ...]]


def forty_classes(height: int = HEIGHT, width: int = WIDTH, classes: int = CLASSES) -> JointNetwork:
    """Build a network of depth and many classes."""
    return jrn(JRNConfig(classes=classes), "forty-classes", height, width)


def time_intervals(
    rounds: int,
    *,
    network: JointNetwork | None = None,
    samples: int = SAMPLES,
    draws: int = DRAWS,
    few: int = FEW,
    report: Callable[[str], None] = lambda _: None,
) -> list[dict[str, Any]]:
    """Time both on the same predictions, on the CPU.

    Ours: everything that `measure` does once the network has run, which is more than intervals.
    Theirs: the score of every setup by itself, mean IoU and eight depth metrics; they are not
    paired, and predictions are at hand.

    Returns
    -------
    list of dict
        One record a round and contender, `seconds` for `draws`.
    """
    with prepared(network or forty_classes(), samples=samples, unlabelled=0.0) as subject:
        arguments = metric_arguments(subject)
        _check(subject, arguments)

        def ours() -> float:
            info = subject.measure("memory", mutes=["zero"], draws=draws).info
            return float(info["seconds"]["statistics"])

        tasks: dict[tuple[str, int], Callable[[], object]] = {(INFLUENCE, draws): ours}
        for count in (few, 2 * few):
            tasks[BOOTSTRAPPER, count] = lambda count=count: bootstrapped(arguments, count)  # type: ignore[misc]
        return [
            {
                "case": CASE,
                "contender": name,
                "draws": count,
                "round": number,
                "seconds": round(result if name == INFLUENCE else seconds, 4),
                "wanted_draws": draws,
                "n": samples,
                "resolution": subject.resolution,
                "classes": len(subject.network.outputs[1].classes),
            }
            for number, (name, count), seconds, result in interleave(tasks, rounds, report=report)
        ]


@torch.inference_mode()
def metric_arguments(subject: Subject) -> Arguments:
    """Return what each metric is updated with, by setup and metric: all samples at once."""
    names = [modality.name for modality in subject.network.inputs]
    inputs, targets = (
        {name: torch.cat([batch[part][name] for batch in subject.memory]) for name in names}
        for part in (0, 1)
    )
    found: Arguments = {}
    for setup in setups_of(names, "each"):
        shown = {n: torch.zeros_like(x) if n in setup else x for n, x in inputs.items()}
        parts = [
            subject.network({n: x[i : i + subject.batch_size] for n, x in shown.items()})
            for i in range(0, subject.samples, subject.batch_size)
        ]
        present = "+".join(n for n in names if n not in setup)
        labels = torch.cat([part["semantic"].argmax(dim=1) for part in parts])
        found[present, "mean_iou"] = labels, targets["semantic"]
        depth = torch.cat([part["depth"][:, 0] for part in parts])
        for metric, given in depth_arguments(depth, targets["depth"]).items():
            found[present, metric] = given
    return found


def bootstrapped(arguments: Arguments, draws: int, classes: int = CLASSES) -> dict[Any, Tensor]:
    """Return the 95% interval of every score, by BootStrapper."""
    intervals = {}
    for (setup, metric), given in arguments.items():
        wrapped = BootStrapper(
            _metric(metric, classes),
            num_bootstraps=draws,
            mean=False,
            std=False,
            quantile=torch.tensor([0.025, 0.975]),
            sampling_strategy="multinomial",  # of all samples, so a bootstrap as ours
        )
        wrapped.update(*given)
        intervals[setup, metric] = wrapped.compute()["quantile"]
    return intervals


def _metric(name: str, classes: int) -> Metric:
    if name == "mean_iou":
        return MulticlassJaccardIndex(classes, validate_args=False)
    return DEPTH[name]()


def _check(subject: Subject, arguments: Arguments) -> None:
    """Both resample the same scores."""
    run = subject.measure("memory", mutes=["zero"], draws=10)
    ours = {(setup, metric): x for (_, setup, _, metric), x in values_of(run).items()}
    for (setup, name), given in arguments.items():
        metric = _metric(name, len(subject.network.outputs[1].classes))
        metric.update(*given)
        gap = abs(float(metric.compute()) - ours[setup, name])
        if not gap <= TOLERANCE:
            raise InfluenceError(
                f"{CASE}: {name} with {setup} present differs by {gap}, expected at most "
                f"{TOLERANCE}"
            )
