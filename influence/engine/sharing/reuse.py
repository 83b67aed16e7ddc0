"""Reuse: a module is run as it is, and each operator is computed once for the same arguments.

A graph need not be known for that. While the module runs under one condition after the other, every
call of a torch operator is looked up by the operator and its arguments. What depends only on inputs
that are muted alike was computed before, and is returned instead of being computed again. What
depends only on weights and on inputs that a constant replaces is kept from batch to batch. Results
are therefore those of separate passes, to the bit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_iter
from torch.utils.flop_counter import flop_registry

from influence.plan.setups import Condition

__all__ = ["Conflict", "CountFlops", "Reuse"]

Tags = frozenset[tuple[str, str]]
"""The inputs on which a value depends, each with the mute that replaces it; clean ones with ""."""

MEMORY = 2**29
"""The most bytes of results that are kept."""

ELEMENTWISE = 10
"""The cost in FLOPs of an element of the result of an operator whose FLOPs are not counted."""

OVERHEAD = {"cpu": 2e5, "cuda": 2e7}
"""The cost of looking up an operator, in FLOPs that the device computes in that time."""


def _weights_of_channel(values: Tensor, weight: Tensor, *_: Any) -> int:
    return weight[0].numel()


WHOLE: Mapping[Any, Callable[..., int]] = {
    torch.ops.aten.linear: _weights_of_channel,
    torch.ops.aten.conv1d: _weights_of_channel,
    torch.ops.aten.conv2d: _weights_of_channel,
    torch.ops.aten.conv3d: _weights_of_channel,
    torch.ops.aten.matmul: lambda one, other: one.shape[-1],
    torch.ops.aten.scaled_dot_product_attention: lambda query, key, value, *_: 2 * key.shape[-2],
}
"""For operators that consist of others the multiplications for one element of the result."""


class _Mode(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees every operator that torch calls inside the context."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Else torch imports its compiler, which takes seconds, at the first operator.
        return False


class CountFlops(_Mode):
    """Counts the FLOPs of matrix products, convolutions and attention inside the context.

    >>> with CountFlops() as counter:
    ...     _ = torch.ones(2, 3) @ torch.ones(3, 4)
    >>> counter.total
    48.0
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0.0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        self.total += _flops(func, args, kwargs or {}, result) or 0.0
        return result


class Conflict(Exception):
    """An operator would read a tensor that was changed in place since, under another condition."""


@dataclass(slots=True)
class _Mark:
    """What is known of a tensor: a name that no other value has, and what the value depends on."""

    name: int
    tags: Tags = frozenset()
    lasting: bool = False
    source: _Entry | None = None


@dataclass(slots=True)
class _Entry:
    """A result of an operator that is kept, and what it cost.

    The marks of its tensors, and how often their memory had been changed, are those that they had
    when they were made: an operator that changes a tensor in place returns the same tensor. A view
    holds only for the memory of which it is one. What was overwritten has to be computed again.
    """

    result: Any
    cost: float
    made: list[Tensor]
    marks: list[_Mark] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    view: bool = False
    overwritten: bool = False

    def serves(self, tensors: Sequence[Tensor], changed: Sequence[Tensor]) -> bool:
        """Return whether the result can stand for that of an operator with these arguments."""
        # An operator in place returns its argument, whatever is returned instead.
        if self.overwritten or not all(any(x is y for y in self.made) for x in changed):
            return False
        return not self.view or {_memory(x) for x in self.made} <= {_memory(x) for x in tensors}


