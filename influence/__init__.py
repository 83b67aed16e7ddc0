"""Measure how much each input of a trained joint network helps each of its outputs.

>>> sorted(__all__)[:3]
['Checkpointing', 'Execution', 'InfluenceError']
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence.data.evaluation_writer import write_evaluation_file
    from influence.errors import InfluenceError
    from influence.measurement.pipeline import Checkpointing, measure
    from influence.metrics.decorator import metric
    from influence.mutes.mute import mute
    from influence.mutes.optimal import learn_optimal, with_optimal
    from influence.network.checkpoints import export_checkpoint, load_checkpoint
    from influence.network.joint_network import JointNetwork, Modality, Output
    from influence.results.run_directory import Run, read_run
    from influence.runtime.execution import Execution
    from influence.statistics.bootstrap import Resampling

__all__ = [
    "Checkpointing",
    "Execution",
    "InfluenceError",
    "JointNetwork",
    "Modality",
    "Output",
    "Resampling",
    "Run",
    "export_checkpoint",
    "learn_optimal",
    "load_checkpoint",
    "measure",
    "metric",
    "mute",
    "read_run",
    "with_optimal",
    "write_evaluation_file",
]

_HOMES = {
    "Checkpointing": "measurement.pipeline",
    "Execution": "runtime.execution",
    "InfluenceError": "errors",
    "JointNetwork": "network.joint_network",
    "Modality": "network.joint_network",
    "Output": "network.joint_network",
    "Resampling": "statistics.bootstrap",
    "Run": "results.run_directory",
    "export_checkpoint": "network.checkpoints",
    "learn_optimal": "mutes.optimal",
    "load_checkpoint": "network.checkpoints",
    "measure": "measurement.pipeline",
    "metric": "metrics.decorator",
    "mute": "mutes.mute",
    "read_run": "results.run_directory",
    "with_optimal": "mutes.optimal",
    "write_evaluation_file": "data.evaluation_writer",
}


_RENAMED: dict[str, str] = {}
"""Old public name -> new one: the old one works for one version, with a warning."""


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562), so that `influence --help` imports neither torch nor matplotlib.
    if name in _RENAMED:
        new = _RENAMED[name]
        warnings.warn(
            f"influence.{name} is now influence.{new}; the old name will be removed in the next "
            "version",
            DeprecationWarning,
            stacklevel=2,
        )
        name = new
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
