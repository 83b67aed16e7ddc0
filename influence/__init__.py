"""Measure how much each input of a trained joint network helps each of its outputs.

>>> sorted(__all__)[:3]
['InfluenceError', 'JointNetwork', 'Modality']
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from influence.checkpoints import export_checkpoint, load_checkpoint
    from influence.errors import InfluenceError
    from influence.evaluation_file import write_evaluation_file
    from influence.measurement import measure
    from influence.metrics.decorator import metric
    from influence.network import JointNetwork, Modality, Output
    from influence.optimal import learn_optimal, with_optimal
    from influence.results import Run, read_run

__all__ = [
    "InfluenceError",
    "JointNetwork",
    "Modality",
    "Output",
    "Run",
    "export_checkpoint",
    "learn_optimal",
    "load_checkpoint",
    "measure",
    "metric",
    "read_run",
    "with_optimal",
    "write_evaluation_file",
]

_HOMES = {
    "InfluenceError": "errors",
    "JointNetwork": "network",
    "Modality": "network",
    "Output": "network",
    "Run": "results",
    "export_checkpoint": "checkpoints",
    "learn_optimal": "optimal",
    "load_checkpoint": "checkpoints",
    "measure": "measurement",
    "metric": "metrics.decorator",
    "read_run": "results",
    "with_optimal": "optimal",
    "write_evaluation_file": "evaluation_file",
}


def __getattr__(name: str) -> Any:
    # Lazy (PEP 562), so that `influence --help` imports neither torch nor matplotlib.
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
