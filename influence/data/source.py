"""Sources: what can be given as data, and batches that are read once as a stream."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from os import PathLike
from typing import Any, Literal, overload

import numpy as np

from influence.data.dataset import Batch, EvaluationSet, Field, check_unique
from influence.data.evaluation_file import EvaluationFile
from influence.data.memory import (
    Fields,
    GivenBatch,
    MemorySet,
    as_field_paths,
    as_truth,
    check_truth,
    read_batch,
)
from influence.errors import InfluenceError, said
from influence.runtime.digests import RunningDigest, SeenNames
from influence.runtime.values import each_tensor

__all__ = [
    "BatchStream",
    "Collate",
    "Data",
    "Form",
    "check_limit",
    "close_data",
    "find_groups",
    "open_data",
    "reopen",
    "sample_count",
]

Data = str | PathLike[str] | EvaluationSet | Iterable[Any]
"""The path of an evaluation file, a data set, or batches ``(inputs, targets)``."""

Collate = Callable[[list[Any]], Any]
"""Makes a batch of samples, such as `torch.utils.data.default_collate`."""


@dataclass(frozen=True)
class Form:
    """The form of data that are no evaluation file: how batches are made and taken apart.

    Parameters
    ----------
    fields
        Where the parts of a batch lie; see `influence.data.memory.as_field_paths`. By default a
        batch is a pair (inputs, targets) of mappings.
    collate
        Makes a batch of samples, for data that hold single samples.
    contexts
        The inputs that may be one value for a whole batch.
    batch_size
        The number of samples of which `collate` makes a batch.
    """

    fields: Fields | None = None
    collate: Collate | None = None
    contexts: Collection[str] = ()
    batch_size: int = 16

    def batches(self, data: Iterable[Any]) -> Iterator[Any]:
        """Yield the batches of data, made of its samples if need be.

        Raises
        ------
        InfluenceError
            If the data or `collate` fail.
        """
        if self.collate is None:
            yield from _told(data)
            return
        samples = _told(data)
        while some := list(islice(samples, self.batch_size)):
            try:
                batch = self.collate(some)
            except Exception as error:  # the user's function may raise anything
                raise InfluenceError(
                    f"collate failed on {len(some)} samples: {said(error)}. If "
                    "samples differ in shape, give a function that pads them, or that returns "
                    "lists with one entry a sample"
                ) from error
            yield batch


def _told(data: Any) -> Iterator[Any]:
    """Yield the items of a user's data, whose code may raise anything."""
    number = 0
    try:
        items = iter(data if isinstance(data, Iterable) else (data[i] for i in range(len(data))))
        while True:
            try:
                item = next(items)
            except StopIteration:
                return
            number += 1
            yield item
            del item  # not kept while the next one is read
    except InfluenceError:
        raise
    except Exception as error:
        raise InfluenceError(f"the data failed after {number} items: {said(error)}") from error


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
        If there is no batch, or the first is not of that form; while it is read, if a batch is of
        another form than the first, or an id repeats.

    Examples
    --------
    >>> import torch
    >>> stream = BatchStream(({"x": torch.ones(2, 3)}, {"y": torch.zeros(2)}) for _ in range(5))
    >>> sum(len(batch) for batch in stream)
    10
    """

    source = "the stream of batches"
    sha256 = ""

    def __init__(
        self, batches: Iterable[Any], *, name: str = "data", form: Form | None = None
    ) -> None:
        self.name = name
        self._form = form or Form()
        self._paths = as_field_paths(self._form.fields)
        self._rest = self._form.batches(batches)
        item = next(self._rest, None)
        if item is None:
            raise InfluenceError("the stream yielded no batch, expected one or more")
        self._first: GivenBatch | None = self._take_apart(item, 0, None)
        self._names = self._first
        self.inputs, self.targets = (
            {n: Field.of(x) for n, x in part.items()} for part in self._first[:2]
        )
        self.inputs |= {n: Field((), False, ragged=True) for n in self._first.shared}
        self._facts = set(self._first.facts)
        self._digest, self._ids = RunningDigest(), SeenNames()
        self.digests = [self._first.add_to(self._digest)]
        """For each batch read so far, the digest of all samples up to its last one."""

    def _take_apart(self, item: Any, number: int, first: GivenBatch | None) -> GivenBatch:
        contexts = self._form.contexts
        return read_batch(item, number, fields=self._paths, contexts=contexts, first=first)

    def peek(self) -> Batch:
        """Return the first batch, which stays in the stream."""
        if self._first is None:
            raise InfluenceError("the stream was read before, and can be read only once")
        return self._read(self._first, 0, 0)

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches; they can be read once."""
        if self._first is None:
            raise InfluenceError("the stream was read before, and can be read only once")
        given: GivenBatch | None = self._first
        self._first = None
        start = number = 0
        while given is not None:
            if number:
                self.digests.append(given.add_to(self._digest))
            if given.samples:
                batch = self._read(given, number, start)
                self._check_new(given, batch)
                start += len(batch)
                given = None  # not kept while the batch is used
                yield batch
            number += 1
            item = next(self._rest, None)
            given = None if item is None else self._take_apart(item, number, self._names)
            del item
        if not start:
            raise InfluenceError("the stream yielded no sample, expected one or more")

    def _check_new(self, given: GivenBatch, batch: Batch) -> None:
        if "ids" in given.facts and (name := self._ids.add(list(batch.ids))) is not None:
            raise InfluenceError(
                f"{self.source}: 'ids' must be unique, and {name!r} repeats. A sampler that draws "
                "with replacement, or fills up a last batch, repeats samples: leave it out"
            )

    def _read(self, given: GivenBatch, number: int, start: int) -> Batch:
        check_truth(given.targets, self._names.targets, number)
        indices = np.arange(start, start + given.samples)
        ids, groups = (given.facts.get(name) for name in ("ids", "groups"))
        for name in sorted(self._facts ^ given.facts.keys()):
            first, here = ("with", "without") if name in self._facts else ("without", "with")
            raise InfluenceError(
                f"batch {number} comes {here} {name}, the first one {first}: give them in all "
                "batches or in none"
            )
        inputs, targets = (
            each_tensor(part, lambda x: x.detach()) for part in (given.inputs, given.targets)
        )
        names = list(map(str, indices.tolist() if ids is None else ids))
        targets = {n: as_truth(x) for n, x in targets.items()}
        return Batch(indices, inputs, targets, names, groups, shared=given.shared)


