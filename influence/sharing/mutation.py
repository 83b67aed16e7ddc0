"""Mutation: operators that change a tensor in place, and when that does no harm to sharing."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

import torch
from torch import fx

from influence.errors import InfluenceError
from influence.sharing.joint_graph import overload

__all__ = ["Lenders", "check_mutation", "memory_of", "mutates", "out_of_place"]

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
