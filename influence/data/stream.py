"""A stream: batches from an iterable that is read once, without a length or random access."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
from torch import Tensor

from influence.data.dataset import Batch, Field, check_pair, floating
from influence.errors import InfluenceError, unknown

__all__ = ["BatchStream"]

FACTS = ("ids", "groups")
"""What a batch may tell of its samples."""


class BatchStream:
    """The batches of an iterable, one at a time; only the first is held.

    Labels below zero and values that are NaN mean 'no ground truth'. Sizes of maps may change from
    batch to batch, and batches without a sample are passed over.

    Parameters
    ----------
    batches
        Yields ``(inputs, targets)``, mappings of tensors with samples first, or ``(inputs, targets,
        facts)`` where `facts` may hold ``ids`` and ``groups``, one a sample. Without ids, samples
        are known by their position in the stream; groups come in all batches or in none. The
        tensors of one batch must not be written over to make the next.
    name
        For the tables.

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
        parts = check_pair(_tensors(self._first), 0)
        self.inputs, self.targets = (
            {n: Field(tuple(x.shape[1:]), not x.is_floating_point()) for n, x in part.items()}
            for part in parts
        )
        self._grouped = _facts(self._first).get("groups") is not None

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
        inputs, targets = check_pair(_tensors(item), number)
        for part, tensors, fields in (
            ("inputs", inputs, self.inputs), ("targets", targets, self.targets)
        ):  # fmt: skip
            if tensors.keys() != fields.keys():
                raise InfluenceError(
                    f"batch {number}: {part} are named {sorted(tensors)}, in the first batch "
                    f"{sorted(fields)}"
                )
        for name, x in targets.items():
            if x.is_floating_point() == self.targets[name].integer:
                raise InfluenceError(
                    f"batch {number}: targets/{name} holds {x.dtype}, and in the first batch "
                    f"{'labels' if self.targets[name].integer else 'values'}. Yield integers for "
                    "labels, floating-point numbers for values"
                )
        indices = np.arange(start, start + len(next(iter(inputs.values()))))
        batch = Batch(
            indices,
            {n: floating(x.detach()) for n, x in inputs.items()},
            {n: x.long() if self.targets[n].integer else floating(x) for n, x in targets.items()},
            ids=[str(i) for i in indices],
        )
        facts = _facts(item)
        ids, groups = (_labels(facts.get(n), n, len(batch), number) for n in FACTS)
        if (groups is not None) != self._grouped:
            raise InfluenceError(
                f"batch {number} comes {'without' if self._grouped else 'with'} groups, the first "
                f"one {'with' if self._grouped else 'without'}: give them in all batches or in none"
            )
        return replace(batch, ids=batch.ids if ids is None else [*map(str, ids)], groups=groups)


def _tensors(item: Any) -> Any:
    """Return inputs and targets; what follows them must be a mapping of facts."""
    if isinstance(item, Sequence) and len(item) == 3 and isinstance(item[2], Mapping):
        return item[:2]
    return item


def _facts(item: Any) -> Mapping[str, Any]:
    facts: Mapping[str, Any] = item[2] if len(item) > 2 else {}
    for name in facts:
        if name not in FACTS:
            raise unknown("fact of a batch", str(name), FACTS)
    return facts


def _labels(labels: Any, name: str, count: int, number: int) -> list[Any] | None:
    if labels is None:
        return None
    found = labels.tolist() if isinstance(labels, (np.ndarray, Tensor)) else list(labels)
    if len(found) != count:
        raise InfluenceError(f"batch {number}: {len(found)} {name} for {count} samples")
    return found
