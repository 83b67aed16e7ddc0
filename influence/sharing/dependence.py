"""Dependence: which inputs every node of a graph depends on, and where they first meet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import fx

from influence.sharing.joint_graph import only_metadata, overload

__all__ = ["Dependence", "find_dependence", "meeting_points"]


@dataclass(frozen=True)
class Dependence:
    """What the values of the nodes of a graph depend on.

    Parameters
    ----------
    inputs
        For each node the sites that its values depend on: modalities, and marked edges.
    sized
        The nodes whose values depend on the size of an input, as that of `zeros(len(x))` does.
    """

    inputs: dict[fx.Node, frozenset[str]]
    sized: frozenset[fx.Node]


def find_dependence(
    graph: fx.Graph, modalities: Sequence[str], *, edges: bool = True
) -> Dependence:
    """Follow the inputs through a graph.

    A node that only asks for a tensor's size depends on no value, unless the size itself comes
    from values, as the number of those above zero does.

    Parameters
    ----------
    graph
        As from `joint_graph`.
    modalities
        The names of its placeholders, in order.
    edges
        Whether marked edges count as sites of their own.
    """
    names = iter(modalities)
    inputs: dict[fx.Node, frozenset[str]] = {}
    sized: set[fx.Node] = set()
    counted: set[fx.Node] = set()  # whose size may depend on values
    for node in graph.nodes:
        if _counts(node) or any(arg in counted for arg in node.all_input_nodes):
            counted.add(node)
        if node.op == "placeholder":
            inputs[node] = frozenset({next(names)})
        elif only_metadata(node) and node not in counted:
            inputs[node] = frozenset()
        else:
            inputs[node] = frozenset().union(*(inputs[arg] for arg in node.all_input_nodes))
        if edges and "edge" in node.meta:
            inputs[node] |= {node.meta["edge"][0]}
        if only_metadata(node) or any(arg in sized for arg in node.all_input_nodes):
            sized.add(node)
    return Dependence(inputs, frozenset(sized))


def _counts(node: fx.Node) -> bool:
    tags = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output}
    found = overload(node)
    return found is not None and not tags.isdisjoint(found.tags)


def meeting_points(graph: fx.Graph, dependence: Dependence) -> Iterator[tuple[fx.Node, list[str]]]:
    """List the nodes at which modalities first meet, with those that meet there.

    A node is listed if it depends on more modalities than any of its arguments.

    Examples
    --------
    >>> graph = fx.Graph()
    >>> x, y = graph.placeholder("x"), graph.placeholder("y")
    >>> total = graph.call_function(max, (x, y))
    >>> _ = graph.output(graph.call_function(abs, (total,)))
    >>> list(meeting_points(graph, find_dependence(graph, ["x", "y"])))
    [(max_1, ['x', 'y'])]
    """
    for node in graph.nodes:
        found = dependence.inputs[node]
        if node.op == "call_function" and all(
            len(dependence.inputs[arg]) < len(found) for arg in node.all_input_nodes
        ):
            yield node, sorted(found)
