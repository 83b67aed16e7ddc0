"""Data in memory: batches as a loader or a list gives them, and the samples that they hold."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from influence.data.dataset import Batch, Field, check_unique, floating, plain_groups
from influence.errors import InfluenceError, unknown
from influence.runtime.digests import RunningDigest
from influence.runtime.nesting import flatten, follow
from influence.runtime.values import Values, each_tensor, hold_same, is_batched, join, take

__all__ = [
    "Fields",
    "GivenBatch",
    "MemorySet",
    "as_field_paths",
    "as_truth",
    "check_truth",
    "read_batch",
]

FACTS = ("ids", "groups")
"""The facts about samples that a batch may have."""

Fields = Mapping[str, str | int]
"""Where the parts of a batch lie, such as ``{"inputs/rgb": 0, "targets/label": "y.class"}``."""


class GivenBatch(NamedTuple):
    """A batch as a loader gives it.

    Parameters
    ----------
    inputs, targets
        The values of each sample by name; names in nested inputs are joined by dots.
    shared
        The inputs that are one value for the whole batch.
    facts
        ``ids`` and ``groups``, one a sample, if they are given.
    """

    inputs: dict[str, Values]
    targets: dict[str, Values]
    shared: dict[str, Any]
    facts: dict[str, list[Any]]

    @property
    def samples(self) -> int:
        """The number of samples."""
        return len(next(iter({**self.inputs, **self.targets}.values())))

    def add_to(self, digest: RunningDigest) -> str:
        """Add the batch to a digest, and return the digest of all batches so far."""
        values = {f"inputs/{n}": x for n, x in self.inputs.items()}
        values |= {f"targets/{n}": x for n, x in self.targets.items()}
        return digest.add(values | self.facts, self.shared)


def as_field_paths(fields: Fields | None) -> dict[str, str] | None:
    """Check the names of fields, and return their paths as texts.

    Raises
    ------
    InfluenceError
        If a name is not ``inputs/NAME``, ``targets/NAME``, ``ids`` or ``groups``, or no input is
        among them.

    Examples
    --------
    >>> as_field_paths({"inputs/rgb": 0})
    {'inputs/rgb': '0'}
    """
    if fields is None:
        return None
    for name in fields:
        part, _, rest = name.partition("/")
        if name not in FACTS and not (part in ("inputs", "targets") and rest):
            raise InfluenceError(
                f"expected fields called inputs/NAME, targets/NAME, ids or groups, got {name!r}, "
                "as in fields={'inputs/rgb': 0, 'targets/label': 'y'}"
            )
    if not any(name.startswith("inputs/") for name in fields):
        raise InfluenceError("fields name no input, expected one or more: 'inputs/NAME'")
    return {name: str(path) for name, path in fields.items()}


def read_batch(
    item: Any,
    number: int,
    *,
    fields: Mapping[str, str] | None = None,
    contexts: Collection[str] = (),
    first: GivenBatch | None = None,
) -> GivenBatch:
    """Take apart what a loader yields for a batch.

    Parameters
    ----------
    item
        A pair (inputs, targets) of mappings, perhaps nested, with a third mapping of facts; or
        anything, if fields say where its parts lie.
    number
        Its number, for errors.
    fields
        Name -> path, as of `as_field_paths`.
    contexts
        The inputs that may be one value for the whole batch.
    first
        The first batch, which has the same names.

    Raises
    ------
    InfluenceError
        If it has another form, or values do not have the same number of samples.

    Examples
    --------
    >>> read_batch(({"img": {"rgb": torch.zeros(2, 3)}}, {"y": torch.zeros(2)}), 0).inputs.keys()
    dict_keys(['img.rgb'])
    """
    parts = _by_fields(item, number, fields) if fields else _by_place(item, number)
    _check_dense(parts["inputs"], number)
    _check_dense(parts["targets"], number)
    inputs = {n: _as_values(x) for n, x in flatten(parts["inputs"])}
    targets = {n: _as_values(x) for n, x in parts["targets"].items()}
    samples: int | None = None
    shared: dict[str, Any] = {}
    for name, values in [*targets.items(), *inputs.items()]:
        if is_batched(values, samples):
            samples = len(values)
        elif name in inputs and _in(name, contexts):
            shared[name] = inputs.pop(name)
        else:
            raise InfluenceError(_mismatch(name, values, samples, number))
    if first:
        for part, found, known in (
            ("inputs", {*inputs, *shared}, {*first.inputs, *first.shared}),
            ("targets", set(targets), set(first.targets)),
        ):
            if found != known:
                raise InfluenceError(
                    f"batch {number}: {part} are named {sorted(found)}, in the first batch "
                    f"{sorted(known)}"
                )
    if samples is None:
        raise InfluenceError(f"batch {number}: holds no value with an axis of samples")
    facts = {}
    for name, labels in parts["facts"].items():
        if labels is not None:
            facts[name] = _labels(labels, name, samples, number)
    return GivenBatch(inputs, targets, shared, facts)


def _check_dense(values: Any, number: int) -> None:
    """Raise InfluenceError for tensors that have no values, or none that can be cut by samples."""
    if isinstance(values, Tensor):
        kind = "meta" if values.is_meta else "quantised" if values.is_quantized else ""
        if values.layout != torch.strided or values.is_nested:
            kind = "nested" if values.is_nested else "sparse"
        if kind:
            raise InfluenceError(
                f"batch {number}: holds a {kind} tensor, expected plain values in a dense one. "
                "Give x.to_dense() or x.dequantize(), or a list with one tensor a "
                "sample"
            )
    elif isinstance(values, Mapping):
        for value in values.values():
            _check_dense(value, number)
    elif isinstance(values, (list, tuple)) and values and not isinstance(values[0], (str, float)):
        for value in values:
            _check_dense(value, number)


def _mismatch(name: str, values: Any, samples: int | None, number: int) -> str:
    if not is_batched(values):
        what = f"is of type {type(values).__name__}"
        if isinstance(values, Tensor):
            what = "has no axis of samples"
        return (
            f"batch {number}: {name!r} {what}, expected a tensor with samples first, or a list "
            "with one entry a sample. Of single samples batches are made with collate=, such as "
            "torch.utils.data.default_collate; what is one value for the whole batch is declared: "
            f"Modality({name!r}, role='context')"
        )
    return (
        f"batch {number}: {name!r} has {len(values)} samples, those before it {samples}. If it is "
        f"one value for the whole batch, declare it: Modality({name!r}, role='context'). Of single "
        "samples batches are made with collate=, such as torch.utils.data.default_collate"
    )


def _by_place(item: Any, number: int) -> dict[str, Any]:
    if isinstance(item, Mapping) and {"inputs", "targets"} <= set(item):
        item = (item["inputs"], item["targets"])
    pair = isinstance(item, Sequence) and len(item) in (2, 3)
    if not pair or not all(isinstance(part, Mapping) for part in item):
        shown = type(item).__name__
        if isinstance(item, Mapping):
            shown = f"a mapping with {', '.join(map(str, item))}"
        elif isinstance(item, Sequence):
            shown = f"a {shown} of {', '.join(type(part).__name__ for part in item)}"
        raise InfluenceError(
            f"batch {number}: expected a pair (inputs, targets) of mappings name -> tensor, got "
            f"{shown}. Say where its parts lie, as in fields={{'inputs/rgb': 0, "
            "'targets/label': 1}"
        )
    facts = item[2] if len(item) == 3 else {}
    for name in facts:
        if name not in FACTS:
            raise unknown("fact of a batch", str(name), FACTS)
    return {"inputs": item[0], "targets": item[1], "facts": facts}


def _by_fields(item: Any, number: int, fields: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, dict[str, Any]] = {"inputs": {}, "targets": {}, "facts": {}}
    for name, path in fields.items():
        part, _, rest = name.partition("/")
        try:
            value = follow(item, path)
        except InfluenceError as error:
            raise InfluenceError(f"batch {number}: field {name!r}: {error}") from error
        found[part if rest else "facts"][rest or name] = value
    return found


def _as_values(values: Any) -> Any:
    """Return arrays and lists of numbers as tensors, all other lists as they are."""
    if type(values) is tuple:
        values = list(values)
    if isinstance(values, list) and values and isinstance(values[0], (bool, int, float)):
        values = np.asarray(values)
    if isinstance(values, np.ndarray):
        if values.dtype.kind in "biufc":
            return torch.from_numpy(np.ascontiguousarray(values))
        return values.tolist()
    return values


def _labels(labels: Any, name: str, count: int, number: int) -> list[Any]:
    found = labels.tolist() if isinstance(labels, (np.ndarray, Tensor)) else list(labels)
    if len(found) != count:
        raise InfluenceError(f"batch {number}: {len(found)} {name} for {count} samples")
    if name == "groups":
        try:
            found = plain_groups(found)
        except InfluenceError as error:
            raise InfluenceError(f"batch {number}: {error}") from error
    return found


@dataclass(frozen=True)
class MemorySet:
    """A data set in memory, collected from an iterable of batches.

    Labels below zero and values that are NaN mean 'no ground truth'.

    Parameters
    ----------
    inputs, targets
        The fields of the samples.
    batches
        The batches as they were given.
    name, source
        Its name in tables, and its origin for messages.
    groups
        One label a sample, if there are groups.

    Examples
    --------
    >>> batches = [({"x": torch.zeros(2, 3)}, {"y": torch.zeros(2)})]
    >>> len(MemorySet.collect(batches))
    2
    """

    inputs: Mapping[str, Field]
    targets: Mapping[str, Field]
    batches: Sequence[GivenBatch] = field(repr=False)
    name: str = "data"
    source: str = "the data given"
    groups: NDArray[Any] | None = None

    @classmethod
    def collect(
        cls,
        batches: Iterable[Any],
        *,
        fields: Mapping[str, str] | None = None,
        contexts: Collection[str] = (),
    ) -> MemorySet:
        """Read every batch once; the parameters are those of `read_batch`.

        Raises
        ------
        InfluenceError
            If a batch has another form, if names change between batches, or if there is no sample.
        """
        read: list[GivenBatch] = []
        for number, item in enumerate(batches):
            batch = read_batch(
                item, number, fields=fields, contexts=contexts, first=read[0] if read else None
            )
            inputs, targets, shared = each_tensor(batch[:3], lambda x: x.detach().cpu())
            read.append(GivenBatch(inputs, targets, shared, batch.facts))
        if not read:
            raise InfluenceError("the data yielded no batch, expected one sample or more")
        read = _with_shared([batch for batch in read if batch.samples] or read[:1], contexts)
        if not read[0].samples:
            raise InfluenceError("the data yielded no sample, expected one or more")
        for number, batch in enumerate(read):
            check_truth(batch.targets, read[0].targets, number)
        described = cls({}, {}, read)
        inputs, targets = ({n: Field.of(x) for n, x in part.items()} for part in read[0][:2])
        inputs |= {n: Field((), False, ragged=True) for n in read[0].shared}
        for name in described._ragged:
            part, _, rest = name.partition("/")
            known = inputs if part == "inputs" else targets
            known[rest] = Field((), known[rest].integer, ragged=True)
        return cls(inputs, targets, read, groups=described._facts("groups"))

    @cached_property
    def _whole(self) -> dict[str, Values]:
        """The values of all samples in one piece, by part and name, where that can be made."""
        found: dict[str, Values] = {}
        for part in ("inputs", "targets"):
            for name in getattr(self.batches[0], part):
                values = [getattr(batch, part).get(name) for batch in self.batches]
                try:
                    found[f"{part}/{name}"] = values[0] if len(values) == 1 else join(values)
                except (RuntimeError, TypeError):  # shapes or kinds differ between batches
                    continue
        return found

    @cached_property
    def _ragged(self) -> list[str]:
        names = [f"{p}/{n}" for p in ("inputs", "targets") for n in getattr(self.batches[0], p)]
        return [name for name in names if name not in self._whole]

    @cached_property
    def uniform(self) -> bool:
        """Whether all samples have the same shapes, and all batches the same shared inputs."""
        first = self.batches[0].shared
        return not self._ragged and all(hold_same(b.shared, first) for b in self.batches)

    @cached_property
    def given(self) -> Sequence[NDArray[np.int64]]:
        """The indices of the samples of each batch as it was given."""
        ends = np.cumsum([batch.samples for batch in self.batches])
        return [np.arange(e - b.samples, e) for e, b in zip(ends, self.batches, strict=True)]

    @cached_property
    def digests(self) -> Sequence[str]:
        """For each batch as it was given, the digest of all samples up to its last one."""
        digest = RunningDigest()
        return [batch.add_to(digest) for batch in self.batches]

    @property
    def sha256(self) -> str:
        """What tells these data from others: a digest, ``xxh3:...``, wherever batches are cut."""
        return f"xxh3:{self.digests[-1]}"

    @cached_property
    def ids(self) -> Sequence[str]:
        """The names of the samples; by default their indices, as texts."""
        found = self._facts("ids")
        ids = list(map(str, range(len(self)) if found is None else found.tolist()))
        if found is not None:
            check_unique(ids, self.source)
        return ids

    def _facts(self, name: str) -> NDArray[Any] | None:
        found = [batch.facts.get(name) for batch in self.batches]
        if all(labels is None for labels in found):
            return None
        for number, labels in enumerate(found):
            if (labels is None) != (found[0] is None):
                given, first = ("without", "with") if labels is None else ("with", "without")
                raise InfluenceError(
                    f"batch {number} comes {given} {name}, the first one {first}: give them in all "
                    "batches or in none"
                )
        flat = [label for labels in found for label in labels or ()]
        if name == "groups":
            flat = plain_groups(flat)
        return np.array(flat, dtype=None if _are_numbers(flat) else object)

    def __len__(self) -> int:
        return sum(batch.samples for batch in self.batches)

    def read(self, indices: NDArray[np.int64]) -> Batch:
        """Read some samples, in this order.

        Raises
        ------
        InfluenceError
            If samples of several batches differ in shape, so that they make no batch.
        """
        number = int(np.searchsorted(self._ends, indices[0], side="right"))
        where = _as_slice(indices)
        shared = self.batches[number].shared
        if not self._ragged and self._whole:
            found = {name: take(values, where) for name, values in self._whole.items()}
        else:
            found = dict(self._gather(indices))
        inputs = {n: found[f"inputs/{n}"] for n in self.batches[0].inputs}
        targets = {n: as_truth(found[f"targets/{n}"]) for n in self.batches[0].targets}
        return Batch(indices, inputs, targets, shared=shared)

    @cached_property
    def _ends(self) -> NDArray[np.int64]:
        return np.cumsum([batch.samples for batch in self.batches])

    def _gather(self, indices: NDArray[np.int64]) -> Iterable[tuple[str, Values]]:
        numbers = np.searchsorted(self._ends, indices, side="right")
        cuts = np.flatnonzero(np.diff(numbers)) + 1
        pieces = [
            (self.batches[int(n[0])], _as_slice(i - self.given[int(n[0])][0]))
            for n, i in zip(np.split(numbers, cuts), np.split(indices, cuts), strict=True)
        ]
        for part in ("inputs", "targets"):
            for name in getattr(self.batches[0], part):
                values = [take(getattr(b, part)[name], where) for b, where in pieces]
                try:
                    yield f"{part}/{name}", values[0] if len(values) == 1 else join(values)
                except RuntimeError as error:
                    raise InfluenceError(
                        f"{self.source}: samples of {part}/{name} differ in shape, so that those "
                        "of several batches make no batch. Give them as lists with one tensor a "
                        "sample, or pad them alike in all batches"
                    ) from error


def _with_shared(batches: list[GivenBatch], contexts: Collection[str]) -> list[GivenBatch]:
    """Tell contexts of a batch from those of its samples where the numbers happen to agree.

    A context is one value for the batch if it is in any batch, or if all batches hold the same
    value, whose parts differ.
    """
    names = {
        name for batch in batches for name in (*batch.inputs, *batch.shared) if _in(name, contexts)
    }
    shared = {name for name in names if _is_shared(name, batches)}
    return [
        batch._replace(
            inputs={n: x for n, x in batch.inputs.items() if n not in shared},
            shared=batch.shared | {n: x for n, x in batch.inputs.items() if n in shared},
        )
        for batch in batches
    ]


def _in(name: str, contexts: Collection[str]) -> bool:
    return not {name, name.partition(".")[0]}.isdisjoint(contexts)


def _is_shared(name: str, batches: Sequence[GivenBatch]) -> bool:
    if any(name in batch.shared for batch in batches):
        return True
    first = batches[0].inputs[name]
    parts_differ = any(not hold_same(part, first[0]) for part in first[1:])
    same = (hold_same(batch.inputs[name], first) for batch in batches[1:])
    return len(batches) > 1 and parts_differ and all(same)


def _as_slice(indices: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return indices that follow one another as a slice, which is taken without a copy."""
    first, count = int(indices[0]), len(indices)
    run = int(indices[-1]) == first + count - 1 and (
        count < 3 or bool((np.diff(indices) == 1).all())
    )
    return slice(first, first + count) if run else indices


def check_truth(targets: Mapping[str, Values], first: Mapping[str, Values], number: int) -> None:
    """Raise InfluenceError if targets are labels in one batch and values in another."""
    for name, x in targets.items():
        known = first[name]
        if isinstance(x, list) or isinstance(known, list):
            continue
        if x.is_floating_point() != known.is_floating_point():
            labels = not known.is_floating_point()
            raise InfluenceError(
                f"batch {number}: targets/{name} holds {x.dtype}, and in the first batch "
                f"{'labels' if labels else 'values'}. Yield integers for labels, floating-point "
                "numbers for values"
            )


def as_truth(values: Values) -> Values:
    """Return ground truth as labels of type int64, or as values of float32 or float64."""
    if isinstance(values, list) or values.is_complex():
        return values
    return floating(values) if values.is_floating_point() else values.long()


def _are_numbers(labels: Sequence[Any]) -> bool:
    return all(isinstance(label, (int, float)) for label in labels)
