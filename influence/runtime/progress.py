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
