"""Tapped graph: a network's graph with marked edges, and with features as additional outputs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from influence.engine.sharing.aliasing import Observation, observe
from influence.engine.sharing.graph import (
    Dependence,
    find_dependence,
    joint_graph,
    meeting_points,
    only_metadata,
    overload,
)
from influence.errors import InfluenceError, unknown
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.programs.program import Program
from influence.network.sites import PREFIX, check_fired, point_name, pool_channels
from influence.statistics.rows import place_name

__all__ = [
    "TappedGraph",
    "add_places",
    "candidate_edges",
    "find_places",
    "mark_edges",
    "meetings",
    "results_of",
    "tap_graph",
]


@dataclass(frozen=True)
class TappedGraph:
    """The graph of a network with marked edges, and with features at places as outputs.

    Parameters
    ----------
    graph
        Takes one tensor for each modality; returns one for each output, then one for each place.
    dependence, observed
        The dependences of its nodes, and its shapes and shared memory on one and on two samples.
    owners
        For each placeholder, in order, its leaf and the input to which the leaf belongs.
    places
        The names of the places: the points inside the network at which features are compared.
    """

    graph: fx.GraphModule
    dependence: Dependence
    observed: Observation
    owners: Mapping[str, str]
    places: tuple[str, ...] = ()

    def run(
        self,
        network: JointNetwork,
        inputs: Mapping[str, Tensor | None],
        replaced: Mapping[str, Tensor],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Run the network node by node, reading and replacing the tensors of its edges.

        Parameters
        ----------
        network
            The network of the graph.
        inputs
            For each modality its tensor.
        replaced
            For each replaced point of an edge the new tensor.

        Returns
        -------
        tuple
            The outputs and the features at the places, by name; and the tensor at each point.
        """
        ordered = [inputs[leaf] for leaf in network.layout.leaves]
        if isinstance(network.module, Program):
            self.graph.meta["check"](ordered)
        tapping = _Tapping(self.graph, replaced)
        results = tapping.run(*ordered)
        for node in self.graph.graph.nodes:
            if "edge" in node.meta:
                check_fired(node.meta["edge"][0], tapping.seen, replaced)
        names = [*(o.name for o in network.outputs), *self.places]
        return dict(zip(names, results, strict=True)), tapping.seen


class _Tapping(fx.Interpreter):
    def __init__(self, graph: fx.GraphModule, replaced: Mapping[str, Tensor]) -> None:
        super().__init__(graph)
        self.replaced = replaced
        self.seen: dict[str, Tensor] = {}

    def run_node(self, n: fx.Node) -> Any:
        result = super().run_node(n)
        if "edge" in n.meta:
            _, point = n.meta["edge"]
            result = self.replaced.get(point, result)
            self.seen[point] = result.clone()  # later nodes may change it in place
        return result


def tap_graph(
    network: JointNetwork, inputs: BatchInputs, edges: Mapping[str, str], meeting: str
) -> TappedGraph:
    """Build the graph of a network, with marked edges and features as additional outputs.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    inputs
        Two samples of the shapes to run; their values do not matter.
    edges
        For each site its module path.
    meeting
        As for `find_places`.

    Raises
    ------
    InfluenceError
        If the network cannot be traced, has no such modules, or changes tensors in place that
        other operators read.
    """
    owners = network.layout.owners
    names = list(owners.values())
    graph = joint_graph(network, inputs.clean)
    mark_edges(graph, edges)
    dependence = find_dependence(graph.graph, names)
    one, two = ([x.clone() for x in inputs.head(n).clean.values()] for n in (1, 2))
    observed = observe(graph, one, two)
    places = {
        name: node
        for name, node in find_places(graph.graph, dependence, names, meeting).items()
        if [shapes[node][:1] for shapes in observed.shapes if node in shapes] == [(1,), (2,)]
    }
    if not places and meeting not in ("auto", "off"):
        raise InfluenceError(
            f"{meeting}: returns no tensor with the samples first, so that no distance can be "
            "measured there. Name another module"
        )
    add_places(graph, places)
    dependence = find_dependence(graph.graph, names)
    return TappedGraph(graph, dependence, observed, owners, tuple(places))


MOST_PLACES = 8
"""The largest number of meetings of modalities at which features are kept; others are skipped."""


def mark_edges(graph: fx.GraphModule, edges: Mapping[str, str]) -> None:
    """Insert a marker after every tensor that leaves one of the given modules.

    A marker is a node that returns its argument. Its `meta["edge"]` holds the site and the name of
    the point.

    Parameters
    ----------
    graph
        A graph as returned by `joint_graph`; changed in place.
    edges
        For each site its module path.

    Raises
    ------
    InfluenceError
        If a module does not exist, or no output depends on a tensor that it returns.
    """
    needed = _needed(graph.graph)
    for site, path in edges.items():
        leaving = [node for node in results_of(graph.graph, path) if node in needed]
        if not leaving:
            if path not in set(_paths(graph.graph)):
                raise unknown("module", path, _paths(graph.graph))
            raise InfluenceError(
                f"{site} never fired: no output depends on a tensor that this module returns. Name "
                "another module (influence show lists candidates)"
            )
        for number, node in enumerate(leaving):
            outside = [user for user in node.users if not _inside(user, path)]
            with graph.graph.inserting_after(node):
                marker = graph.graph.call_function(_same, (node,))
            marker.meta["edge"] = (site, point_name(site, number))
            marker.meta["nn_module_stack"] = node.meta.get("nn_module_stack", {})
            for user in outside:
                user.replace_input_with(node, marker)
    graph.recompile()


