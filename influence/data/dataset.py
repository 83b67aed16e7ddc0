"""Evaluation sets: samples of named inputs and targets, and how they are stacked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
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
    "check_pair",
    "floating",
]


@dataclass(frozen=True)
class Field:
    """One dataset of an evaluation set: the shape of a sample and its attributes.

    `scale` and `offset` decode quantised storage (``value = stored * scale + offset``); `ignore`
    is the stored label or value that means 'no ground truth'; `range` bounds a valid ground truth,
    and predictions are clamped to it before they are scored; `mean` and `std` are per channel.
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

    def decode(self, stored: NDArray[Any] | np.generic) -> Tensor:
        """Turn stored values into labels (int64, -1 = ignored) or values (NaN = ignored).

        Values are float32, or float64 where they are stored so.

        Examples
        --------
        >>> Field((2,), True, ignore=255).decode(np.array([3, 255], dtype=np.uint8)).tolist()
        [3, -1]
        """
        stored = np.asarray(stored)  # one value a sample comes as a NumPy scalar
        labels = self.integer and self.scale is None
        double = stored.dtype.kind == "f" and stored.itemsize > 4
        decoded: NDArray[Any] = stored.astype(
            np.int64 if labels else np.float64 if double else np.float32
        )
        if self.scale is not None:
            decoded = decoded * decoded.dtype.type(self.scale) + decoded.dtype.type(self.offset)
        if self.ignore is not None:
            nothing = decoded.dtype.type(-1 if labels else "nan")
            decoded = np.where(stored == self.ignore, nothing, decoded)
        return torch.from_numpy(np.asarray(decoded))


@dataclass(frozen=True)
class Sample:
    """One sample, decoded: floating-point inputs; targets as `Field.decode` gives them."""

    index: int
    inputs: Mapping[str, Tensor]
    targets: Mapping[str, Tensor]


@dataclass(frozen=True)
class Batch:
    """Several samples stacked, with their positions, names and groups in the set.

    `partners` says where in the batch the samples are whose inputs a shuffle mute shows in the
    place of these, the last one's left out; `None` for the next one each. `tied` names for each
    sample the first one of those that it exchanges its input with, where all are in the batch.
    """

    indices: NDArray[np.int64]
    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]
    ids: Sequence[str] = ()
    groups: Sequence[Any] | None = None
    partners: NDArray[np.int64] | None = None
    tied: Sequence[str] | None = None

    @classmethod
    def collate(cls, samples: Sequence[Sample]) -> Batch:
        """Stack samples; the collate function of a data loader."""
        stack = {
            part: {n: torch.stack([getattr(s, part)[n] for s in samples]) for n in names}
            for part, names in (("inputs", samples[0].inputs), ("targets", samples[0].targets))
        }
        indices = np.array([s.index for s in samples], dtype=np.int64)
        return cls(indices, stack["inputs"], stack["targets"])

    @classmethod
    def join(cls, one: Batch, other: Batch) -> Batch:
        """Put the samples of two batches together; both have groups, or none."""
        inputs, targets = (
            {n: torch.cat([x, second[n]]) for n, x in first.items()}
            for first, second in ((one.inputs, other.inputs), (one.targets, other.targets))
        )
        groups = None if one.groups is None else [*one.groups, *(other.groups or ())]
        indices = np.concatenate([one.indices, other.indices])
        return cls(indices, inputs, targets, [*one.ids, *other.ids], groups)

    def part(self, some: slice) -> Batch:
        """Return some of the samples alone."""
        return Batch(
            self.indices[some],
            {n: x[some] for n, x in self.inputs.items()},
            {n: x[some] for n, x in self.targets.items()},
            self.ids[some],
            None if self.groups is None else self.groups[some],
        )

    def pin_memory(self) -> Batch:
        """Return the batch in memory from which a GPU copies without waiting."""
        inputs, targets = (
            {n: x.pin_memory() for n, x in part.items()} for part in (self.inputs, self.targets)
        )
        return replace(self, inputs=inputs, targets=targets)

    def __len__(self) -> int:
        return len(self.indices)


class DataFacts(Protocol):
    """What is known of a data set without a look at its samples."""

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
    """What the engine needs of a data set: random access to decoded samples, and their names."""

    @property
    def ids(self) -> Sequence[str]: ...
    @property
    def groups(self) -> NDArray[Any] | None: ...
    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample: ...


@dataclass(frozen=True)
class MemorySet:
    """Samples that came from an iterable of batches, kept in memory.

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
    def collect(cls, batches: Iterable[Any], *, name: str = "data") -> MemorySet:
        """Read every batch once.

        Raises
        ------
        InfluenceError
            If a batch is not a pair of mappings of tensors with samples first, if names or shapes
            change between batches, or if there is no sample.
        """
        parts: dict[str, dict[str, list[Tensor]]] = {"inputs": {}, "targets": {}}
        for number, batch in enumerate(batches):
            for part, tensors in zip(parts, check_pair(batch, number), strict=True):
                if number and set(tensors) != set(parts[part]):
                    raise InfluenceError(
                        f"batch {number}: {part} are named {sorted(tensors)}, in the batches "
                        f"before {sorted(parts[part])}"
                    )
                for n, x in tensors.items():
                    parts[part].setdefault(n, []).append(x.detach().cpu())
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
        return cls(fields["inputs"], fields["targets"], data, name=name)

    @property
    def ids(self) -> list[str]:
        """The positions of the samples, as names."""
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


def floating(values: Tensor) -> Tensor:
    """Return values as float32; float64 stays, for networks that compute in it.

    >>> floating(torch.arange(2)).dtype
    torch.float32
    """
    return values if values.dtype == torch.float64 else values.float()


def check_pair(batch: Any, number: int) -> list[Mapping[str, Tensor]]:
    """Return the inputs and the targets of a batch.

    Raises
    ------
    InfluenceError
        If they are not two mappings of tensors with as many samples each.
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
                    f"batch {number}: {name!r} has {len(x)} samples, the others {length}"
                )
    return list(batch)


def group_numbers(labels: NDArray[Any] | None, count: int) -> NDArray[np.int64]:
    """Number the groups in the order in which they appear.

    >>> group_numbers(np.array(["b", "a", "b"]), 3).tolist()
    [0, 1, 0]
    """
    if labels is None:
        return np.arange(count, dtype=np.int64)
    numbers: dict[Any, int] = {}
    return np.array(
        [numbers.setdefault(label, len(numbers)) for label in labels.tolist()], dtype=np.int64
    )
