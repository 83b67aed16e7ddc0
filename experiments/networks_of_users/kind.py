"""Kinds: a network and data as a user has them, the user's call, and omega by hand."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from influence.results.run_directory import Run

__all__ = ["Kind", "Score", "compare", "count_lines", "cut"]

Score = Mapping[tuple[str, str], float]
"""(output, metric) -> its value, greater where it is better: errors are negative."""


@dataclass(frozen=True)
class Kind:
    """A kind of network that somebody has, and two ways to its omega.

    Parameters
    ----------
    name
        What it is, in a few words.
    libraries
        The distributions that its user needs beside torch and this library.
    network
        Makes the trained network: weights from a seed, or a file.
    data
        Number of samples -> the data as the user has them.
    user_code
        What the user writes: (network, data) -> the run.
    score
        The loop by hand: (network, data, source, mute) -> the scores with this source muted; with
        nothing muted if the source is empty. It knows nothing of this library.
    inputs
        What the network takes, in words.
    samples
        The number of samples in the report.
    note
        What is special about it.
    """

    name: str
    libraries: tuple[str, ...]
    network: Callable[[], Any]
    data: Callable[[int], Any]
    user_code: Callable[[Any, Any], Run]
    score: Callable[[Any, Any, str, str], Score]
    inputs: str
    samples: int
    note: str = ""


def cut(samples: int, batch: int) -> list[range]:
    """Cut samples into batches; the last one may be smaller.

    >>> cut(5, 2)
    [range(0, 2), range(2, 4), range(4, 5)]
    """
    return [range(i, min(i + batch, samples)) for i in range(0, samples, batch)]


def compare(kind: Kind, run: Run, network: Any, data: Any) -> Iterator[dict[str, Any]]:
    """Yield one record for each omega of a run: as measured, by hand, and their difference.

    Mutes that draw random numbers are left out: a loop by hand would draw others.
    """
    found = run.influence[run.influence["level"] == "all"]
    full = kind.score(network, data, "", "")
    for (source, mute), rows in found.groupby(["source", "mute"], sort=False):
        if mute in ("shuffle", "noise"):
            continue
        muted = kind.score(network, data, str(source), str(mute))
        for row in rows.to_dict("records"):
            key = (row["target"], row["metric"])
            by_hand = full[key] - muted[key]
            yield {
                "source": source,
                "mute": mute,
                "output": key[0],
                "metric": key[1],
                "omega": row["omega"],
                "by_hand": by_hand,
                "difference": abs(row["omega"] - by_hand),
            }


def count_lines(function: Callable[..., Any]) -> int:
    """Count the lines of a function without its head, its docstring, comments and blank lines.

    >>> def two(x):
    ...     '''Say what.'''
    ...     y = x + 1  # a comment at the end counts as code
    ...     return y
    >>> count_lines(two)
    2
    """
    source = textwrap.dedent(inspect.getsource(function))
    tree = ast.parse(source).body[0]
    assert isinstance(tree, ast.FunctionDef), "user code is a function"
    body = tree.body
    if isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]
    first = min([body[0].lineno, *(d.lineno for d in getattr(body[0], "decorator_list", ()))])
    lines = source.splitlines()[first - 1 : body[-1].end_lineno]
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)
