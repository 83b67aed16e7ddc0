"""Plan: the sites, setups, mutes and metrics of a measurement, and the runs that it needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from influence.data.derangement import random_order
from influence.errors import InfluenceError
from influence.metrics.metric import Metric
from influence.metrics.slices import Slicing
from influence.metrics.stateful import StatefulMetric
from influence.mutes.mute import Mute
from influence.mutes.registry import MUTES
from influence.network.joint_network import JointNetwork, Modality
from influence.network.programs.program import Program
from influence.network.sites import check_modules, edges_of
from influence.plan.setups import FULL, NO_MUTE, Condition, choose_setups

__all__ = [
    "Plan",
]

SEEDS = 2**63
"""The number of seeds: they are stored as integers of 64 bits with a sign."""


@dataclass(frozen=True)
class Plan:
    """The plan of a measurement: sites, setups, mutes, metrics of each output, and the seed.

    `meeting` chooses the places at which features of muted inputs are compared with clean ones:
    ``auto``, ``off`` or a module path; see `influence.engine.sharing.tapped_graph.find_places`.
    """

    sites: tuple[str, ...]
    mutes: tuple[Mute, ...]
    metrics: Mapping[str, tuple[Metric, ...]]
    seed: int = 0
    setups: str = "each"
    meeting: str = "off"
    stateful: Mapping[str, tuple[StatefulMetric, ...]] = field(default_factory=dict)
    slices: Mapping[str, tuple[Slicing, ...]] = field(default_factory=dict)

    def conditions(self, network: JointNetwork) -> list[Condition]:
        """List the inference runs: nothing muted, then each setup under each mute defined for it.

        Raises
        ------
        InfluenceError
            If a mute is defined for none of the sites.
        """
        known = {m.name: m for m in network.inputs}
        modalities = list(known)
        known |= {site: Modality(site) for site in edges_of(self.sites)}
        setups = choose_setups(self.sites, modalities, self.setups, self.seed)[1:]
        found = [Condition(NO_MUTE, FULL)]
        for mute in self.mutes:
            usable = [s for s in setups if all(mute.applies_to(known[site]) for site in s)]
            if mute.absent:  # without any input there is nothing to compute
                usable = [s for s in usable if len(s) < len(modalities)]
            if not usable:
                kinds = {site: known[site].kind for site in self.sites}
                raise InfluenceError(
                    f"mute {mute.name!r} is defined for {mute.scope}; network {network.name!r} has "
                    f"{kinds}. Defined for these: {', '.join(_defined(known, self.sites))}. What "
                    "an input holds is declared: Modality(kind='tokens')"
                )
            found += [Condition(mute.name, setup) for setup in usable]
        return found

    def check(self, network: JointNetwork, count: int | None) -> None:
        """Check that the plan can be measured on `network` and `count` samples (None for a stream).

        Raises
        ------
        InfluenceError
            If a site, mute or setup does not fit the network, there are too few samples, or the
            seed is none that files of results can hold.
        """
        if not 0 <= self.seed < SEEDS:
            raise InfluenceError(f"expected a seed from 0 to 2**63 - 1, got seed={self.seed}")
        self.conditions(network)
        program = isinstance(network.module, Program)
        if not program:
            check_modules(network, list(edges_of(self.sites).values()))
        if any(mute.absent for mute in self.mutes) and (program or network.call == "channels"):
            reason = "is an exported program" if program else "takes one tensor with all inputs"
            raise InfluenceError(
                f"mute 'absent' shows None in place of an input, and network {network.name!r} "
                f"{reason}. Measure a module that accepts None (for a file of weights, "
                "network='module:factory'), or take another mute"
            )
        if self.shuffle and count is not None:
            random_order(count, self.seed)
        elif self.shuffle not in (None, "shuffle"):
            raise InfluenceError(
                f"mute {self.shuffle!r} reads samples in an order of its own, which is "
                "impossible for a stream. Give an evaluation file, or take the mute 'shuffle'"
            )

    @property
    def shuffle(self) -> str | None:
        """The name of the first mute that takes inputs of other samples; None if there is none."""
        return next((mute.name for mute in self.mutes if "partners" in mute.needs), None)


def _defined(known: Mapping[str, Modality], sites: Iterable[str]) -> list[str]:
    """List the mutes that are defined for some of the sites and need no further facts."""
    modalities = [known[site] for site in sites]
    return [name for name, m in MUTES.items() if any(map(m.applies_to, modalities))]
