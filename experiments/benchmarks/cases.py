"""Cases: which network is measured how, beside what, and how fast it has to be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CASES", "INFLUENCE", "RIVALS", "Case"]

INFLUENCE = "influence"
RIVALS = {
    "plain pass": "one evaluation with nothing muted",
    "setup loop": "one evaluation per setup, each a pass over the data",
    "captum": "DataLoaderAttribution(FeatureAblation), all inputs in one pass",
}


@dataclass(frozen=True)
class Case:
    """One measurement, timed beside its rivals.

    Parameters
    ----------
    name, network
        Its name, and that of the network in `NETWORKS`.
    setups, mutes
        As in `influence.measure`.
    limits
        For every rival the largest ratio of our seconds to its that is good enough; None where it
        is there for comparison only.
    samples
        So many that one plain pass takes some seconds on two cores.
    """

    name: str
    network: str
    setups: Literal["each", "ends", "all"]
    limits: Mapping[str, float | None] = field(default_factory=dict)
    mutes: tuple[str, ...] = ("zero",)
    samples: int = 160


SLOWEST = 1.03
"""No network may take longer than the loop by more than 3%."""

PANEL = ("zero", "mean", "uniform", "shuffle", "noise", "optimal")

CASES = {
    case.name: case
    for case in (
        Case(
            "late fusion",
            "late-fusion",
            "ends",
            {"plain pass": 1.35, "setup loop": SLOWEST, "captum": 0.5},
            samples=384,
        ),
        Case(
            "late fusion, three mutes",
            "late-fusion",
            "ends",
            {"plain pass": 1.6},
            mutes=("zero", "mean", "uniform"),
            samples=384,
        ),
        Case(
            "late fusion, shuffle",
            "late-fusion",
            "ends",
            {"plain pass": None},
            mutes=("shuffle",),
            samples=384,
        ),
        Case(
            "late fusion, panel",
            "late-fusion",
            "each",
            {"plain pass": None},
            mutes=PANEL,
            samples=384,
        ),
        Case(
            "three inputs",
            "three-inputs",
            "all",
            {"plain pass": 1.8, "setup loop": SLOWEST, "captum": None},
            samples=128,
        ),
        Case(
            "cross-attention",
            "cross-attention",
            "ends",
            {"plain pass": None, "setup loop": SLOWEST, "captum": None},
            samples=96,
        ),
        Case(
            "JRN Sum60",
            "jrn-sum60",
            "each",
            {"plain pass": None, "setup loop": 0.85, "captum": None},
        ),
        Case(
            "JRN Sum60, panel",
            "jrn-sum60",
            "each",
            {"plain pass": None},
            mutes=PANEL,
        ),
        Case(
            "JRN Cat60",
            "jrn-cat60",
            "each",
            {"plain pass": None, "setup loop": SLOWEST, "captum": None},
            samples=96,
        ),
    )
}
"""The cases by name."""
