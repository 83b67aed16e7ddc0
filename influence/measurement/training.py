"""Training data: the constants of the mute `optimal` are learned on them before the measurement.

The mute replaces an input by the constant with the smallest loss of the network, one number for
each channel; see `influence.mutes.optimal`.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any, cast

from influence.data.dataset import EvaluationSet
from influence.data.source import Data, Form, open_data
from influence.errors import InfluenceError
from influence.mutes.optimal import LEARNING, learn_optimal
from influence.mutes.registry import lacking_optimal
from influence.network.joint_network import JointNetwork
from influence.plan.plan import Plan
from influence.runtime.execution import Execution, Session

__all__ = ["Constants", "learn_lacking", "note_origins", "open_training"]

Constants = dict[str, list[float]]
"""For each input its optimal constant, one number for each channel."""


def open_training(data: Data, plans: Sequence[Plan], form: Form | None = None) -> EvaluationSet:
    """Open training data, which have the form of the data, and check that a mute needs them.

    Raises
    ------
    InfluenceError
        If no mute is learned on training data.
    """
    if not any(_needs_optimal(plan) for plan in plans):
        raise InfluenceError(
            "training data are for the mute 'optimal', expected it among the mutes (or 'panel'), "
            f"got {[mute.name for mute in plans[0].mutes]}. Add it, or leave out training"
        )
    return open_data(data, form=form)


def learn_lacking(
    networks: Sequence[JointNetwork],
    plans: Sequence[Plan],
    data: EvaluationSet,
    *,
    execution: Execution,
    session: Session | None = None,
    progress: bool = False,
) -> list[Constants]:
    """Learn the constants that the mutes need and that are not in the facts of the networks.

    Parameters
    ----------
    networks, plans
        The networks, and the plan of each.
    data
        Training data.
    execution
        The device to compute on, and the number of workers that read ahead.
    session
        The processes that share the work: the first one learns the constants and broadcasts
        them. With shards they are stored, and read again when the run is resumed.
    progress
        Whether to show a progress bar.

    Raises
    ------
    InfluenceError
        As for `influence.mutes.optimal.learn_optimal`.
    """
    session = session or Session()
    lacking = [
        lacking_optimal(network, plan.sites) if _needs_optimal(plan) else []
        for network, plan in zip(networks, plans, strict=True)
    ]
    learned = session.agree(
        "optimal",
        lambda: [
            _learn(network, data, sites, execution, plans[0].seed, progress)
            for network, sites in zip(networks, lacking, strict=True)
        ],
    )
    if session.shards and not _fits(learned, lacking):
        raise InfluenceError(
            f"{session.shards.folder / 'optimal.json'}: expected the constants that an interrupted "
            f"run learned for {lacking}, got {str(learned)[:100]}. Start afresh with resume=False"
        )
    return cast(list[Constants], learned)


def _learn(
    network: JointNetwork,
    data: EvaluationSet,
    sites: Sequence[str],
    execution: Execution,
    seed: int,
    progress: bool,
) -> Constants:
    if not sites:
        return {}
    found = learn_optimal(
        network,
        data,
        sites=sites,
        seed=seed,
        execution=LEARNING(device=execution.device, workers=execution.workers),
        progress=progress,
    )
    return {site: list(constant) for site, constant in found.items()}


def _fits(learned: Any, lacking: Sequence[Sequence[str]]) -> bool:
    """Return whether the constants are finite and given for each input that lacks one."""
    try:
        constants = [constant for own in learned for constant in own.values()]
        numbers = all(len(c) and all(map(math.isfinite, c)) for c in constants)
        return numbers and [sorted(own) for own in learned] == [sorted(s) for s in lacking]
    except (TypeError, AttributeError):
        return False


def note_origins(
    network: JointNetwork, plan: Plan, learned: Collection[str], data: EvaluationSet | None
) -> list[str]:
    """Return notes on the origin of each optimal constant of a run.

    Parameters
    ----------
    network, plan
        The network and its plan.
    learned, data
        The inputs whose constant was learned, and the training data.
    """
    if not _needs_optimal(plan):
        return []
    where = f"was learned on {data.source} ({len(data)} samples)" if data is not None else ""
    return [
        f"optimal of {m.name!r} {where if m.name in learned else 'comes from the checkpoint'}"
        for m in network.inputs
        if m.name in plan.sites
    ]


def _needs_optimal(plan: Plan) -> bool:
    return any("optimal" in mute.needs for mute in plan.mutes)
