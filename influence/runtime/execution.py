"""How networks are run: on which device, in which batches, by which processes; and progress."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from tqdm import tqdm

from influence.errors import InfluenceError, unknown
from influence.runtime.processes import Processes
from influence.runtime.shards import ShardStore

__all__ = [
    "AMP",
    "Execution",
    "Session",
    "choose_device",
    "progress_bar",
]

LINES = 10
"""Without a terminal, a line of progress is printed about this many times."""

SECONDS = 30.0
"""If the number of samples is not known, a line of progress is printed about this often."""


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

    def agree(self, name: str, compute: Callable[[], Any]) -> Any:
        """Return in all processes what the first one computes, or an interrupted run has stored.

        Parameters
        ----------
        name
            The name under which it is stored with the shards.
        compute
            Returns something that can be written as JSON.
        """
        found = self.shards.load_json(name) if self.shards else None
        if found is None and self.processes.first:
            found = compute()
        found = self.processes.broadcast(found)
        if self.shards and self.processes.first:
            self.shards.save_json(name, found)
        return found

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


@contextmanager
def progress_bar(total: int | None, *, show: bool = True) -> Iterator[Callable[[int], object]]:
    """Show the progress of a measurement: a bar on a terminal, lines elsewhere.

    Parameters
    ----------
    total
        The number of samples, `None` if it is not known.
    show
        Whether to show anything.

    Yields
    ------
    Callable
        A function that takes the number of samples that were finished since its last call.

    Examples
    --------
    >>> with progress_bar(10, show=False) as advance:
    ...     advance(10)
    """
    if not show:
        yield lambda samples: None
    elif sys.stderr.isatty():
        with tqdm(total=total, unit="sample", dynamic_ncols=True) as bar:
            yield bar.update
    else:
        yield _line_printer(total)


def _line_printer(total: int | None) -> Callable[[int], None]:
    start, done, printed = time.monotonic(), 0, 0

    def advance(samples: int) -> None:
        nonlocal done, printed
        done += samples
        elapsed = time.monotonic() - start
        line = int(elapsed / SECONDS) if total is None else done * LINES // max(total, 1)
        if line > printed:
            printed = line
            meter = tqdm.format_meter(done, total or 0, elapsed, unit="sample", ncols=80)
            print(meter, file=sys.stderr, flush=True)

    return advance
