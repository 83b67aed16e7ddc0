"""Data sources: what a user may give as data, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike
from typing import Any, Literal, overload

from numpy.typing import NDArray

from influence.data.dataset import EvaluationSet, MemorySet
from influence.data.evaluation_file import EvaluationFile
from influence.data.stream import BatchStream
from influence.errors import InfluenceError

__all__ = [
    "Data",
    "check_limit",
    "find_groups",
    "name_groups",
    "open_data",
    "reopen",
    "sample_count",
]


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


def sample_count(data: EvaluationSet, limit: int | None = None) -> int:
    """Return the number of samples to use: all, or the first `limit`; see `check_limit`."""
    check_limit(limit)
    return len(data) if limit is None else min(len(data), limit)


def check_limit(limit: int | None) -> None:
    """Raise InfluenceError if a limit is below one sample."""
    if limit is not None and limit < 1:
        raise InfluenceError(f"expected a limit of one sample or more, got {limit}")


def reopen(data: Any, opened: EvaluationSet | BatchStream) -> EvaluationSet | BatchStream:
    """Return data to read once before they are measured: the set, or the stream from its start.

    Raises
    ------
    InfluenceError
        If `data`, from which a stream was opened, are an iterator, which is read only once.
    """
    if not isinstance(opened, BatchStream):
        return opened
    if isinstance(data, Iterator):
        raise InfluenceError(
            f"an expected score needs a pass of its own, and {opened.source} is a "
            f"{type(data).__name__}, which can be read only once. Give an iterable that starts "
            "again, such as a list or a data loader, or leave the expectation out"
        )
    return BatchStream(data)


def find_groups(data: EvaluationSet | BatchStream, count: int | None, *, stream: bool) -> list[str]:
    """Return the levels of the groups of the first samples.

    Raises
    ------
    InfluenceError
        If the samples have no groups, or are streamed: that keeps no rows.
    """
    if stream or isinstance(data, BatchStream):
        raise InfluenceError(
            "results by group need the rows of every sample, and a stream keeps none. Leave out "
            "the level 'group', or measure without streaming"
        )
    if data.groups is None:
        raise InfluenceError(
            f"{data.source} says of no sample to which group it belongs. Leave out the level "
            "'group', or write the file with groups=..."
        )
    return name_groups(data.groups[:count])


def name_groups(labels: NDArray[Any]) -> list[str]:
    """Return the levels of groups in the order of their numbers in `Rows`.

    Parameters
    ----------
    labels
        One a sample.

    Examples
    --------
    >>> name_groups(np.array(["kitchen", "bath", "kitchen"]))
    ['group:kitchen', 'group:bath']
    """
    texts = [x.decode() if isinstance(x, bytes) else str(x) for x in labels.tolist()]
    return [f"group:{text}" for text in dict.fromkeys(texts)]
