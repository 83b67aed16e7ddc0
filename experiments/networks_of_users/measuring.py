"""Measuring: a kind's omegas both ways, and what the measurement costs in plain passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from experiments.networks_of_users.kind import Kind, compare, count_lines
from experiments.networks_of_users.kinds import find_kind, versions
from influence.results.run_directory import Run

__all__ = ["measure_kind"]


def measure_kind(
    name: str, *, samples: int | None = None, rounds: int = 3
) -> tuple[list[dict[str, Any]], Run]:
    """Measure a kind, and compare every omega with the loop by hand.

    Parameters
    ----------
    name
        One of `experiments.networks_of_users.kinds.KINDS`.
    samples
        Another number of samples than the kind's.
    rounds
        How often measurement and plain pass are timed in turn; the least times count.

    Returns
    -------
    tuple
        One record for each omega, and the run.
    """
    kind: Kind = find_kind(name)
    network, data = kind.network(), kind.data(samples or kind.samples)
    run = kind.user_code(network, data)
    found = list(compare(kind, run, network, data))
    measured, plain = [], []
    for _ in range(rounds):
        measured.append(_seconds(lambda: kind.user_code(network, data)))
        plain.append(_seconds(lambda: kind.score(network, data, "", "")))
    about = {
        "kind": name,
        "what": kind.name,
        "library": versions(kind),
        "lines": count_lines(kind.user_code),
        "inputs": kind.inputs,
        "n": int(run.influence["n"].iloc[0]),
    }
    times = {
        "seconds": min(measured),
        "plain_seconds": min(plain),
        "cost": min(measured) / min(plain),
        "note": kind.note,
    }
    return [about | record | times for record in found], run


def _seconds(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start
