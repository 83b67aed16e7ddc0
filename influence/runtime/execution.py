"""How networks are run: on which device, in which batches, and by which processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import torch

from influence.errors import InfluenceError, unknown
from influence.runtime.processes import Processes
from influence.runtime.shards import ShardStore

__all__ = [
    "AMP",
    "Execution",
    "Session",
    "choose_device",
]


@dataclass(frozen=True)
class Execution:
    """How networks are run. Nothing here changes a result beyond floating-point noise, but `amp`.

    Parameters
    ----------
    device
        Such as ``cpu`` or ``cuda:1``; ``auto`` is CUDA if it is available.
    batch_size
        How many samples are run together.
    workers
        How many processes read data ahead; 0 reads in this process.
    amp
        Automatic mixed precision: ``off``, ``bf16`` or ``fp16``.
    share
        Whether what several setups have in common is computed only once.
    compile
        Whether `torch.compile` is applied, which takes minutes and pays off on long runs.
    channels_last
        Whether maps are stored with their channels last; `None` chooses what suits the network, see
        `influence.engine.forward.suits_channels_last`.

    Raises
    ------
    InfluenceError
        If a number is out of range, or the precision is unknown.
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


@dataclass(frozen=True)
class Session:
    """The processes that share a run, where its finished batches are kept, and its progress bar.

    Parameters
    ----------
    processes
        The processes that share the work; one alone by default.
    shards
        Where the rows of finished batches are kept, and taken from on a resumed run. Several
        processes need them, unless running sums are kept.
    advance
        Called with the number of samples that were finished, for a progress bar.
    """

    processes: Processes = field(default_factory=Processes)
    shards: ShardStore | None = None
    advance: Callable[[int], object] | None = None

    def report(self, samples: int) -> None:
        """Advance the progress bar of the first process."""
        if self.advance and self.processes.first:
            self.advance(samples)


AMP: dict[str, torch.dtype | None] = {
    "off": None,
    "bf16": torch.bfloat16,
    "fp16": torch.float16,
}
"""The precisions of automatic mixed precision by name."""


def choose_device(name: str) -> torch.device:
    """Return the device of that name; ``auto`` is CUDA if it is available.

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
