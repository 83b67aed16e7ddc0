"""Data sources: what a user may give as data, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import Any, Literal, overload

from influence.batch_stream import BatchStream
from influence.errors import InfluenceError
from influence.evaluation_file import EvaluationFile
from influence.evaluation_set import EvaluationSet, MemorySet

__all__ = ["Data", "open_data"]

Data = str | PathLike[str] | EvaluationSet | Iterable[Any]
"""The path of an evaluation file, a set, or batches (inputs, targets)."""


@overload
def open_data(data: Data, *, stream: Literal[False] = ...) -> EvaluationSet: ...
@overload
def open_data(data: Data, *, stream: bool) -> EvaluationSet | BatchStream: ...
def open_data(data: Data, *, stream: bool = False) -> EvaluationSet | BatchStream:
    """Return an evaluation set from a path, a set, or an iterable of batches (inputs, targets).

    An iterable is collected in memory, or left as it is for `stream`.

    Raises
    ------
    InfluenceError
        If the data are of no known form.

    Examples
    --------
    >>> import torch
    >>> len(open_data([({"x": torch.zeros(2, 3)}, {"y": torch.zeros(2)})]))
    2
    """
    if isinstance(data, (str, PathLike)):
        return EvaluationFile(data)
    if all(hasattr(data, name) for name in ("ids", "inputs", "targets", "__getitem__")):
        return data  # type: ignore[return-value]
    if not isinstance(data, Iterable):
        raise InfluenceError(
            "expected the path of an evaluation file or an iterable of batches (inputs, targets), "
            f"got {type(data).__name__}"
        )
    return BatchStream(data) if stream else MemorySet.collect(data)
