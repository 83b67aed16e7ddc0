"""FLOPs: of one evaluation, of a measurement, and the least that its graph allows."""

from __future__ import annotations

from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from experiments.benchmarks.cases import Case
from experiments.benchmarks.parts import conditions_of, shared_path
from experiments.benchmarks.subject import Subject
from influence.engine.sharing.costs import count_costs
from influence.mutes.registry import parse_mutes

__all__ = ["count_flops"]


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
