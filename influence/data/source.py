"""Sources: what can be given as data, and batches that are read once as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from os import PathLike
from typing import Any, Literal, overload

import numpy as np
from torch import Tensor

from influence.data.dataset import Batch, EvaluationSet, Field, MemorySet, check_batch, floating
from influence.data.evaluation_file import EvaluationFile
from influence.errors import InfluenceError, unknown

__all__ = [
    "BatchStream",
    "Data",
    "check_limit",
    "find_groups",
    "open_data",
    "reopen",
    "sample_count",
]

Data = str | PathLike[str] | EvaluationSet | Iterable[Any]
"""The path of an evaluation file, a data set, or batches ``(inputs, targets)``."""

FACTS = ("ids", "groups")
"""The facts about samples that a batch of a stream may have."""


class BatchStream:
    """The batches of an iterable, which is read once: without length and random access.

    Only one batch at a time is kept. Labels below zero and values that are NaN mean 'no ground
    truth'. The sizes of maps may change from batch to batch, and batches without samples are
    skipped.

    Parameters
    ----------
    batches
        Yields ``(inputs, targets)``, mappings of tensors with samples first, or ``(inputs, targets,
        facts)``, where `facts` may hold ``ids`` and ``groups``, one a sample. The default id of a
        sample is its index in the stream. Groups are given in all batches or in none. The tensors
        of a batch must not be overwritten to make the next one.
    name
        The name of the data in tables.

    Raises
    ------
    InfluenceError
        If there is no batch, or the first is not of that form.

    Examples
    --------
    >>> import torch
    >>> stream = BatchStream(({"x": torch.ones(2, 3)}, {"y": torch.zeros(2)}) for _ in range(5))
    >>> sum(len(batch) for batch in stream)
    10
    """

    source = "the stream of batches"
    sha256 = ""

    def __init__(self, batches: Iterable[Any], *, name: str = "data") -> None:
        self.name = name
        self._rest = iter(batches)
        self._first = next(self._rest, None)
        if self._first is None:
            raise InfluenceError("the stream yielded no batch, expected one or more")
        parts, facts = _split_facts(self._first)
        self.inputs, self.targets = (
            {n: Field(tuple(x.shape[1:]), not x.is_floating_point()) for n, x in part.items()}
            for part in check_batch(parts, 0)
        )
        self._grouped = facts.get("groups") is not None

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; they can be read once."""
        if self._first is None:
            raise InfluenceError("the stream was read before, and can be read only once")
        first, self._first = self._first, None
        start = 0
        for number, item in enumerate(chain([first], self._rest)):
            batch = self._read(item, number, start)
            first = None
            if len(batch):
                start += len(batch)
                yield batch
        if not start:
            raise InfluenceError("the stream yielded no sample, expected one or more")

    def _read(self, item: Any, number: int, start: int) -> Batch:
        parts, facts = _split_facts(item)
        inputs, targets = check_batch(parts, number, (self.inputs, self.targets))
        for name, x in targets.items():
            if x.is_floating_point() == self.targets[name].integer:
                raise InfluenceError(
                    f"batch {number}: targets/{name} holds {x.dtype}, and in the first batch "
                    f"{'labels' if self.targets[name].integer else 'values'}. Yield integers for "
                    "labels, floating-point numbers for values"
                )
        indices = np.arange(start, start + len(next(iter(inputs.values()))))
        ids, groups = (_labels(facts.get(name), name, len(indices), number) for name in FACTS)
        if (groups is not None) != self._grouped:
            raise InfluenceError(
                f"batch {number} comes {'without' if self._grouped else 'with'} groups, the first "
                f"one {'with' if self._grouped else 'without'}: give them in all batches or in none"
            )
        return Batch(
            indices,
            {n: floating(x.detach()) for n, x in inputs.items()},
            {n: x.long() if self.targets[n].integer else floating(x) for n, x in targets.items()},
            [str(label) for label in (indices if ids is None else ids)],
            groups,
        )


def _split_facts(item: Any) -> tuple[Any, Mapping[str, Any]]:
    """Split what a stream yields into inputs and targets, and the facts, if it has any."""
    if not (isinstance(item, Sequence) and len(item) == 3 and isinstance(item[2], Mapping)):
        return item, {}
    for name in item[2]:
        if name not in FACTS:
            raise unknown("fact of a batch", str(name), FACTS)
    return item[:2], item[2]


def _labels(labels: Any, name: str, count: int, number: int) -> list[Any] | None:
    if labels is None:
        return None
    found = labels.tolist() if isinstance(labels, (np.ndarray, Tensor)) else list(labels)
    if len(found) != count:
        raise InfluenceError(f"batch {number}: {len(found)} {name} for {count} samples")
    return found


@overload
def open_data(data: Data, *, stream: Literal[False] = ...) -> EvaluationSet: ...


@overload
def open_data(data: Data, *, stream: bool) -> EvaluationSet | BatchStream: ...


def open_data(data: Data, *, stream: bool = False) -> EvaluationSet | BatchStream:
    """Open a data set from a path, a data set, or an iterable of batches ``(inputs, targets)``.

    Parameters
    ----------
    data
        The data.
    stream
        Whether to read an iterable batch by batch; by default it is collected in memory.

    Raises
    ------
    InfluenceError
        If the data are none of these.

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


def reopen(data: Any, opened: EvaluationSet | BatchStream) -> EvaluationSet | BatchStream:
    """Return the data for a pass before they are measured: a data set, or a stream from its start.

    Parameters
    ----------
    data
        What was given to `open_data`.
    opened
        What it returned.

    Raises
    ------
    InfluenceError
        If a stream was opened from an iterator, which can be read only once.
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


def check_limit(limit: int | None) -> None:
    """Raise InfluenceError if a limit is below one sample."""
    if limit is not None and limit < 1:
        raise InfluenceError(f"expected a limit of one sample or more, got {limit}")


def sample_count(data: EvaluationSet, limit: int | None = None) -> int:
    """Return the number of samples to use: all, or the first `limit`; see `check_limit`."""
    check_limit(limit)
    return len(data) if limit is None else min(len(data), limit)


def find_groups(data: EvaluationSet | BatchStream, count: int | None, *, stream: bool) -> list[str]:
    """Return the levels of the groups of the first `count` samples, such as ``group:kitchen``.

    They come in the order in which the groups first appear.

    Parameters
    ----------
    data, count
        The samples.
    stream
        Whether only sums over all samples are kept.

    Raises
    ------
    InfluenceError
        If the samples have no groups, or if only sums are kept.
    """
    if stream or isinstance(data, BatchStream):
        raise InfluenceError(
            "results by group need the rows of every sample, and a stream keeps none. Leave out "
            "the level 'group', or measure without streaming"
        )
    if data.groups is None:
        raise InfluenceError(
            f"{data.source} has no groups. Leave out the level 'group', or write the file with "
            "groups=..."
        )
    labels = data.groups[:count].tolist()
    texts = [x.decode() if isinstance(x, bytes) else str(x) for x in labels]
    return [f"group:{text}" for text in dict.fromkeys(texts)]
