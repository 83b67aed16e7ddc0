"""influence/runtime/execution.py."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from influence.errors import InfluenceError, unknown

__all__ = [
    "AMP",
    "Execution",
    "choose_device",
]


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
        see `influence.engine.memory_format`.
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
