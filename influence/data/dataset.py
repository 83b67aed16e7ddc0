"""Data sets: samples of named inputs and targets, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError
from influence.runtime.values import Values, each_tensor, join, take

__all__ = [
    "Batch",
    "DataFacts",
    "EvaluationSet",
    "Field",
    "check_unique",
    "floating",
    "group_numbers",
    "no_group",
    "plain_groups",
]


@dataclass(frozen=True)
class Field:
    """How one input or target of a data set is stored.

    Parameters
    ----------
    shape
        Shape of one sample.
    integer
        Whether integers are stored. Without a `scale` these are labels.
    unit
        Physical unit, such as ``m``.
    scale, offset
        For quantised storage: ``value = stored * scale + offset``.
    ignore
        The stored label or value that means 'no ground truth'.
    range
        Least and greatest valid ground truth. Predictions are clamped to it before they are scored.
    classes
        The names of the classes, in the order of their labels.
    mean, std
        Mean and standard deviation of each channel over the training set.
    ragged
        Whether samples differ in shape, or are no tensors; `shape` is then empty.
    texts
        Whether samples are texts.
    """

    shape: tuple[int, ...]
    integer: bool
    unit: str = ""
    scale: float | None = None
    offset: float = 0.0
    ignore: float | None = None
    range: tuple[float, float] | None = None
    classes: tuple[str, ...] = ()
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    ragged: bool = False
    texts: bool = False

    @classmethod
    def of(cls, values: Values) -> Field:
        """Describe values in memory.

        >>> Field.of(torch.zeros(2, 3)).shape, Field.of(["a", "b"]).ragged
        ((3,), True)
        """
        if isinstance(values, list):
            texts = all(isinstance(value, str) for value in values)
            return cls((), False, ragged=True, texts=texts)
        numbers = values.is_floating_point() or values.is_complex()
        return cls(tuple(values.shape[1:]), not numbers)

    @property
    def holds_labels(self) -> bool:
        """Whether the values are labels: integers without a scale."""
        return self.integer and self.scale is None

    def decode(self, stored: NDArray[Any] | np.generic) -> Tensor:
        """Convert stored values to labels (int64, -1 = ignored) or values (NaN = ignored).

        Values are float32, or float64 if float64 is stored.

        Examples
        --------
        >>> Field((2,), True, ignore=255).decode(np.array([3, 255], dtype=np.uint8)).tolist()
        [3, -1]
        """
        stored = np.asarray(stored)  # one value a sample comes as a NumPy scalar
        double = stored.dtype.kind == "f" and stored.itemsize > 4
        values = np.float64 if double else np.float32
        decoded: NDArray[Any] = stored.astype(np.int64 if self.holds_labels else values)
        if self.scale is not None:
            decoded = decoded * decoded.dtype.type(self.scale) + decoded.dtype.type(self.offset)
        if self.ignore is not None:
            nothing = decoded.dtype.type(-1 if self.holds_labels else "nan")
            decoded = np.where(stored == self.ignore, nothing, decoded)
        return torch.from_numpy(np.asarray(decoded))


@dataclass(frozen=True)
class Batch:
    """Several samples.

    Parameters
    ----------
    indices
        The indices of the samples in the data set.
    inputs, targets
        For each name a tensor with samples first, or a list with one entry a sample.
    ids, groups
        The names of the samples, and their groups if they have any.
    partners
        The positions in the batch of the samples whose inputs all samples but the last get under a
        shuffle mute; `None` if it is the next one for each.
    tied
        For each sample the id of the first one on its cycle, for samples of a stream that exchange
        their inputs inside a batch; see `influence.data.loader.exchange_in_pairs`.
    shared
        Inputs that are one value for the whole batch.
    exchanged
        The inputs of the partner of each sample, where the samples of a batch are not chosen such
        that the batch holds them.
    """

    indices: NDArray[np.int64]
    inputs: dict[str, Any]
    targets: dict[str, Any]
    ids: Sequence[str] = ()
    groups: Sequence[Any] | None = None
    partners: NDArray[np.int64] | None = None
    tied: Sequence[str] | None = None
    shared: Mapping[str, Any] = field(default_factory=dict)
    exchanged: Mapping[str, Values] | None = None
    digest: str = ""

    @classmethod
    def join(cls, one: Batch, other: Batch) -> Batch:
        """Concatenate two batches that both have groups or both have none."""
        inputs, targets = (
            {n: join([x, second[n]]) for n, x in first.items()}
            for first, second in ((one.inputs, other.inputs), (one.targets, other.targets))
        )
        groups = None if one.groups is None else [*one.groups, *(other.groups or ())]
        indices = np.concatenate([one.indices, other.indices])
        ids = [*one.ids, *other.ids]
        return cls(indices, inputs, targets, ids, groups, shared=one.shared)

    def part(self, some: slice) -> Batch:
        """Return the batch of some of the samples, without partners."""
        groups = None if self.groups is None else self.groups[some]
        inputs, targets = self._apply(lambda x: take(x, some))
        return Batch(
            self.indices[some], inputs, targets, self.ids[some], groups, shared=self.shared
        )

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from which copies to a GPU are asynchronous."""
        inputs, targets = self._apply(lambda x: each_tensor(x, Tensor.pin_memory))
        return replace(self, inputs=inputs, targets=targets)

    @property
    def shown(self) -> dict[str, Any]:
        """All inputs: those of each sample, and those of the whole batch."""
        return {**self.inputs, **self.shared}

    def _apply(self, change: Callable[[Values], Values]) -> Iterator[dict[str, Values]]:
        for part in (self.inputs, self.targets):
            yield {name: change(x) for name, x in part.items()}

    def __len__(self) -> int:
        return len(self.indices)


