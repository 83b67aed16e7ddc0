"""Aliasing: which results of a graph share memory, and which operators change a tensor in place.

A value may be reused only if no later operator changes it in place, so both must be known.
"""

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
    "Aliases",
    "Observation",
    "aliases_of",
    "check_mutation",
    "mutates",
    "observe",
    "out_of_place",
]

Aliases = Mapping[fx.Node, Collection[fx.Node]]
"""For each node, the arguments with which its result shares memory."""


@dataclass(frozen=True)
class Observation:
    """The shapes and the shared memory of the nodes of a graph, recorded while running it.

    Parameters
    ----------
    shapes
        The shape of each node's tensor, for each list of inputs; nodes that return other objects
        are left out.
    aliases
        The arguments with which a node's result shares memory for at least one list of inputs.
    """

    shapes: tuple[Mapping[fx.Node, tuple[int, ...]], ...]
    aliases: Aliases


def observe(graph: fx.GraphModule, *inputs: Sequence[Tensor]) -> Observation:
    """Run a graph on several lists of inputs, and record shapes and shared memory.

    The schemas of operators declare which results are views, but not reliably: dropout in
    evaluation mode returns its argument itself. Therefore the addresses of memory are compared.

    Parameters
    ----------
    graph
        A graph as returned by `influence.engine.sharing.graph.joint_graph`.
    inputs
        Lists with one tensor for each placeholder.

    Raises
    ------
    InfluenceError
        If the graph changes a tensor in place that other nodes read. It is raised before the change
        is made.

    Examples
    --------
    >>> graph = fx.Graph()
    >>> x = graph.placeholder("x")
    >>> y = graph.call_function(torch.ops.aten.dropout.default, (x, 0.5, False))
    >>> _ = graph.output((y,))
    >>> observation = observe(fx.GraphModule({}, graph), [torch.ones(2)])
    >>> observation.shapes[0][y], observation.aliases[y]
    ((2,), {x})
    """
    aliases: dict[fx.Node, set[fx.Node]] = {}
    shapes = []
    for tensors in inputs:
        observer = _Observer(graph, aliases)
        observer.run(*tensors)
        shapes.append(observer.shapes)
    return Observation(tuple(shapes), aliases)


class _Observer(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, aliases: dict[fx.Node, set[fx.Node]]) -> None:
        super().__init__(graph)
        self.aliases = aliases
        self.shapes: dict[fx.Node, tuple[int, ...]] = {}

    def run_node(self, n: fx.Node) -> Any:
        if mutates(n):
            check_mutation(n, self.aliases)
        result = super().run_node(n)
        if isinstance(result, Tensor):
            self.shapes[n] = tuple(result.shape)
        memory = _memory(result)
        found = {arg for arg in n.all_input_nodes if memory & _memory(self.env[arg])}
        self.aliases.setdefault(n, set()).update(found)
        return result

    def call_function(self, target: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if isinstance(target, torch._ops.HigherOrderOperator):
            # Inner graphs, as `torch.autocast` makes them, are observed too.
            args = tuple(
                _Observer(a, self.aliases).run if isinstance(a, fx.GraphModule) else a for a in args
            )
        return super().call_function(target, args, kwargs)


def _memory(value: Any) -> set[int]:
    """Return the addresses of the memory of all tensors in a value."""
    tensors = (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))
    return {tensor.untyped_storage().data_ptr() for tensor in tensors} - {0}


def aliases_of(node: fx.Node, aliases: Aliases) -> Iterator[fx.Node]:
    """List the node itself, then the earlier nodes with which its result shares memory."""
    pending, seen = [node], {node}
    while pending:
        found = pending.pop()
        yield found
        new = [n for n in aliases.get(found, ()) if n not in seen]
        pending += new
        seen.update(new)


def mutates(node: fx.Node) -> bool:
    """Return whether a node changes one of its arguments in place, as `relu_` does."""
    found = overload(node)
    return found is not None and found._schema.is_mutable


def check_mutation(node: fx.Node, aliases: Aliases) -> None:
    """Check that a change in place can be replaced by a change of a copy.

    This holds if the changed tensor is the first argument, was made in this graph, and has no other
    user, neither directly nor through a tensor that shares its memory.

    Raises
    ------
    InfluenceError
        If a copy could give other results.
    """
    changed = node.args[0] if node.args else None
    unshared = isinstance(changed, fx.Node) and all(
        found.op == "call_function" and len(found.users) == 1
        for found in aliases_of(changed, aliases)
    )
    if not (unshared and node.users):
        raise InfluenceError(
            f"it changes a tensor in place ({node.target}) that is used elsewhere too"
        )


def out_of_place(node: fx.Node) -> Callable[..., Any]:
    """Return the operator that computes the result of a mutating operator as a new tensor.

    Raises
    ------
    InfluenceError
        If torch has no such operator.

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