@overload
def open_data(
    data: Data, *, stream: Literal[False] = ..., form: Form | None = ...
) -> EvaluationSet: ...


@overload
def open_data(
    data: Data, *, stream: bool, form: Form | None = ...
) -> EvaluationSet | BatchStream: ...


def open_data(
    data: Data, *, stream: bool = False, form: Form | None = None
) -> EvaluationSet | BatchStream:
    """Open a data set from a path, a data set, or an iterable of batches.

    Parameters
    ----------
    data
        The data.
    stream
        Whether to read an iterable batch by batch; by default it is collected in memory.
    form
        How the batches of an iterable are made and taken apart.

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
    form = form or Form()
    if isinstance(data, (str, PathLike)):
        return EvaluationFile(data)
    if all(hasattr(data, name) for name in ("ids", "inputs", "targets", "read")):
        check_unique(data.ids, getattr(data, "source", "the data"))  # type: ignore[union-attr]
        return data  # type: ignore[return-value]
    indexed = form.collate is not None and hasattr(data, "__getitem__") and hasattr(data, "__len__")
    if not (isinstance(data, Iterable) or indexed):
        raise InfluenceError(
            "expected the path of an evaluation file or an iterable of batches (inputs, targets), "
            f"got {type(data).__name__}. For a data set of single samples give collate=, such as "
            "torch.utils.data.default_collate"
        )
    batches: Any = data
    if stream:
        return BatchStream(batches, form=form)
    paths = as_field_paths(form.fields)
    return MemorySet.collect(form.batches(batches), fields=paths, contexts=form.contexts)


def close_data(opened: EvaluationSet | BatchStream | None, data: Data | None) -> None:
    """Close a file that `open_data` opened, so that it can be changed or removed.

    Parameters
    ----------
    opened, data
        What `open_data` returned, and what it was given; a set that was given stays as it is.
    """
    if isinstance(opened, EvaluationFile) and opened is not data:
        opened.close()


def reopen(
    data: Any, opened: EvaluationSet | BatchStream, form: Form | None = None
) -> EvaluationSet | BatchStream:
    """Return the data for a pass before they are measured: a data set, or a stream from its start.

    Parameters
    ----------
    data
        What was given to `open_data`.
    opened
        What it returned.
    form
        How its batches are taken apart.

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
    return BatchStream(data, form=form)


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
