"""Graph: a joint network as a graph of operators, and the inputs on which each node depends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, fx, nn

from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.network.programs.export import trace_program
from influence.network.programs.program import Program
from influence.runtime.values import is_batched

__all__ = [
    "Dependence",
    "find_dependence",
    "joint_graph",
    "meeting_points",
    "only_metadata",
    "overload",
]

_SIZES = frozenset(
    {"sym_is_contiguous", "sym_numel", "sym_size", "sym_storage_offset", "sym_stride"}
)
"""Operators that read the metadata of a tensor, not its values."""

_GUARDS = "_guards_fn"
"""Torch's name for the module that checks whether a trace is valid for given inputs."""


def joint_graph(network: JointNetwork, examples: Mapping[str, Tensor]) -> fx.GraphModule:
    """Return a network as a graph of operators whose inputs and outputs are ordered tensors.

    An exported program contains its graph; any other module is traced with `torch.export`.

    Parameters
    ----------
    network
        In evaluation mode.
    examples
        For each leaf a tensor of two or more samples, on the network's device.

    Returns
    -------
    fx.GraphModule
        Takes one tensor for each leaf and returns a tuple with one tensor for each output, both in
        the order of the network's facts. Weights are shared with the network. Its
        ``meta["check"]`` raises an error for inputs of shapes for which the graph is not valid.

    Raises
    ------
    InfluenceError
        If torch cannot trace the network.

    Examples
    --------
    >>> class Sum(nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> graph = joint_graph(net, {"x": torch.ones(2, 1), "y": torch.ones(2, 1)})
    >>> [node.op for node in graph.graph.nodes]
    ['placeholder', 'placeholder', 'call_function', 'output']
    """
    if isinstance(network.module, Program):
        return _of_program(network, network.module)
    leaves = network.layout.leaves
    samples = network.layout.count(examples)
    for leaf in leaves:
        if not (isinstance(examples[leaf], Tensor) and is_batched(examples[leaf], samples)):
            raise InfluenceError(f"its input {leaf!r} is no tensor with samples first")
    ordered = tuple(examples[leaf] for leaf in leaves)
    ordered_shapes = [x.shape for x in ordered]
    with torch.no_grad():
        traced = trace_program(_Positional(network), ordered, fixed=network.fixed_size)
    found = cast(Callable[..., fx.GraphModule], traced.module)()
    if not hasattr(found, _GUARDS):
        raise InfluenceError(
            f"torch {torch.__version__} does not say for which sizes a trace holds, which takes a "
            "later one"
        )
    for node in found.graph.find_nodes(op="call_module", target=_GUARDS):
        found.graph.erase_node(node)
    for node in found.graph.nodes:
        # Paths without the wrapper module, in which the network is called 'module'.
        stack = node.meta.get("nn_module_stack", {}).items()
        node.meta["nn_module_stack"] = {k: (path.partition(".")[2], t) for k, (path, t) in stack}
    graph = _rebuilt(found, found.graph, len(ordered), range(len(network.outputs)))
    graph.meta["check"] = partial(_check_traced, found.get_submodule(_GUARDS), ordered_shapes)
    return graph


def _check_traced(
    guards: Callable[..., Any], shapes: Sequence[torch.Size], inputs: Sequence[Tensor]
) -> None:
    for shape, found in zip(shapes, inputs, strict=True):
        # A trace is not valid for axes of length 1, but torch has no guard against them.
        assert len(shape) == found.ndim
        assert all(a == b or b > 1 for a, b in zip(shape[1:], found.shape[1:], strict=True))
    guards(*inputs)


class _Positional(nn.Module):
    """A joint network as a module whose inputs and outputs are ordered tensors."""

    def __init__(self, network: JointNetwork) -> None:
        super().__init__()
        self.module = network.module
        self.call = network.__call__
        self.names = network.layout.leaves

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.call(dict(zip(self.names, inputs, strict=True))).values())


def _of_program(network: JointNetwork, program: Program) -> fx.GraphModule:
    names = list(program.interface.output_names)
    order = [i if None in names else names.index(o.name) for i, o in enumerate(network.outputs)]
    joined = network.call == "channels"
    source = program.graph_module
    graph = _rebuilt(source, source.graph, len(network.layout.leaves), order, joined=joined)
    graph.meta["check"] = partial(_check_program, program, joined)
    return graph


