"""The one exception that the library raises for a user's mistake."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["InfluenceError", "unknown"]


class InfluenceError(Exception):
    """A file, a network or an argument is not what it has to be.

    The message says what was expected, what came and what to do. The command line prints it
    without a traceback and ends with exit code 1.
    """


def unknown(what: str, name: str, known: Iterable[str]) -> InfluenceError:
    """Build the error for a name that is not in a registry, with the nearest known names.

    >>> print(unknown("metric", "mean_iuo", ["mean_iou", "rms"]))
    unknown metric 'mean_iuo': did you mean 'mean_iou'? Known: mean_iou, rms
    """
    known = sorted(known)
    near = get_close_matches(name, known, n=2)
    hint = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
    return InfluenceError(f"unknown {what} {name!r}: {hint}Known: {', '.join(known) or 'none'}")
