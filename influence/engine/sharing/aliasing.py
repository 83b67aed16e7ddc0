"""Observation: a run of a graph on a few samples, and what it shows of every node."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from influence.engine.sharing.graph import overload
from influence.errors import InfluenceError

__all__ = [
    "Lenders",
    "Observation",
    "Shapes",
    "check_mutation",
    "memory_of",
    "mutates",
    "observe",
    "out_of_place",
]


Shapes = Mapping[fx.Node, tuple[int, ...]]


@dataclass(frozen=True)
class Observation:
    """What was seen of the nodes of a graph.

    Parameters
    ----------
    shapes
        The shape of every tensor that a node gives, on each of the inputs.
    lenders
        For each node the arguments in whose memory its result lies, on one of the inputs at least.
    """

    shapes: tuple[Shapes, ...]
    lenders: Lenders


def observe(graph: fx.GraphModule, *inputs: Sequence[Tensor]) -> Observation:
    """Run a graph on one list of inputs after the other.

    Operators say which of their results are views, but not all of them tell the truth: dropout
    that is off returns its very argument. So the memory is looked at.

    Parameters
    ----------
    graph
        As from `joint_graph`.
    inputs
        Each with one tensor a placeholder.

    Raises
    ------
    InfluenceError
        If the graph changes a tensor in place that others see too; it is not run any further.

    Examples
    --------
    >>> graph = fx.Graph()
    >>> x = graph.placeholder("x")
    >>> y = graph.call_function(torch.ops.aten.dropout.default, (x, 0.5, False))
    >>> _ = graph.output((y,))
    >>> observation = observe(fx.GraphModule({}, graph), [torch.ones(2)])
    >>> observation.shapes[0][y], observation.lenders[y]
    ((2,), {x})
    """
    lenders: dict[fx.Node, set[fx.Node]] = {}
    shapes = []
    for tensors in inputs:
        observer = _Observer(graph, lenders)
        observer.run(*tensors)
        shapes.append(observer.shapes)
    return Observation(tuple(shapes), lenders)


class _Observer(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, lenders: dict[fx.Node, set[fx.Node]]) -> None:
        super().__init__(graph)
        self.lenders = lenders
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if mutates(n):
            check_mutation(n, self.lenders)
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.shapes[n] = tuple(result.shape)
        places = _memory(result)
        found = {arg for arg in n.all_input_nodes if places & _memory(self.env[arg])}
        self.lenders.setdefault(n, set()).update(found)
        return result

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(target, torch._ops.HigherOrderOperator):
            args = tuple(self._observed(a) if isinstance(a, fx.GraphModule) else a for a in args)
        return super().call_function(target, args, kwargs)

    def _observed(self, graph: fx.GraphModule) -> Callable[..., Any]:
        """Return a graph within the graph, as `torch.autocast` makes it, to be observed as well."""
        return _Observer(graph, self.lenders).run


def _memory(value: Any) -> set[int]:
    tensors = (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
    return {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}


Lenders = Mapping[fx.Node, Collection[fx.Node]]
"""For each node the arguments in whose memory its result lies."""


def mutates(node: fx.Node) -> bool:
    """Say whether a node changes one of its arguments in place, as `relu_` does."""
    found = overload(node)
    return found is not None and found._schema.is_mutable


def check_mutation(node: fx.Node, lenders: Lenders) -> None:
    """Raise InfluenceError unless a change in place could as well be made on a copy.

    That is so if the changed tensor is the first argument, was made in this graph, and is looked
    at by nobody else, neither directly nor through another tensor in the same memory.
    """
    changed = node.args[0] if node.args else None
    alone = isinstance(changed, fx.Node) and all(
        found.op == "call_function" and len(found.users) == 1
        for found in memory_of(changed, lenders)
    )
    if not (alone and node.users):
        raise InfluenceError(
            f"it changes a tensor in place ({node.target}) that is used elsewhere too"
        )


def memory_of(node: fx.Node, lenders: Lenders) -> Iterator[fx.Node]:
    """List the nodes in whose memory the result of a node lies, itself first."""
    pending, seen = [node], {node}
    while pending:
        found = pending.pop()
        yield found
        new = [n for n in lenders.get(found, ()) if n not in seen]
        pending += new
        seen.update(new)


def out_of_place(node: fx.Node) -> Callable[..., Any]:
    """Return the operator that gives the result of a mutating one as a new tensor.

    Raises
    ------
    InfluenceError
        If torch has none.

    Examples
    --------
    >>> graph = fx.Graph()
    >>> node = graph.call_function(torch.ops.aten.relu_.default, (graph.placeholder("x"),))
    >>> out_of_place(node)
    <OpOverload(op='aten.relu', overload='default')>
    """
    found = overload(node)
    assert found is not None, "only operators with a schema are known to mutate"
    name, kind = found._schema.name.removeprefix("aten::"), found._overloadname
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    if not name.endswith("_") or packet is None or kind not in packet.overloads():
        raise InfluenceError(f"it calls {found}, which has no variant that leaves its input alone")
    replacement: Callable[..., Any] = getattr(packet, kind)
    return replacement
