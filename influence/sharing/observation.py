"""Observation: a run of a graph on a few samples, and what it shows of every node."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils._pytree import tree_leaves

from influence.sharing.mutation import Lenders, check_mutation, mutates

__all__ = ["Observation", "Shapes", "observe"]

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