def _check_program(program: Program, joined: bool, inputs: Sequence[Tensor]) -> None:
    shapes = [tuple(x.shape) for x in inputs]
    if joined:
        samples, _, *rest = shapes[0]
        shapes = [(samples, sum(shape[1] for shape in shapes), *rest)]
    program.interface.check(shapes)


def _rebuilt(
    root: nn.Module,
    source: fx.Graph,
    count: int,
    order: Sequence[int],
    *,
    joined: bool = False,
) -> fx.GraphModule:
    """Copy a graph with `count` placeholders; if `joined`, they are concatenated as channels."""
    graph = fx.Graph()
    inputs = [graph.placeholder(f"input_{i + 1}") for i in range(count)]
    if joined:
        inputs = [graph.call_function(torch.ops.aten.cat.default, (inputs, 1))]
    taken = iter(inputs)
    copies: dict[fx.Node, Any] = {}
    for node in source.nodes:
        if node.op == "placeholder":
            copies[node] = next(taken)
        elif node.op == "output":
            results = list(fx.node.map_arg(node.args[0], copies.__getitem__))
            graph.output(tuple(results[i] for i in order))
        elif node.op in ("call_function", "get_attr"):
            copies[node] = graph.node_copy(node, copies.__getitem__)
        else:
            raise InfluenceError(f"its graph calls {node.target!r}, expected operators only")
    return fx.GraphModule(root, graph)


def overload(node: fx.Node) -> torch._ops.OpOverload | None:
    """Return the torch operator that a node calls; `None` for all other nodes."""
    return node.target if isinstance(node.target, torch._ops.OpOverload) else None


def only_metadata(node: fx.Node) -> bool:
    """Return whether a node reads the size of a tensor, not its values."""
    found = overload(node)
    return found is not None and found._schema.name.removeprefix("aten::") in _SIZES


@dataclass(frozen=True)
class Dependence:
    """The sites on which the values of the nodes of a graph depend.

    Parameters
    ----------
    inputs
        For each node, the modalities and marked edges on whose values it depends.
    sized
        The nodes that depend on the size of an input, such as `zeros(len(x))`.
    """

    inputs: dict[fx.Node, frozenset[str]]
    sized: frozenset[fx.Node]


def find_dependence(
    graph: fx.Graph, modalities: Sequence[str], *, edges: bool = True
) -> Dependence:
    """Find the inputs on which each node of a graph depends.

    A node that only reads the size of a tensor does not depend on its values, unless the size
    itself does, such as the number of elements above zero.

    Parameters
    ----------
    graph
        A graph as returned by `joint_graph`.
    modalities
        For each placeholder, in order, the name of the input to which it belongs.
    edges
        Whether marked edges count as sites, as modalities do.
    """
    names = iter(modalities)
    inputs: dict[fx.Node, frozenset[str]] = {}
    sized: set[fx.Node] = set()
    data_sized: set[fx.Node] = set()  # nodes whose size may depend on values
    for node in graph.nodes:
        if _has_data_size(node) or any(arg in data_sized for arg in node.all_input_nodes):
            data_sized.add(node)
        if node.op == "placeholder":
            inputs[node] = frozenset({next(names)})
        elif only_metadata(node) and node not in data_sized:
            inputs[node] = frozenset()
        else:
            inputs[node] = frozenset().union(*(inputs[arg] for arg in node.all_input_nodes))
        if edges and "edge" in node.meta:
            inputs[node] |= {node.meta["edge"][0]}
        if only_metadata(node) or any(arg in sized for arg in node.all_input_nodes):
            sized.add(node)
    return Dependence(inputs, frozenset(sized))


def _has_data_size(node: fx.Node) -> bool:
    tags = {torch.Tag.dynamic_output_shape, torch.Tag.data_dependent_output}
    found = overload(node)
    return found is not None and not tags.isdisjoint(found.tags)


def meeting_points(graph: fx.Graph, dependence: Dependence) -> Iterator[tuple[fx.Node, list[str]]]:
    """List the nodes at which modalities first meet, each with the modalities on which it depends.

    These are the nodes that depend on more modalities than any of their arguments.

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
