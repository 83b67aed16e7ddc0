"""Machine: what a benchmark ran on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

__all__ = ["describe_machine"]

PACKAGES = ("torch", "numpy", "torchmetrics", "captum")
CPU_FACTS = Path("/proc/cpuinfo")


def describe_machine(case: str, device: str) -> dict[str, Any]:
    """Return processor, cores, threads, device and versions."""
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
