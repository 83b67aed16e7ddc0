"""Tasks: what is measured of each network, made of the arguments of `influence.measure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from influence.analysis.interactions import explain_games
from influence.analysis.omega import Subject
from influence.data.dataset import DataFacts, EvaluationSet
from influence.errors import InfluenceError
from influence.measurement.training import Constants, tell_origins
from influence.metrics.matching import expand_sets, match_metrics, match_stateful
from influence.metrics.registry import Wanted
from influence.metrics.slices import Division, match_slices
from influence.mutes.optimal import with_optimal
from influence.mutes.registry import choose_mutes
from influence.network.joint_network import JointNetwork
from influence.network.sites import edges_of, select_sites
from influence.plan.plan import Plan
from influence.plan.setups import coalition_setups

__all__ = ["Task", "make_tasks"]


@dataclass(frozen=True)
class Task:
    """One network, and what is measured of it.

    Parameters
    ----------
    key
        What its results are called: its name, with the seed where several share a name.
    network, plan
        What is run, and how it is muted and scored.
    notes
        What its user has to know, as far as it is known.
    """

    key: str
    network: JointNetwork
    plan: Plan
    notes: tuple[str, ...] = ()

    def noted(self, notes: Sequence[str]) -> Task:
        """Return the same task with further notes."""
        return replace(self, notes=(*self.notes, *notes))

    def informed(self, learned: Constants, training: EvaluationSet | None) -> Task:
        """Return the same task with the optimal constants that were learned, told of in notes."""
        network = with_optimal(self.network, learned) if learned else self.network
        notes = tell_origins(self.network, self.plan, learned, training)
        return replace(self, network=network).noted(notes)

    def told(self) -> list[str]:
        """Return the notes, each once."""
        return list(dict.fromkeys(self.notes))

    def subject(self, data: DataFacts) -> Subject:
        """Say what the results of the network on some data are about."""
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
    *,
    count: int | None,
    metrics: Mapping[str, Sequence[Wanted]] | None,
    divisions: Sequence[Division],
    mutes: Sequence[str],
    sites: Sequence[str] | None,
    setups: str,
    meeting: str,
    interactions: bool,
    training: bool,
    seed: int,
) -> list[Task]:
    """Look up what the arguments of `influence.measure` name, for each network.

    Parameters
    ----------
    networks
        With names, or names and seeds, that differ.
    data, count
        On what they are measured, and on how many samples; `None` for a stream.
    metrics, mutes, sites, setups, meeting, interactions, seed
        As for `influence.measure`.
    divisions
        By what the places of its levels are divided.
    training
        Whether there are training data.

    Raises
    ------
    InfluenceError
        If names, shapes or labels do not fit together, or this cannot be measured.
    """
    tasks = []
    for key, network in zip(_keys(networks), networks, strict=True):
        own = select_sites(sites, [m.name for m in network.inputs])
        wanted = expand_sets(network, data, metrics)
        matched = match_metrics(network, data, wanted)
        chosen, left_out = choose_mutes(mutes, network, own, training=training)
        plan = Plan(
            sites=tuple(own),
            mutes=chosen,
            metrics=matched,
            stateful=match_stateful(wanted),
            slices=match_slices(network, data, divisions, list(matched)),
            seed=seed,
            setups=coalition_setups(own) if interactions and setups != "all" else setups,
            meeting=meeting,
        )
        plan.check(network, count)
        games = explain_games(plan.conditions(network), own, seed) if interactions else []
        tasks.append(Task(key, network, plan, (*left_out, *games)))
    return tasks


def _keys(networks: Sequence[JointNetwork]) -> list[str]:
    """Name each network's rows: by its name, with the seed where several share a name."""
    if not networks:
        raise InfluenceError("expected one network or more to measure, got none")
    names = [n.name for n in networks]
    keys = [n.name if names.count(n.name) == 1 else f"{n.name}-seed{n.seed}" for n in networks]
    if len(set(keys)) < len(keys):
        twice = next(k for k in keys if keys.count(k) > 1)
        raise InfluenceError(
            f"two networks are called {twice!r}: rows in the tables could not be told apart. "
            "Give them other names or seeds in their facts, or name each checkpoint once"
        )
    return keys
