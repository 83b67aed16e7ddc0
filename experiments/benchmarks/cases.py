"""Cases: which network is measured how, beside what, and how fast it has to be; and their records.

The records are the CSVs of the benchmark, of which one case can be replaced, and what it ran on.
"""

from __future__ import annotations

import os
import platform
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from experiments.publishing.files import write_csv

__all__ = [
    "CASES",
    "INFLUENCE",
    "RIVALS",
    "Case",
    "describe_machine",
    "processor",
    "read_records",
    "replace_case",
]

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
        So many that one plain pass takes some seconds on two cores; of tables, a tenth of one.
    batch_size
        The number of samples that are run together.
    """

    name: str
    network: str
    setups: Literal["each", "ends", "all"]
    limits: Mapping[str, float | None] = field(default_factory=dict)
    mutes: tuple[str, ...] = ("zero",)
    samples: int = 160
    batch_size: int = 16


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


def replace_case(path: Path, case: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Write the records of a case into a CSV, in the place of its earlier ones."""
    new = pd.DataFrame(records)
    earlier = read_records(path)
    if earlier is not None:
        new = pd.concat([earlier[earlier["case"] != case], new], ignore_index=True)
    write_csv(new, path)


def read_records(path: Path) -> pd.DataFrame | None:
    """Read a CSV; None if there is none."""
    return pd.read_csv(path) if path.exists() else None


PACKAGES = ("torch", "numpy", "torchmetrics", "captum")
CPU_FACTS = Path("/proc/cpuinfo")


def describe_machine(case: str, device: str) -> dict[str, Any]:
    """Return processor, cores, threads, device and versions."""
    import torch

    return {
        "case": case,
        "cpu": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def processor() -> str:
    """Return the name of the processor; Linux alone tells it fully."""
    if CPU_FACTS.exists():
        for line in CPU_FACTS.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