def _same(values: Tensor) -> Tensor:
    return values


def find_places(
    graph: fx.Graph, dependence: Dependence, modalities: Sequence[str], meeting: str
) -> dict[str, fx.Node]:
    """Find the tensors at which features of muted inputs are compared with those of the data.

    Parameters
    ----------
    graph, dependence
        Results of `joint_graph`, with edges marked by `mark_edges`, and of `find_dependence`.
    modalities
        The names of the network's inputs.
    meeting
        ``auto``: the tensors in which modalities first meet and those of the edges; ``off``: none;
        or the path of a module, whose results are used.

    Returns
    -------
    dict
        For each name of a place its node.
    """
    if meeting == "off":
        return {}
    if meeting != "auto":
        if not (nodes := results_of(graph, meeting)):
            raise unknown("module", meeting, _paths(graph))
        return {place_name(point_name(meeting, i)): node for i, node in enumerate(nodes)}
    inputs = find_dependence(graph, modalities, edges=False)
    names: dict[str, fx.Node] = {}
    for node, _ in meeting_points(graph, inputs):
        number = sum(_where(node) == _where(other) for other in names.values())
        names[place_name(point_name(_where(node), number))] = node
    marked = {place_name(n.meta["edge"][1]): n for n in graph.nodes if "edge" in n.meta}
    return dict(list(names.items())[:MOST_PLACES]) | marked


def add_places(graph: fx.GraphModule, places: Mapping[str, fx.Node]) -> None:
    """Add the features at given places, averaged by `pool_channels`, to a graph's outputs."""
    (output,) = graph.graph.find_nodes(op="output")
    features = []
    for node in places.values():
        with graph.graph.inserting_after(node):
            features.append(graph.graph.call_function(pool_channels, (node,)))
    output.args = ((*output.args[0], *features),)
    graph.recompile()


def _modules_of(node: fx.Node) -> list[str]:
    """List the paths of the modules in which a node was called, outermost first."""
    stack = node.meta.get("nn_module_stack", {}).values()
    return [path for path, _ in stack if path and not path.startswith("_empty")]


def _where(node: fx.Node) -> str:
    """Name a node by the innermost module in which it was called and its operator."""
    found = overload(node)
    name = found._schema.name.removeprefix("aten::") if found else str(node.target)
    return f"{(_modules_of(node) or ['network'])[-1]}.{name}"


def _inside(node: fx.Node, path: str) -> bool:
    return path in _modules_of(node)


def _paths(graph: fx.Graph) -> list[str]:
    return list(dict.fromkeys(path for node in graph.nodes for path in _modules_of(node)))


def results_of(graph: fx.Graph, path: str) -> list[fx.Node]:
    """List, in order, the nodes of a module whose values are used outside the module."""
    return [
        node
        for node in graph.nodes
        if _inside(node, path)
        and not only_metadata(node)
        and any(not _inside(user, path) for user in node.users)
    ]


def _needed(graph: fx.Graph) -> set[fx.Node]:
    """Find the nodes that outputs depend on."""
    found = set(graph.find_nodes(op="output"))
    for node in reversed(graph.nodes):
        if node in found:
            found.update(node.all_input_nodes)
    return found


def meetings(network: JointNetwork, inputs: BatchInputs) -> Iterator[str]:
    """Report, one line each, where modalities first meet and which edges lead there.

    The parameters are those of `tap_graph`.
    """
    graph = joint_graph(network, inputs.clean).graph
    dependence = find_dependence(graph, list(network.layout.owners.values()))
    for node, modalities in meeting_points(graph, dependence):
        yield f"{' and '.join(modalities)} meet in {_where(node)}"
    for path, modalities, met in candidate_edges(graph, dependence):
        yield f"site {PREFIX}{path}: {' and '.join(modalities)} on the way to {met}"


def candidate_edges(
    graph: fx.Graph, dependence: Dependence
) -> Iterator[tuple[str, list[str], str]]:
    """List the modules that are worth muting: the last ones before their modality meets another.

    In a network of one modality these are its outermost modules.

    Yields
    ------
    tuple
        The path of the module, the modalities on which its results depend, and the node at which
        these meet other modalities.
    """
    met = [node for node, _ in meeting_points(graph, dependence)]
    if not met:
        outermost = (modules[0] for node in graph.nodes if (modules := _modules_of(node)))
        for path in dict.fromkeys(outermost):
            if leaving := [n for n in results_of(graph, path) if dependence.inputs[n]]:
                yield path, sorted(dependence.inputs[leaving[0]]), "the output"
    listed = set()
    for node in met:
        for argument in node.all_input_nodes:
            found = _last_module(graph, argument, dependence)
            if found and found[0] not in listed:
                listed.add(found[0])
                yield (*found, _where(node))


def _last_module(
    graph: fx.Graph, node: fx.Node, dependence: Dependence
) -> tuple[str, list[str]] | None:
    """Walk back to a module that returns this tensor and depends on the same modalities only."""
    while node.op == "call_function":
        for path in _modules_of(node):
            within = [n for n in graph.nodes if path in _modules_of(n)]
            alone = all(dependence.inputs[n] <= dependence.inputs[node] for n in within)
            if alone and node in results_of(graph, path):
                return path, sorted(dependence.inputs[node])
        before = [n for n in node.all_input_nodes if dependence.inputs[n]]
        if len(before) != 1:
            return None
        (node,) = before
    return None
