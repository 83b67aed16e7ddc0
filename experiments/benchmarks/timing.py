"""Timing: all contenders of a case in turn, round after round, in one process."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping
from typing import Any

from experiments.benchmarks.cases import INFLUENCE, Case
from experiments.benchmarks.parts import parts_of
from experiments.benchmarks.rivals import captum_differences, plain_pass, setup_loop
from experiments.benchmarks.subject import SOURCES, Source, Subject, synchronise

__all__ = ["contenders", "interleave", "time_case"]

Task = Callable[[], object]


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

    Examples
    --------
    >>> [(number, key) for number, key, _, _ in interleave({"a": dict, "b": dict}, rounds=2)]
    [(0, 'a'), (0, 'b'), (1, 'b'), (1, 'a')]
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
