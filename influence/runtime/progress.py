"""Progress: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

__all__ = ["progress_bar"]

LINES = 10
"""Without a terminal, a line is printed about this many times."""

SECONDS = 30.0
"""If the number of samples is not known, a line is printed about this often."""


@contextmanager
def progress_bar(total: int | None, *, show: bool = True) -> Iterator[Callable[[int], None]]:
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
        yield lambda _samples: None
    elif sys.stderr.isatty():
        with tqdm(total=total, unit="sample", dynamic_ncols=True) as bar:
            yield lambda samples: (bar.update(samples), None)[1]
    else:
        lines = _Lines(total)
        yield lines.advance


class _Lines:
    def __init__(self, total: int | None) -> None:
        self.total, self.done, self.printed = total, 0, 0
        self.start = time.monotonic()

    def advance(self, samples: int) -> None:
        self.done += samples
        elapsed = time.monotonic() - self.start
        if self.total is None:
            line = int(elapsed / SECONDS)
        else:
            line = self.done * LINES // max(self.total, 1)
        if line > self.printed:
            self.printed = line
            meter = tqdm.format_meter(self.done, self.total or 0, elapsed, unit="sample", ncols=80)
            print(meter, file=sys.stderr, flush=True)
