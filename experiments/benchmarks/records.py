"""Records: the CSVs of the benchmark, of which one case can be replaced, and what it ran on."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from experiments.publishing.files import write_csv

__all__ = ["describe_machine", "read_records", "replace_case"]


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
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else device,
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def _processor() -> str:
    """Return the name of the processor; Linux alone tells it fully."""
    if CPU_FACTS.exists():
        for line in CPU_FACTS.read_text(encoding="utf-8").splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name":
                return value.strip()
    return platform.processor() or platform.machine()
