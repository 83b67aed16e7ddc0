"""Plan and execution: what is measured, and how it is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from influence.edges import edges_of
from influence.errors import InfluenceError, unknown
from influence.hooks import check_modules
from influence.metrics import Metric, Scorer
from influence.muting import Mute, cyclic_order
from influence.network import JointNetwork, Modality
from influence.programs.program import Program
from influence.rows import NO_MUTE, Condition
from influence.setups import FULL, choose_setups
from influence.slices import Slicing

__all__ = ["AMP", "Execution", "Plan", "choose_device"]


@dataclass(frozen=True)
class Plan:
    """What is measured: the sites, the setups, the mutes, the metrics of each output, the seed.

    `meeting` says where the distance of muted inputs from the data is measured: ``auto``, ``off``
    or the path of a module; see `influence.sharing.points.find_places`.
    """

    sites: tuple[str, ...]
    mutes: tuple[Mute, ...]
    metrics: Mapping[str, tuple[Metric, ...]]
    seed: int = 0
    setups: str = "each"
    meeting: str = "off"
    scorers: Mapping[str, tuple[Scorer, ...]] = field(default_factory=dict)
    slices: Mapping[str, tuple[Slicing, ...]] = field(default_factory=dict)

    def conditions(self, network: JointNetwork) -> list[Condition]:
        """List the inference runs: full, then each setup under each mute defined for its sites.

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
                    f"{kinds}"
                )
            found += [Condition(mute.name, setup) for setup in usable]
        return found

    def check(self, network: JointNetwork, count: int | None) -> None:
        """Raise InfluenceError if this cannot be measured on so many samples."""
        self.conditions(network)
        if not isinstance(network.module, Program):
            check_modules(network, list(edges_of(self.sites).values()))
        program = isinstance(network.module, Program)
        if any(mute.absent for mute in self.mutes) and (program or network.call == "channels"):
            reason = "is an exported program" if program else "takes one tensor with all inputs"
            raise InfluenceError(
                f"mute 'absent' shows None in place of an input, and network {network.name!r} "
                f"{reason}. Measure a module that accepts None (for a file of weights, --network "
                "module:factory), or take another mute"
            )
        if self.shuffle and count is not None:
            cyclic_order(count, self.seed)
        elif self.shuffle not in (None, "shuffle"):
            raise InfluenceError(
                f"mute {self.shuffle!r} reads samples in an order of its own, which a stream has "
                "not. Give an evaluation file, or take the mute 'shuffle'"
            )

    @property
    def shuffle(self) -> str | None:
        """The mute that needs another sample's input, if there is one."""
        return next((mute.name for mute in self.mutes if "partners" in mute.needs), None)


@dataclass(frozen=True)
class Execution:
    """How it is computed; none of this changes a result beyond floating-point noise.

    `amp` is the exception: ``bf16`` or ``fp16`` runs the network in mixed precision.

    Parameters
    ----------
    device
        Such as ``cpu`` or ``cuda:1``; ``auto`` is CUDA where there is one.
    batch_size, workers
        Samples that are run together, and processes that read ahead.
    amp
        ``off``, ``bf16`` or ``fp16``.
    share
        Whether conditions share the work that they have in common.
    compile
        Whether `torch.compile` is applied, which takes minutes and pays on long runs.
    channels_last
        Whether maps are kept with their channels last; by default where that suits the network,
        see `influence.layout`.
    """

    device: str = "auto"
    batch_size: int = 16
    workers: int = 0
    amp: str = "off"
    share: bool = True
    compile: bool = False
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.workers < 0:
            raise InfluenceError(
                "expected a batch size of 1 or more and 0 or more workers, got "
                f"{self.batch_size} and {self.workers}"
            )
        if self.amp not in AMP:
            raise unknown("precision", self.amp, AMP)


AMP: dict[str, torch.dtype | None] = {
    "off": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""The precisions by name."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA where there is one.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # Metrics need float64, which not every kind of device has.
        torch.ones(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InfluenceError(f"device {name!r} cannot be used here: {reason}") from error
    return device