class DataFacts(Protocol):
    """The facts of a data set: its name, origin and hash, and the fields of its samples.

    The hash, `sha256`, is any text that differs if anything differs that is read; if it is empty,
    processes and resumed runs compare batches instead.
    """

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def sha256(self) -> str: ...
    @property
    def inputs(self) -> Mapping[str, Field]: ...
    @property
    def targets(self) -> Mapping[str, Field]: ...


class EvaluationSet(DataFacts, Protocol):
    """A data set with random access to samples, and their ids and groups."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def groups(self) -> NDArray[Any] | None: ...
    @property
    def given(self) -> Sequence[NDArray[np.int64]] | None:
        """The indices of the samples of each batch as it was given; None for data without batches.

        In a file, for example, every sample stands alone.
        """

    @property
    def uniform(self) -> bool:
        """Whether all samples have the same shapes, so that any of them can be a batch."""

    def __len__(self) -> int: ...

    def read(self, indices: NDArray[np.int64]) -> Batch:
        """Read some samples, in this order, as a batch without ids."""


def check_unique(ids: Sequence[str], source: object) -> None:
    """Check that no two samples have the same id.

    Results are matched by ids: of samples of one id, one would stand for another.

    Raises
    ------
    InfluenceError
        If an id repeats.

    Examples
    --------
    >>> check_unique(["a", "b"], "set.h5")
    >>> check_unique(["a", "b", "a"], "set.h5")
    Traceback (most recent call last):
    influence.errors.InfluenceError: set.h5: 'ids' must be unique, and 'a' repeats (samples 0 and \
2). Give each sample an id of its own
    """
    if len(set(ids)) == len(ids):
        return
    first: dict[str, int] = {}
    for index, name in enumerate(ids):
        if first.setdefault(name, index) != index:
            raise InfluenceError(
                f"{source}: 'ids' must be unique, and {name!r} repeats (samples {first[name]} and "
                f"{index}). Give each sample an id of its own"
            )


def plain_groups(groups: Sequence[Any]) -> list[Any]:
    """Return groups as texts or numbers of Python, after a check that every sample has one.

    Raises
    ------
    InfluenceError
        If a group is missing, or they are of several types, so that two of them may look the same.

    Examples
    --------
    >>> plain_groups([np.int64(3), 4])
    [3, 4]
    >>> plain_groups(["kitchen", float("nan")])
    Traceback (most recent call last):
    influence.errors.InfluenceError: groups: sample 1 has no group, but nan. Give every sample \
one, such as a group of its own
    """
    found = [group.item() if isinstance(group, (np.generic, Tensor)) else group for group in groups]
    for i, group in enumerate(found):
        if not isinstance(group, (str, bytes, int, float)) or group != group:
            raise no_group(i, group)
        if any(isinstance(group, kind) is not isinstance(found[0], kind) for kind in (str, bytes)):
            raise InfluenceError(
                f"groups: expected all texts or all numbers, got {found[0]!r} and, for sample "
                f"{i}, {group!r}. Convert them to one type"
            )
        if isinstance(group, int) and not -(2**63) <= group < 2**63:
            raise InfluenceError(
                f"groups: expected integers of 64 bits, got {group} for sample {i}. Convert them "
                "to texts"
            )
    return found


def no_group(sample: int, group: object) -> InfluenceError:
    """Build the error for a sample without a group."""
    return InfluenceError(
        f"groups: sample {sample} has no group, but {group!r}. Give every sample one, such as a "
        "group of its own"
    )


def floating(values: Tensor) -> Tensor:
    """Return values as float32; float64 stays, for networks that compute in it.

    >>> floating(torch.arange(2)).dtype
    torch.float32
    """
    return values if values.dtype == torch.float64 else values.float()


def group_numbers(labels: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    """Number the groups of `count` samples in the order in which they first appear.

    Without labels every sample is a group.

    >>> group_numbers(np.array(["b", "a", "b"]), 3).tolist()
    [0, 1, 0]
    """
    if labels is None:
        return np.arange(count, dtype=np.int64)
    # Unlike pandas.factorize, for any byte order, and each NaN is a group.
    numbers: dict[Any, int] = {}
    return np.array(
        [numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.int64
    )