class Reuse(_Mode):
    """Looks up every operator that a module calls, and computes it if its result is not kept.

    Parameters
    ----------
    weights
        The tensors of the module, which do not change.
    conditions
        The conditions in the order in which they are run in each batch.
    constant
        The mutes whose replacement is the same tensor in every batch of one size.
    device
        The type of device, such as ``cpu``, by which the cost of looking up is estimated.
    """

    def __init__(
        self,
        weights: Iterable[Tensor],
        conditions: Sequence[Condition],
        constant: Sequence[str],
        device: str,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = count()
        self._held = list(weights)  # so that no other tensor gets the identity of one of them
        self._weights = {id(w): _Mark(next(self._names), lasting=True) for w in self._held}
        self._memories = set(map(_memory, self._held))
        self.conditions, self._constant = conditions, frozenset(constant)
        self._kept: dict[Any, _Entry] = {}
        self._lasting: dict[Any, _Entry] = {}
        self._bytes = 0
        self._now = 0
        self._last: dict[Tags, int] = {}
        # How often the memory of a tensor was changed: really, and as this condition has seen it.
        self._changed: dict[int, int] = {}
        self._seen: dict[int, int] = {}
        # How often a result was asked for under this condition: a tensor that is made twice is two.
        self._asked: Counter[Any] = Counter()
        self.saved = self.spent = 0.0
        self._overhead, self.calls = OVERHEAD.get(device, OVERHEAD["cuda"]), 0

    @property
    def pays(self) -> bool:
        """Whether more was saved so far than looking up has cost."""
        return self.saved > self.calls * self._overhead

    def begin_batch(self) -> None:
        """Forget the results of the batch before."""
        for entry in self._kept.values():  # else tensors and entries would hold one another
            entry.result, entry.made = None, []
        self._kept.clear()
        self._bytes = sum(_bytes(entry.result) for entry in self._lasting.values())

    def begin(
        self, number: int, shown: Mapping[str, Tensor], mutes: Mapping[str, tuple[str, str]]
    ) -> None:
        """Prepare for a condition.

        Parameters
        ----------
        number
            Its index among the conditions.
        shown
            For each leaf its tensor. A tensor that was shown before is known again.
        mutes
            For each leaf the site and, as in `Tags`, its mute.
        """
        self._now, self._seen, self._asked = number, {}, Counter()
        for leaf, tensor in shown.items():
            first: _Mark | None = getattr(tensor, "_reuse_first", None)
            if first is None:
                _, mute = mutes[leaf]
                lasting = mute in self._constant
                first = _Mark(next(self._names), frozenset({mutes[leaf]}), lasting)
                self._introduce(tensor, first)
                tensor._reuse_first = first  # type: ignore[attr-defined]
            tensor._reuse_mark = first  # type: ignore[attr-defined]

    def confirm(self, outputs: Iterable[Any]) -> None:
        """Raise Conflict if a tensor in the outputs was changed under another condition."""
        for tensor in tree_iter(list(outputs)):
            if isinstance(tensor, Tensor):
                self._check(tensor)

    def _mark_of(self, tensor: Tensor) -> _Mark:
        mark: _Mark | None = self._weights.get(id(tensor)) or getattr(tensor, "_reuse_mark", None)
        if mark is None:  # a tensor that the module keeps outside its weights, or has just made
            mark = _Mark(next(self._names))
            self._introduce(tensor, mark)
        return mark

    def _introduce(self, tensor: Tensor, mark: _Mark) -> None:
        """Mark a tensor that no operator made here; its memory may have been that of another."""
        tensor._reuse_mark = mark  # type: ignore[attr-defined]
        if _memory(tensor) not in self._memories:
            for known in (self._changed, self._seen):
                known.pop(_memory(tensor), None)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        self.calls += 1
        tensors = [x for x in tree_iter((args, kwargs)) if isinstance(x, Tensor)]
        marks = [self._mark_of(x) for x in tensors]
        tags = frozenset(chain.from_iterable(mark.tags for mark in marks))
        lasting = all(mark.lasting for mark in marks)
        random = torch.Tag.nondeterministic_seeded in func.tags
        key = None if random else self._key(func, args, kwargs)
        found = None if key is None else self._kept.get(key) or self._lasting.get(key)
        changed = list(_changed_by(func, args, kwargs))
        if found and found.serves(tensors, changed):
            self.saved += found.cost
            for tensor, mark, version in zip(found.made, found.marks, found.versions, strict=True):
                tensor._reuse_mark = mark  # type: ignore[attr-defined]
                self._seen[_memory(tensor)] = version
            return _seen_anew(found.result, func, args, kwargs)
        for tensor in tensors:
            self._check(tensor)
        for tensor in changed:
            self._set_aside(tensor, tags)
        result = func(*args, **kwargs)
        lasting = lasting and not random
        flops = _flops(func, args, kwargs, result)
        return self._record(key, (tensors, changed), tags, lasting, result, flops, found)

    def _record(
        self,
        key: Any,
        used: tuple[list[Tensor], list[Tensor]],
        tags: Tags,
        lasting: bool,
        result: Any,
        flops: float | None,
        before: _Entry | None,
    ) -> Any:
        tensors, changed = used
        made = [x for x in tree_iter(result) if isinstance(x, Tensor)]
        made += [x for x in changed if not any(x is y for y in made)]
        cost = flops or float(ELEMENTWISE * sum(x.numel() for x in made))
        self.spent += cost
        entry = _Entry(result, cost, made)
        owned = {_memory(x) for x in tensors}
        for tensor in changed:
            self._change(self._changed, tensor)
            self._change(self._seen, tensor)
        later = self._last_use(tags) > self._now
        kept = key is not None and (lasting or later) and self._bytes < MEMORY
        # Values that were computed before have their names already.
        names = iter([mark.name for mark in before.marks] if before else self._names)
        for tensor in made:
            if _memory(tensor) not in owned:
                self._changed.pop(_memory(tensor), None)
                self._seen.pop(_memory(tensor), None)
            entry.marks.append(_Mark(next(names), tags, lasting, entry if kept else None))
            entry.versions.append(self._seen.get(_memory(tensor), 0))
            tensor._reuse_mark = entry.marks[-1]  # type: ignore[attr-defined]
            entry.view |= _memory(tensor) in owned and not any(tensor is x for x in changed)
            if kept:
                entries = [*getattr(tensor, "_reuse_entries", ()), entry]
                tensor._reuse_entries = entries  # type: ignore[attr-defined]
        if kept:
            self._bytes += sum(_bytes(x) for x in made if _memory(x) not in owned)
            (self._lasting if lasting else self._kept)[key] = entry
        return result

    def _set_aside(self, tensor: Tensor, tags: Tags) -> None:
        """Keep a copy of a tensor that is about to be changed by what depends on further inputs.

        A later condition may need the tensor as it was.
        """
        mark = self._mark_of(tensor)
        entry = mark.source
        if mark.tags == tags:
            return
        alone = entry is not None and entry.result is tensor and len(entry.made) == 1
        needed = mark.lasting or self._last_use(mark.tags) > self._now
        if (
            entry is not None
            and alone
            and needed
            and not entry.view
            and (self._seen.get(_memory(tensor), 0) == (version := entry.versions[0]))
        ):
            copy = tensor.clone()
            entry.result, entry.made = copy, [copy]
            self._changed[_memory(copy)] = self._seen[_memory(copy)] = version
        for earlier in getattr(tensor, "_reuse_entries", ()):
            earlier.overwritten |= any(x is tensor for x in earlier.made)

    def _last_use(self, tags: Tags) -> int:
        """Return the number of the last condition under which a value with these tags occurs."""
        if tags not in self._last:
            self._last[tags] = max(
                (
                    number
                    for number, (mute, setup) in enumerate(self.conditions)
                    if all((mute if site in setup else "") == own for site, own in tags)
                ),
                default=-1,
            )
        return self._last[tags]

    def _key(self, func: Any, args: Any, kwargs: Any) -> Any:
        try:
            key = (func, self._name(args), self._name(kwargs))
            hash(key)
        except TypeError:  # an argument that has no fixed value, such as a generator
            return None
        self._asked[key] += 1
        return key, self._asked[key]

    def _name(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._mark_of(value).name, self._seen.get(_memory(value), 0)
        if isinstance(value, (list, tuple)):
            return tuple(map(self._name, value))
        if isinstance(value, dict):
            return tuple((name, self._name(item)) for name, item in value.items())
        return type(value), value

    def _check(self, tensor: Tensor) -> None:
        memory = _memory(tensor)
        if self._changed.get(memory, 0) != self._seen.get(memory, 0):
            raise Conflict

    def _change(self, counts: dict[int, int], tensor: Tensor) -> None:
        counts[_memory(tensor)] = counts.get(_memory(tensor), 0) + 1


def _memory(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)


def _seen_anew(result: Any, func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """Return a kept result; of a view of a weight another one, as autograd gives each but once."""
    if not isinstance(result, Tensor) or result.is_inference() or func._schema.is_mutable:
        return result
    sources = (x for x in tree_iter((args, kwargs)) if isinstance(x, Tensor))
    if _memory(result) not in map(_memory, sources):
        return result
    again = func(*args, **kwargs)
    again._reuse_mark = result._reuse_mark  # type: ignore[attr-defined]
    return again


def _bytes(result: Any) -> int:
    return sum(x.nbytes for x in tree_iter(result) if isinstance(x, Tensor))


def _changed_by(func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterator[Tensor]:
    """Yield the arguments that an operator changes in place."""
    if not func._schema.is_mutable:
        return
    for place, argument in enumerate(func._schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            value = args[place] if place < len(args) else kwargs.get(argument.name)
            yield from (x for x in tree_iter(value) if isinstance(x, Tensor))


def _flops(
    func: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any], result: Any
) -> float | None:
    """Return the FLOPs of a call as torch counts them; `None` if it does not."""
    packet = func._overloadpacket
    try:
        if packet in WHOLE:  # torch counts the operators of which these are made
            return float(2 * result.numel() * WHOLE[packet](*args))
        count: Callable[..., Any] | None = flop_registry.get(packet)
        return None if count is None else float(count(*args, **kwargs, out_val=result))
    except Exception:  # a call of a form that torch does not count
        return None
