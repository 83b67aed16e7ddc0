"""Memory: how much of it there is, asked before something large is made."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from influence.errors import InfluenceError

__all__ = ["available_memory", "check_address_space", "in_gigabytes"]

TORCH = 750_000_000
"""Bytes of addresses that torch and the libraries beside it map when they are loaded."""

USUAL = 8 * 2**30
"""Bytes that are assumed where the system does not tell."""

GROUPS = (
    ("/sys/fs/cgroup/memory.max", "memory.current", ""),
    ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
)
"""For both versions of control groups, the file with the limit of a container, that beside it with
what it uses, and how the names of its parts begin."""

CACHED = ("inactive_file", "active_file")
"""Copies of what is on the disk, which the system drops when memory is needed."""


def available_memory() -> int:
    """Return how many bytes this process can still take, without what others would lose.

    >>> available_memory() > 0
    True
    """
    found = [_of_machine(), *_of_container(), *_of_process()]
    return max(0, min(found, default=USUAL))


def check_address_space() -> None:
    """Check that the process may map enough memory to load torch.

    With less, torch ends the process by a signal, or waits for ever.

    Raises
    ------
    InfluenceError
        If its limit is too low (``ulimit -v``).
    """
    left = min(_of_process(), default=TORCH)
    if left < TORCH:
        raise InfluenceError(
            f"expected at least {in_gigabytes(TORCH)} of memory to load torch, and the limit of "
            f"this process leaves {in_gigabytes(left)}. Raise the limit (ulimit -v)"
        )


def in_gigabytes(size: float) -> str:
    """Return a number of bytes for readers.

    >>> in_gigabytes(3 * 10**9)
    '3 GB'
    """
    return f"{size / 1e9:.3g} GB"


def _of_machine() -> int:
    with suppress(OSError, ValueError, IndexError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    with suppress(OSError, ValueError, AttributeError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return USUAL


def _of_container() -> list[int]:
    found = []
    for limit, used, prefix in GROUPS:
        with suppress(OSError, ValueError):  # no group, or the word max
            left = int(Path(limit).read_text()) - int(Path(limit).with_name(used).read_text())
            stat = Path(limit).with_name("memory.stat").read_text()
            parts = dict(map(str.split, stat.splitlines()))
            found.append(left + sum(int(parts.get(prefix + name, 0)) for name in CACHED))
    return found


def _of_process() -> list[int]:
    with suppress(ImportError, OSError, ValueError, IndexError):
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            pages = int(Path("/proc/self/statm").read_text().split()[0])
            return [limit - pages * resource.getpagesize()]
    return []
