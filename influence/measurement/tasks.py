"""Tasks: each network with its plan, made from the arguments of `influence.measure`."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from influence.analysis.interactions import explain_games
from influence.analysis.omega import Subject
from influence.data.dataset import DataFacts, EvaluationSet
from influence.errors import InfluenceError
from influence.measurement.training import Constants, note_origins
from influence.metrics.registry import Wanted, expand_sets, match_metrics
from influence.metrics.slices import match_slices, parse_levels
from influence.mutes.moments import lacking_moments
from influence.mutes.mute import Mute
from influence.mutes.optimal import with_optimal
from influence.mutes.registry import choose_mutes
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of, select_sites
from influence.plan.plan import Plan
from influence.plan.setups import coalition_setups

__all__ = ["Request", "Task", "make_tasks"]


@dataclass(frozen=True)
class Request:
    """What is measured of every network: arguments of `influence.measure`, with the same names."""

    metrics: Mapping[str, Sequence[Wanted]] | None = None
    levels: str | Sequence[str] = ()
    mutes: Sequence[str | Mute] | None = None
    sites: Sequence[str] | None = None
    setups: str = "each"
    meeting: str = "auto"
    interactions: bool = False
    seed: int = 0


@dataclass(frozen=True)
class Task:
    """A network and the plan by which it is measured.

    Parameters
    ----------
    key
        The name of its results: the network's name, with the seed if several share a name.
    network, plan
        The network, and its sites, mutes and metrics.
    notes
        Messages for the user.
    """

    key: str
    network: JointNetwork
    plan: Plan
    notes: tuple[str, ...] = ()

    def with_notes(self, notes: Sequence[str]) -> Task:
        """Return the same task with additional notes, without repetitions."""
        return replace(self, notes=tuple(dict.fromkeys([*self.notes, *notes])))

    def with_constants(self, learned: Constants, training: EvaluationSet | None) -> Task:
        """Return the same task with the optimal constants learned on training data."""
        network = with_optimal(self.network, learned) if learned else self.network
        notes = note_origins(self.network, self.plan, learned, training)
        return replace(self, network=network).with_notes(notes)

    def subject(self, data: DataFacts) -> Subject:
        """Return the names, units and classes with which the network's results are tabulated."""
        outputs = [output for output in self.network.outputs if output.name in data.targets]
        return Subject(
            network=self.network.name,
            seed=self.network.seed,
            dataset=data.name,
            modalities=(*(m.name for m in self.network.inputs), *edges_of(self.plan.sites)),
            metrics=self.plan.metrics,
            stateful=self.plan.stateful,
            classes={o.name: o.classes or data.targets[o.name].classes for o in outputs},
            units={name: field.unit for name, field in data.targets.items()},
            missing={m.name: m.missing for m in self.network.inputs if m.missing},
            checkpoint_sha256=self.network.sha256,
        )


def make_tasks(
    networks: Sequence[JointNetwork],
    data: DataFacts,
    request: Request,
    *,
    count: int | None,
    training: bool = False,
) -> list[Task]:
    """Make a task for each network, by looking up the names in a request.

    Parameters
    ----------
    networks
        The networks; no two have the same name and seed.
    data, count
        The data, and the number of samples that are used; `None` for a stream.
    request
        What is measured of every network.
    training
        Whether training data are given, from which constants can be learned.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not fit together, or a plan cannot be measured.
    """
    divisions = parse_levels(request.levels).divisions
    tasks = []
    for key, network in zip(_keys(networks), networks, strict=True):
        network = with_kinds(network, data)
        sites = select_sites(request.sites, network.inputs)
        wanted = expand_sets(network, data, request.metrics)
        metrics, stateful = match_metrics(network, data, wanted)
        mutes, left_out = choose_mutes(request.mutes, network, sites, training=training)
        if count is None and request.mutes is None:
            mutes, lacking = _without_moments(mutes, network, data, sites)
            left_out += lacking
        coalitions = request.interactions and request.setups != "all"
        plan = Plan(
            sites=tuple(sites),
            mutes=mutes,
            metrics=metrics,
            stateful=stateful,
            slices=match_slices(network, data, divisions, list(metrics)),
            seed=request.seed,
            setups=coalition_setups(sites) if coalitions else request.setups,
            meeting=request.meeting,
        )
        plan.check(network, count)
        games: Sequence[str] = ()
        if request.interactions:
            games = explain_games(plan.conditions(network), sites, request.seed)
        tasks.append(Task(key, network, plan, (*left_out, *games)))
    return tasks


def _without_moments(
    mutes: Sequence[Mute], network: JointNetwork, data: DataFacts, sites: Sequence[str]
) -> tuple[tuple[Mute, ...], tuple[str, ...]]:
    """Leave out the mutes that need moments which a stream, read once, cannot give.

    If none is left, all stay, and a later error says what is missing.
    """
    lacking = {mute.name: lacking_moments(network, data, [mute], sites) for mute in mutes}
    kept = tuple(mute for mute in mutes if not lacking[mute.name])
    notes = [
        f"mute {name!r} was left out: a stream cannot be read twice to find the {name} of "
        f"{', '.join(map(repr, found))}. Give it in the network's facts: Modality({name}=...)"
        for name, found in lacking.items()
        if found
    ]
    return (kept, tuple(notes)) if kept else (tuple(mutes), ())


def with_kinds(network: JointNetwork, data: DataFacts) -> JointNetwork:
    """Return a network that knows which of its inputs hold integers or texts in the data.

    No mean is defined for them, so mutes must know. A kind that was declared stays.
    """
    found = []
    for modality in network.inputs:
        field = data.inputs.get(network.layout.tensor_of(network.layout.of(modality.name)[0]))
        kind = modality.kind
        if field is not None and kind == "other":
            kind = "text" if field.texts else "integers" if field.holds_labels else kind
        found.append(replace(modality, kind=kind))
    known = copy.copy(network)
    known.inputs = tuple(found)
    return known


def _keys(networks: Sequence[JointNetwork]) -> list[str]:
    """Return a key for each network: its name, with the seed if several share a name."""
    if not networks:
        raise InfluenceError("expected one network or more to measure, got none")
    names = [n.name for n in networks]
    keys = [n.name if names.count(n.name) == 1 else f"{n.name}-seed{n.seed}" for n in networks]
    if len(set(keys)) < len(keys):
        twice = next(k for k in keys if keys.count(k) > 1)
        raise InfluenceError(
            f"two networks are called {twice!r}: their rows in the tables would be mixed up. "
            "Give them other names or seeds in their facts, or name each checkpoint once"
        )
    return keys
