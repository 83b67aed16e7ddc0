"""Cases: which network is measured how, beside what, and how fast it has to be."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
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


def _read_cases(path: Path) -> dict[str, Case]:
    """Read the cases by name; a rival without a limit is there for comparison only."""
    cases = {}
    for name, fields in tomllib.loads(path.read_text(encoding="utf-8")).items():
        limits = {rival: fields.get("limits", {}).get(rival) for rival in fields["rivals"]}
        options = {key: x for key, x in fields.items() if key not in ("rivals", "limits", "mutes")}
        mutes = tuple(fields.get("mutes", ["zero"]))
        cases[name] = Case(name=name, limits=limits, mutes=mutes, **options)
    return cases


CASES = _read_cases(Path(__file__).with_name("cases.toml"))
"""The cases by name."""
