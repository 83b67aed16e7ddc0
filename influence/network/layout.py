"""Layout: where the values of each modality lie in what a network takes, and outputs in the result.

What a network is called with may be nested, and one tensor may hold several modalities. Here it is
taken apart into leaves, each of which belongs to one input of the network, and put together again.
Whatever mutes, exchanges or counts values deals with leaves only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from influence.errors import InfluenceError
from influence.network.modality import Modality, Output, claim_tensors
from influence.runtime.nesting import describe, follow
from influence.runtime.values import is_batched

__all__ = ["Layout", "pick_outputs"]


class _Part(NamedTuple):
    """A part of a tensor along an axis, which is a leaf; the whole tensor if the axis is 0."""

    leaf: str
    axis: int = 0
    start: int = 0
    stop: int | None = None


class Layout:
    """The leaves of a network's inputs: which there are, and to which input each belongs.

    Parameters
    ----------
    inputs
        The inputs of the network.

    Raises
    ------
    InfluenceError
        If two inputs claim one tensor, or a slice is not valid.

    Examples
    --------
    >>> layout = Layout([Modality("rgb", path="img.rgb"), Modality("depth", path="img.depth")])
    >>> leaves = layout.split({"img.rgb": torch.zeros(2, 3), "img.depth": torch.ones(2, 1)})
    >>> {name: list(values) for name, values in layout.join(leaves).items()}
    {'img': ['rgb', 'depth']}
    >>> layout.owners
    {'img.rgb': 'rgb', 'img.depth': 'depth'}
    """

    def __init__(self, inputs: Sequence[Modality]) -> None:
        self.owners: dict[str, str] = {}
        """Leaf -> the name of the input to which it belongs, in the order of the arguments."""
        self._parts: dict[str, list[_Part]] = {}
        claims = _claims(inputs)
        self._contexts = {m.name for m in inputs if m.role == "context"}
        for modality in inputs:
            for tensor in claim_tensors(modality):
                owner = claims.get(tensor, modality.name)
                if tensor in self._contexts and tensor != modality.name:
                    continue  # its place among the arguments is that of the context
                part = _part_of(modality, tensor)
                if part.leaf in self.owners:
                    raise InfluenceError(
                        f"input {modality.name!r} has the name of a tensor or a part of one that "
                        "belongs to another input. Give it another name"
                    )
                self._parts.setdefault(tensor, []).append(part)
                self.owners[part.leaf] = owner
        for tensor, parts in self._parts.items():
            self._fill_gaps(tensor, parts)
        self._tensors = {p.leaf: t for t, parts in self._parts.items() for p in parts}
        order = {leaf: self.owners[leaf] for parts in self._parts.values() for leaf, *_ in parts}
        self.owners = order

    @property
    def leaves(self) -> list[str]:
        """The names of the leaves, in the order of the arguments."""
        return list(self.owners)

    @property
    def contexts(self) -> set[str]:
        """The names in the data of what is only passed to the network."""
        return {
            self._tensors[leaf] for leaf, owner in self.owners.items() if owner in self._contexts
        }

    def of(self, modality: str) -> list[str]:
        """Return the leaves of an input."""
        return [leaf for leaf, owner in self.owners.items() if owner == modality]

    def tensor_of(self, leaf: str) -> str:
        """Return the name in the data of the tensor of which a leaf is the whole or a part."""
        return self._tensors[leaf]

    def is_part(self, leaf: str) -> bool:
        """Return whether a leaf is only a part of its tensor."""
        return len(self._parts[self._tensors[leaf]]) > 1

    def _fill_gaps(self, tensor: str, parts: list[_Part]) -> None:
        """Add a leaf, owned by no modality, for what no slice of a tensor covers."""
        if len(parts) == 1 and not parts[0].axis:
            return
        axes = {part.axis for part in parts}
        parts.sort(key=lambda part: part.start)
        ends = [part.stop for part in parts]
        starts = [part.start for part in parts[1:]]
        if len(axes) > 1 or any(e is None or e > s for e, s in zip(ends, starts, strict=False)):
            raise InfluenceError(
                f"the inputs {', '.join(part.leaf for part in parts)} claim the same part of "
                f"{tensor!r}. Give each its own tensor, or slices (axis, start, stop) of one axis "
                "that do not overlap"
            )
        axis, end, whole = parts[0].axis, 0, list[_Part]()
        for part in parts:
            if part.start > end:
                whole.append(_Part(f"{tensor}[{end}:{part.start}]", axis, end, part.start))
            whole.append(part)
            end = part.stop or -1
        if end >= 0:
            whole.append(_Part(f"{tensor}[{end}:]", axis, end))
        for part in whole:
            self.owners.setdefault(part.leaf, part.leaf)
        parts[:] = whole

    def split(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the leaves in the inputs of a batch; see `JointNetwork.split`."""
        leaves: dict[str, Any] = {}
        for tensor, parts in self._parts.items():
            values = _find(inputs, tensor)
            for leaf, axis, start, stop in parts:
                leaves[leaf] = _narrow(values, leaf, axis, start, stop) if axis else values
        return leaves

    @property
    def tensors(self) -> list[str]:
        """The names of the whole tensors in the data, in the order of the arguments."""
        return list(self._parts)

    def whole(self, leaves: Mapping[str, Any]) -> dict[str, Any]:
        """Put parts together again: return the whole tensors by their names in the data."""
        found = {}
        for tensor, parts in self._parts.items():
            values = [leaves[part.leaf] for part in parts]
            found[tensor] = values[0] if len(parts) == 1 else _cat(values, parts)
        return found

    def join(self, leaves: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the network by name, nested as the data hold them."""
        found: dict[str, Any] = {}
        for tensor, values in self.whole(leaves).items():
            _place(found, tensor.split("."), values)
        return {name: _as_lists(value) for name, value in found.items()}

    def count(self, leaves: Mapping[str, Any]) -> int:
        """Return the number of samples in a batch of leaves.

        It is that of the inputs that can be muted; a context may be one value for the whole batch.
        """
        own = [leaves[leaf] for leaf, owner in self.owners.items() if owner not in self._contexts]
        values = next(values for values in (*own, *leaves.values()) if is_batched(values))
        # In a trace, `len` would fix the number of samples.
        return values.shape[0] if isinstance(values, Tensor) else len(values)


def _claims(inputs: Sequence[Modality]) -> dict[str, str]:
    """Return the source to which each tensor belongs; slices belong to several."""
    owners: dict[str, str] = {}
    for modality in inputs:
        if modality.role != "source":
            continue
        for tensor in claim_tensors(modality):
            if modality.slice is None and tensor in owners:
                raise InfluenceError(
                    f"the inputs {owners[tensor]!r} and {modality.name!r} claim the same tensor "
                    f"{tensor!r}. Give each tensor to one of them, or declare slices of it"
                )
            if modality.slice is None:
                owners[tensor] = modality.name
    return owners


def _part_of(modality: Modality, tensor: str) -> _Part:
    if modality.slice is None or tensor in modality.moves_with:
        return _Part(tensor)
    axis, start, stop = modality.slice
    if axis < 1 or start < 0 or (stop is not None and stop <= start):
        raise InfluenceError(
            f"input {modality.name!r}: slice {modality.slice} is not valid; expected (axis, start, "
            "stop) with an axis from 1, places counted from 0, and None for the end"
        )
    first = tensor == claim_tensors(modality)[0]
    leaf = modality.name if first else f"{tensor}[{modality.name}]"
    return _Part(leaf, axis, start, stop)


def _narrow(values: Any, leaf: str, axis: int, start: int, stop: int | None) -> Tensor:
    shape = tuple(values.shape) if isinstance(values, Tensor) else None
    if (
        not isinstance(values, Tensor)
        or shape is None
        or axis >= len(shape)
        or max(start, stop or 0) > shape[axis]
    ):
        raise InfluenceError(
            f"input {leaf!r} is places {start} to {stop or 'the end'} of axis {axis}, and its "
            f"tensor has the shape {shape}. Correct the slice"
        )
    return values.narrow(axis, start, (stop or shape[axis]) - start)


def _cat(values: Sequence[Any], parts: Sequence[_Part]) -> Any:
    absent = any(value is None for value in values)
    return None if absent else torch.cat(list(values), dim=parts[0].axis)


def _find(inputs: Mapping[str, Any], name: str) -> Any:
    if name in inputs:
        return inputs[name]
    inside = {n.removeprefix(f"{name}."): x for n, x in inputs.items() if n.startswith(f"{name}.")}
    if inside:
        nested: dict[str, Any] = {}
        for path, values in inside.items():
            _place(nested, path.split("."), values)
        return nested
    try:
        return follow(inputs, name)
    except InfluenceError as error:
        raise InfluenceError(
            f"expected the input {name!r}, the data hold {sorted(inputs)}. Rename one or the "
            "other, or say where it lies: Modality(path=...)"
        ) from error


def _place(into: dict[str, Any], path: Sequence[str], value: Any) -> None:
    for step in path[:-1]:
        into = into.setdefault(step, {})
    into[path[-1]] = value


def _as_lists(value: Any) -> Any:
    """Turn the containers that `_place` made for the steps 0, 1, ... into lists."""
    if not isinstance(value, dict):
        return value
    inner = {key: _as_lists(item) for key, item in value.items()}
    places = [str(i) for i in range(len(inner))]
    return [inner[i] for i in places] if inner and sorted(inner) == sorted(places) else inner


def pick_outputs(returned: Any, outputs: Sequence[Output]) -> dict[str, Any]:
    """Find the outputs in what a network returned; what is left over is not an output.

    An output is found by its `pick`; without one by its name in a mapping or an object, by its
    place in a tuple or list.

    Parameters
    ----------
    returned
        What the network returned.
    outputs
        The declared outputs.

    Raises
    ------
    InfluenceError
        If an output is not there.

    Examples
    --------
    >>> pick_outputs({"loss": 0, "logits": 7}, [Output("label", pick="logits")])
    {'label': 7}
    >>> pick_outputs(("prediction", "state"), [Output("y")])
    {'y': 'prediction'}
    """
    named = isinstance(returned, Mapping) or is_dataclass(returned)
    # A list with one entry a sample, such as the detections in each picture, is one output.
    listed = isinstance(returned, list) and not any(isinstance(x, Tensor) for x in returned)
    single = isinstance(returned, Tensor) or (listed and len(outputs) == 1)
    places = (returned,) if single else returned
    found = {}
    for place, output in enumerate(outputs):
        path = output.pick if output.pick is not None else output.name if named else place
        try:
            found[output.name] = follow(returned if output.pick is not None else places, path)
        except InfluenceError as error:
            raise InfluenceError(
                f"returned {describe(returned)}, expected {len(outputs)} outputs: "
                f"{', '.join(o.name for o in outputs)}, and {error}. Name the outputs as the "
                f"network does, or say where this one is: Output({output.name!r}, pick=...)"
            ) from error
    return found
