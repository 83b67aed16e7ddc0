"""Mutation: operators that change a tensor in place, and when that does no harm to sharing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import fx

from influence.errors import InfluenceError
from influence.sharing.joint_graph import overload

__all__ = ["check_mutations", "mutates", "out_of_place"]


def mutates(node: fx.Node) -> bool:
    """Say whether a node changes one of its arguments in place, as `relu_` does."""
    found = overload(node)
    return found is not None and found._schema.is_mutable


def check_mutations(graph: fx.Graph) -> None:
    """Raise InfluenceError unless every change in place could as well be made on a copy.

    That is so if the changed tensor is the first argument, was made in this graph, and is looked
    at by nobody else, neither directly nor through a view.
    """
    for node in graph.nodes:
        if mutates(node) and not (node.users and node.args and _owned(node.args[0])):
            raise InfluenceError(
                f"it changes a tensor in place ({node.target}) that is used elsewhere too"
            )


def _owned(argument: Any) -> bool:
    """Say whether a tensor has one user and lies in memory that nothing else sees."""
    while isinstance(argument, fx.Node) and len(argument.users) == 1:
        found = overload(argument)
        if found is None:
            return False
        if not any(result.alias_info for result in found._schema.returns):
            return True
        argument = argument.args[0]
    return False


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
    name, _, kind = found._schema.name.removeprefix("aten::"), None, found._overloadname
    packet = getattr(torch.ops.aten, name.removesuffix("_"), None)
    if not name.endswith("_") or packet is None or kind not in packet.overloads():
        raise InfluenceError(f"it calls {found}, which has no variant that leaves its input alone")
    replacement: Callable[..., Any] = getattr(packet, kind)
    return replacement
