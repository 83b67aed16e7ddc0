"""Values: what one input or target of a batch is, a tensor or a list with one entry a sample.

A list holds what cannot be stacked: texts, points of varying number, pictures of varying size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeGuard

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils._pytree import tree_map_only

__all__ = ["Values", "cast", "each_tensor", "hold_same", "is_batched", "join", "take"]

Values = Tensor | list[Any]
Where = slice | NDArray[np.int64]


def is_batched(values: object, samples: int | None = None) -> TypeGuard[Values]:
    """Return whether values have an axis of samples, of the given length if there is one.

    >>> is_batched(torch.zeros(2, 3)), is_batched(["a", "b"], 3), is_batched(torch.zeros(()))
    (True, False, False)
    """
    if isinstance(values, Tensor):
        # In a trace, `len` would fix the number of samples.
        return values.ndim > 0 and samples in (None, values.shape[0])
    return isinstance(values, list) and samples in (None, len(values))


def take(values: Values, where: Where) -> Values:
    """Return the values of some samples.

    >>> take(["a", "b", "c"], np.array([2, 0]))
    ['c', 'a']
    """
    if isinstance(values, list):
        return values[where] if isinstance(where, slice) else [values[i] for i in where.tolist()]
    if isinstance(where, slice):
        start, stop, _ = where.indices(values.shape[0])
        return values.narrow(0, start, max(stop - start, 0))
    return values.index_select(0, torch.from_numpy(where).to(values.device))


def join(parts: Sequence[Values]) -> Values:
    """Concatenate the values of several batches.

    Raises
    ------
    RuntimeError
        If tensors differ in the shape of a sample, or some are lists.
    """
    if all(isinstance(part, list) for part in parts):
        return [value for part in parts for value in part]
    if any(isinstance(part, list) for part in parts):
        raise RuntimeError("some are tensors, others lists")
    return torch.cat([part for part in parts if isinstance(part, Tensor)])


def cast(values: Any, device: torch.device, dtype: torch.dtype | None) -> Any:
    """Move all tensors in values to a device, real floating-point ones to a type if one is given.

    All other types stay: integers, booleans and complex numbers mean something else as floats.

    >>> moved = cast([torch.ones(1).double(), torch.ones(1).int()], torch.device("cpu"), torch.half)
    >>> [x.dtype for x in moved]
    [torch.float16, torch.int32]
    """

    def move(x: Tensor) -> Tensor:
        return x.to(device, dtype if x.is_floating_point() else None, non_blocking=True)

    return move(values) if isinstance(values, Tensor) else tree_map_only(Tensor, move, values)


def each_tensor(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """Apply a function to every tensor in values."""
    return tree_map_only(Tensor, change, values)


def hold_same(one: Any, other: Any) -> bool:
    """Return whether two values are equal, tensors to the bit.

    >>> hold_same({"k": torch.eye(2)}, {"k": torch.eye(2)}), hold_same([1], [2])
    (True, False)
    """
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(hold_same(one[k], other[k]) for k in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(hold_same, one, other))
    return bool(one == other)
