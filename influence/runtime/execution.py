"""Execution: the device, batches and processes with which networks are run, and its progress."""

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

MOST_WORKERS = 1024

LINES = 10
"""The approximate number of lines of progress that are printed without a terminal."""

SECONDS = 30.0
"""The time between lines of progress if the number of samples is unknown."""


@dataclass(frozen=True)
class Execution:
    """How networks are run. Except for `amp`, results change only by floating-point noise.

    Parameters
    ----------
    device
        A name such as ``cpu`` or ``cuda:1``; ``auto`` is CUDA if it is available.
    batch_size
        The number of samples that are run together; by default 16, and more of small samples.
    workers
        The number of processes that read data ahead; with 0 this process reads them itself.
    amp
        Automatic mixed precision: ``off``, ``bf16`` or ``fp16``.
    share
        Whether work that several setups have in common is done only once.
    compile
        Whether to apply `torch.compile`, which takes minutes and is worth it only for long runs.
    channels_last
        Whether maps are stored with their channels last; `None` chooses by the network, see
        `influence.engine.forward.suits_channels_last`.

    Raises
    ------
    InfluenceError
        If a number is out of range, or the precision is unknown.
    """

    device: str = "auto"
    batch_size: int | None = None
    workers: int = 0
    amp: str = "off"
    share: bool = True
    compile: bool = False
    channels_last: bool | None = None

    def __post_init__(self) -> None:
        if (self.batch_size is not None and self.batch_size < 1) or self.workers < 0:
            raise InfluenceError(
                "expected a batch size of 1 or more and 0 or more workers, got "
                f"{self.batch_size} and {self.workers}"
            )
        if self.workers > MOST_WORKERS:
            raise InfluenceError(
                f"expected at most {MOST_WORKERS} workers, got {self.workers}: each is a process "
                "of its own. Give about as many as there are processor cores"
            )
        if self.amp not in AMP:
            raise unknown("precision", self.amp, AMP)


@dataclass(frozen=True)
class Session:
    """The processes that share a run, the store of its finished batches, and its progress bar.

    Parameters
    ----------
    processes
        The processes that share the work; by default only this one.
    shards
        The store to which rows of finished batches are written, and from which a resumed run
        reads them. It is required for several processes, unless running sums are kept.
    advance
        Called with the number of samples that were just finished, for a progress bar.
    """

    processes: Processes = field(default_factory=Processes)
    shards: ShardStore | None = None
    advance: Callable[[int], object] | None = None

    def agree(self, name: str, compute: Callable[[], Any]) -> Any:
        """Compute a value in the first process, unless it is stored, and return it in all of them.

        Parameters
        ----------
        name
            The name under which the value is stored with the shards, for a resumed run.
        compute
            Returns the value, which must be serialisable as JSON.
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
    """Return the device with a given name; ``auto`` is CUDA if it is available.

    >>> choose_device("cpu")
    device(type='cpu')
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
        # Metrics need float64, which not all devices support.
        torch.ones(1, dtype=torch.float64, device=device).cpu()
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise InfluenceError(f"device {name!r} cannot be used here: {reason}") from error
    return device


@contextmanager
def progress_bar(total: int | None, *, show: bool = True) -> Iterator[Callable[[int], object]]:
    """Show the progress of a measurement, as a bar on a terminal or as printed lines.

    Parameters
    ----------
    total
        The number of samples; `None` if it is unknown.
    show
        Whether to show progress.

    Yields
    ------
    Callable
        A function to call with the number of samples finished since its last call.

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
