"""Timing: all contenders of a case in turn, the parts of a measurement by themselves, and FLOPs.

A forward pass over all samples is the least that any measurement needs: the limit.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks.cases import INFLUENCE, Case
from experiments.benchmarks.rivals import captum_differences, plain_pass, setup_loop
from experiments.benchmarks.scores import metrics_of
from experiments.benchmarks.subject import SOURCES, Source, Subject, synchronise
from influence.data.evaluation_file import EvaluationFile
from influence.data.loader import load_batches
from influence.engine.forward import lay_out, suits_channels_last, with_layout
from influence.engine.sharing.costs import count_costs
from influence.engine.sharing.shared_forward import SharedForward, share
from influence.metrics.metric import Prediction
from influence.metrics.registry import find_metrics
from influence.mutes.batch_inputs import BatchInputs
from influence.mutes.registry import parse_mutes
from influence.plan.plan import Plan
from influence.plan.setups import Condition

__all__ = ["conditions_of", "contenders", "count_flops", "interleave", "time_case"]

Task = Callable[[], object]


def parts_of(case: Case, subject: Subject, source: Source) -> dict[str, Task]:
    """Return by name what there is to time on data from one source.

    `forward`: the network on every batch. `shared`: the network under all conditions, the shared
    path, predictions dropped. `metrics`: statistics of all conditions, of predictions at hand.
    `reading`: every batch read and stacked. Only the last depends on the source.
    """
    reading: dict[str, Task] = {"reading": lambda: _reading(subject, source)}
    if source == "file":
        return reading
    return reading | {
        "forward": lambda: _forward(subject),
        "shared": _shared(case, subject),
        "metrics": _metrics(case, subject),
    }


def conditions_of(case: Case, subject: Subject) -> list[Condition]:
    """List the inference runs of a case, the full one first."""
    sites = tuple(modality.name for modality in subject.network.inputs)
    plan = Plan(sites, tuple(parse_mutes(case.mutes)), {}, setups=case.setups)
    return plan.conditions(subject.network)


def _on_device(tensors: dict[str, Tensor], device: str) -> dict[str, Tensor]:
    return {name: x.to(device) for name, x in tensors.items()}


@torch.inference_mode()
def _forward(subject: Subject) -> None:
    for inputs, _ in subject.memory:
        subject.network(_on_device(inputs, subject.device))


def _reading(subject: Subject, source: Source) -> None:
    data = subject.opened(source)
    order = np.arange(len(data))
    batches = [order[i : i + subject.batch_size] for i in order[:: subject.batch_size]]
    for _ in load_batches(data, batches):
        pass


def shared_path(case: Case, subject: Subject) -> tuple[SharedForward, Callable[..., BatchInputs]]:
    """Return the shared path of a case, and what turns the inputs of a batch into its signals."""
    conditions = conditions_of(case, subject)
    modalities = {modality.name: modality for modality in subject.network.inputs}
    mutes = {mute.name: mute for mute in parse_mutes(case.mutes)}
    module = subject.checkpoint.module
    layout = suits_channels_last(module, torch.device(subject.device), mixed=False)
    lay_out(module, channels_last=layout)

    def signals(inputs: dict[str, Tensor]) -> BatchInputs:
        count = len(next(iter(inputs.values())))
        moved = _on_device({name: inputs[name] for name in modalities}, subject.device)
        clean = {name: with_layout(x, channels_last=layout) for name, x in moved.items()}
        following = {name: x[:1] for name, x in clean.items()}
        return BatchInputs(clean, np.arange(count), modalities, mutes, following)

    path = share(subject.checkpoint, signals(subject.memory[0][0]).head(2), conditions)
    return path, signals


def _shared(case: Case, subject: Subject) -> Task:
    path, signals = shared_path(case, subject)

    @torch.inference_mode()
    def run() -> None:
        for inputs, _ in subject.memory:
            for _ in path(signals(inputs)):
                pass

    return run


def _metrics(case: Case, subject: Subject) -> Task:
    """Score the first batch as often as there are conditions and batches."""
    times = len(conditions_of(case, subject)) * len(subject.memory)
    fields = EvaluationFile(subject.path).targets
    inputs, targets = (_on_device(part, subject.device) for part in subject.memory[0])
    with torch.inference_mode():
        found = subject.network(inputs)
    predictions = {
        output.name: Prediction(found[output.name], targets[output.name], output,
                                fields[output.name])
        for output in subject.network.outputs
    }  # fmt: skip
    statistics = {
        (output, metric.statistic.name): metric.statistic
        for output, names in metrics_of(subject.network).items()
        for metric in find_metrics(names)
    }

    @torch.inference_mode()
    def run() -> None:
        for _ in range(times):
            for (output, _), statistic in statistics.items():
                statistic.update(predictions[output])

    return run


@torch.no_grad()  # under inference mode operators are taken apart while they are counted
def count_flops(case: Case, subject: Subject) -> list[dict[str, Any]]:
    """Count the FLOPs of convolutions, products and attention over the whole data set.

    Returns
    -------
    list of dict
        Of `plain`, one forward pass; of `each setup by itself`; of `shared`, the path that
        `influence` takes, with what it computes once for the whole set; of `least possible`,
        the sum over the nodes of the graph of their distinct restrictions; and, with several mutes,
        of `bound`: the plain pass, and for each input one muted pass for all constant mutes
        together and one for each other mute.
    """
    plain = shared = 0
    path, signals = shared_path(case, subject)
    for inputs, _ in subject.memory:
        given = {name: x.to(subject.device) for name, x in inputs.items()}
        with FlopCounterMode(display=False) as counter:
            subject.network(given)
        plain += counter.get_total_flops()
        with FlopCounterMode(display=False) as counter:
            for _ in path(signals(inputs)):
                pass
        shared += counter.get_total_flops()
    costs = count_costs(
        subject.checkpoint, signals(subject.memory[0][0]).head(2), conditions_of(case, subject)
    )
    _, _, least = costs.of_run(sum(len(next(iter(i.values()))) for i, _ in subject.memory))
    found = {
        "plain": plain,
        "each setup by itself": plain * len(conditions_of(case, subject)),
        "shared": shared,
        "least possible": least,
    }
    if len(case.mutes) > 1:
        varying = sum(not mute.constant for mute in parse_mutes(case.mutes))
        found["bound"] = plain * (1 + (1 + varying) * len(subject.network.inputs))
    return [
        {"case": case.name, "what": name, "flops": count, "of_plain": round(count / plain, 4)}
        for name, count in found.items()
    ]


def contenders(case: Case, subject: Subject, source: Source) -> dict[str, Task]:
    """Return by name what is timed on data from one source: ours, the rivals, the parts."""
    network, device = subject.network, subject.device
    rivals: Mapping[str, Task] = {
        "plain pass": lambda: plain_pass(network, subject.feed(source), device),
        "setup loop": lambda: setup_loop(
            network, subject.feed(source), setups=case.setups, mutes=case.mutes, device=device
        ),
        "captum": lambda: captum_differences(network, subject.feed(source), device),
    }

    def ours() -> object:
        return subject.measure(source, setups=case.setups, mutes=list(case.mutes)).info["seconds"]

    return {
        INFLUENCE: ours,
        **{name: rivals[name] for name in case.limits},
        **parts_of(case, subject, source),
    }


def time_case(
    case: Case, subject: Subject, rounds: int, report: Callable[[str], None] = lambda _: None
) -> list[dict[str, Any]]:
    """Time all contenders on data from memory and from a file.

    Returns
    -------
    list of dict
        One record a round, source and contender. For ours, `statistics` holds the part of the
        seconds that went into intervals and tables, `evaluate` that into reading and running;
        what is left went into opening the data.
    """
    tasks = {
        (source, name): task
        for source in SOURCES
        for name, task in contenders(case, subject, source).items()
    }
    return [
        {
            "case": case.name,
            "network": subject.network.name,
            "source": source,
            "contender": name,
            "round": number,
            "seconds": round(seconds, 4),
            "evaluate": result["evaluate"] if name == INFLUENCE else None,
            "statistics": result["statistics"] if name == INFLUENCE else 0.0,
            "n": subject.samples,
            "resolution": subject.resolution,
            "batch_size": subject.batch_size,
        }
        for number, (source, name), seconds, result in interleave(
            tasks, rounds, device=subject.device, report=report
        )
    ]


def interleave(
    tasks: Mapping[Any, Task],
    rounds: int,
    *,
    device: str = "cpu",
    report: Callable[[str], None] = lambda _: None,
) -> list[tuple[int, Any, float, Any]]:
    """Run tasks in turn, round after round, each round starting with another one.

    Returns
    -------
    list of (int, key, float, object)
        Round, task, seconds, what the task returned.
    """
    found = []
    for number in range(rounds):
        keys = list(tasks)
        place = number % len(keys)
        for key in keys[place:] + keys[:place]:
            gc.collect()
            synchronise(device)
            start = time.perf_counter()
            result = tasks[key]()
            synchronise(device)
            found.append((number, key, time.perf_counter() - start, result))
            report(f"round {number + 1} of {rounds}: {key}: {found[-1][2]:.2f} s")
    return found
