"""Data sets: samples of named inputs and targets, and batches of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.errors import InfluenceError

__all__ = [
    "Batch",
    "DataFacts",
    "EvaluationSet",
    "Field",
    "MemorySet",
    "Sample",
    "check_batch",
    "collate",
    "floating",
    "group_numbers",
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
class Sample:
    """One decoded sample: its index, floating-point inputs, and targets as of `Field.decode`."""

    index: int
    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """Several samples, stacked.

    Parameters
    ----------
    indices
        The indices of the samples in the data set.
    inputs, targets
        One tensor a name, samples first.
    ids, groups
        The names of the samples, and their groups if they have any.
    partners
        The positions in the batch of the samples whose inputs all samples but the last get under a
        shuffle mute; `None` if it is the next one for each.
    tied
        For each sample the id of the first one on its cycle, for samples of a stream that exchange
        their inputs inside a batch; see `influence.data.loader.exchange_in_pairs`.
    """

    indices: NDArray[np.int64]
    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    ids: Sequence[str] = ()
    groups: Sequence[Any] | None = None
    partners: NDArray[np.int64] | None = None
    tied: Sequence[str] | None = None

    @classmethod
    def join(cls, one: Batch, other: Batch) -> Batch:
        """Concatenate two batches that both have groups or both have none."""
        inputs, targets = (
            {n: torch.cat([x, second[n]]) for n, x in first.items()}
            for first, second in ((one.inputs, other.inputs), (one.targets, other.targets))
        )
        groups = None if one.groups is None else [*one.groups, *(other.groups or ())]
        indices = np.concatenate([one.indices, other.indices])
        return cls(indices, inputs, targets, [*one.ids, *other.ids], groups)

    def part(self, some: slice) -> Batch:
        """Return the batch of some of the samples, without partners."""
        groups = None if self.groups is None else self.groups[some]
        inputs, targets = self._apply(lambda x: x[some])
        return Batch(self.indices[some], inputs, targets, self.ids[some], groups)

    def pin_memory(self) -> Batch:
        """Return the batch in page-locked memory, from which copies to a GPU are asynchronous."""
        inputs, targets = self._apply(Tensor.pin_memory)
        return replace(self, inputs=inputs, targets=targets)

    def _apply(self, change: Callable[[Tensor], Tensor]) -> Iterator[dict[str, Tensor]]:
        for part in (self.inputs, self.targets):
            yield {name: change(x) for name, x in part.items()}

    def __len__(self) -> int:
        return len(self.indices)


class DataFacts(Protocol):
    """The facts of a data set: its name, origin and hash, and the fields of its samples."""

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
    """A data set with random access to decoded samples, and their ids and groups."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def groups(self) -> NDArray[Any] | None: ...
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class MemorySet:
    """A data set in memory, collected from an iterable of batches.

    Labels below zero and values that are NaN mean 'no ground truth'.

    Examples
    --------
    >>> batches = [({"x": torch.zeros(2, 3)}, {"y": torch.zeros(2)})]
    >>> len(MemorySet.collect(batches))
    2
    """

    inputs: Mapping[str, Field]
    targets: Mapping[str, Field]
    data: Mapping[str, Mapping[str, Tensor]] = field(repr=False)
    name: str = "data"
    source: str = "the data given"
    sha256: str = ""
    groups: NDArray[Any] | None = None

    @classmethod
    def collect(cls, batches: Iterable[Any]) -> MemorySet:
        """Read every batch ``(inputs, targets)`` once.

        Raises
        ------
        InfluenceError
            If a batch is not a pair of mappings of tensors with samples first, if names or shapes
            change between batches, or if there is no sample.
        """
        parts: dict[str, dict[str, list[Tensor]]] = {"inputs": {}, "targets": {}}
        for number, batch in enumerate(batches):
            checked = check_batch(batch, number, list(parts.values()) if number else None)
            for part, tensors in zip(parts.values(), checked, strict=True):
                for n, x in tensors.items():
                    part.setdefault(n, []).append(x.detach().cpu())
        if not parts["inputs"]:
            raise InfluenceError("the data yielded no batch, expected one sample or more")
        try:
            data = {p: {n: torch.cat(xs) for n, xs in part.items()} for p, part in parts.items()}
        except RuntimeError as error:
            raise InfluenceError(f"samples differ in shape between batches: {error}") from error
        if not len(next(iter(data["inputs"].values()))):
            raise InfluenceError("the data yielded no sample, expected one or more")
        fields = {
            p: {n: Field(tuple(x.shape[1:]), not x.is_floating_point()) for n, x in part.items()}
            for p, part in data.items()
        }
        return cls(fields["inputs"], fields["targets"], data)

    @property
    def ids(self) -> list[str]:
        """The indices of the samples, as texts."""
        return [str(i) for i in range(len(self))]

    def __len__(self) -> int:
        return len(next(iter(self.data["inputs"].values())))

    def __getitem__(self, index: int) -> Sample:
        inputs = {n: floating(x[index]) for n, x in self.data["inputs"].items()}
        targets = {
            n: x[index].long() if self.targets[n].integer else floating(x[index])
            for n, x in self.data["targets"].items()
        }
        return Sample(index, inputs, targets)


def collate(read: Sequence[Sample | InfluenceError]) -> Batch | InfluenceError:
    """Stack the samples of a batch, or return the first error."""
    samples = [sample for sample in read if isinstance(sample, Sample)]
    if len(samples) < len(read):
        return next(error for error in read if isinstance(error, InfluenceError))
    inputs, targets = (
        {n: torch.stack([part[n] for part in parts]) for n in parts[0]}
        for parts in ([s.inputs for s in samples], [s.targets for s in samples])
    )
    indices = np.array([s.index for s in samples], dtype=np.int64)
    return Batch(indices, inputs, targets)


def floating(values: Tensor) -> Tensor:
    """Return values as float32; float64 stays, for networks that compute in it.

    >>> floating(torch.arange(2)).dtype
    torch.float32
    """
    return values if values.dtype == torch.float64 else values.float()


def check_batch(
    batch: Any, number: int, first: Sequence[Collection[str]] | None = None
) -> list[Mapping[str, Tensor]]:
    """Return the inputs and the targets of a batch that a user's iterable yields.

    Parameters
    ----------
    batch
        The batch, such as a tuple ``(inputs, targets)``.
    number
        Its number, for errors.
    first
        The names of the inputs and of the targets in the first batch, if there is one.

    Raises
    ------
    InfluenceError
        If these are not two mappings of tensors with the same number of samples and these names.
    """
    if not (isinstance(batch, Sequence) and len(batch) == 2):
        raise InfluenceError(
            f"batch {number}: expected a pair (inputs, targets) of mappings name -> tensor, got "
            f"{type(batch).__name__}"
        )
    length = None
    for part in batch:
        if not isinstance(part, Mapping) or not all(isinstance(x, Tensor) for x in part.values()):
            raise InfluenceError(f"batch {number}: expected mappings name -> tensor")
        for name, x in part.items():
            if not x.ndim:
                raise InfluenceError(f"batch {number}: {name!r} has no axis of samples")
            length = length if length is not None else len(x)
            if len(x) != length:
                raise InfluenceError(
                    f"batch {number}: {name!r} has {len(x)} samples, the tensors before {length}"
                )
    for kind, part, names in zip(("inputs", "targets"), batch, first or batch, strict=True):
        if set(part) != set(names):
            raise InfluenceError(
                f"batch {number}: {kind} are named {sorted(part)}, in the first batch "
                f"{sorted(names)}"
            )
    return list(batch)


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
