"""Tapped graph: a network's graph with its edges marked and its places looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from influence.mutes.batch_inputs import Signals
from influence.network.joint_network import JointNetwork
from influence.network.programs.program import Program
from influence.network.sites import check_fired, point_name, pool_channels
from influence.statistics.features import place_name

__all__ = [
    "TappedGraph",
    "add_places",
    "find_places",
    "mark_edges",
    "modules_of",
    "results_of",
    "tap_graph",
    "where",
]


@dataclass(frozen=True)
class TappedGraph:
    """The graph of a network for some edges and places.

    Parameters
    ----------
    graph
        It takes one tensor a modality, and returns one an output and then one a place.
    dependence, observed
        Of its nodes.
    places
        The names of the places.
    """

    graph: fx.GraphModule
    dependence: Dependence
    observed: Observation
    places: tuple[str, ...]

    def run(
        self,
        network: JointNetwork,
        inputs: Mapping[str, Tensor | None],
        replaced: Mapping[str, Tensor],
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Run the network node by node.

        Parameters
        ----------
        network
            That of the graph.
        inputs
            One tensor a modality.
        replaced
            What takes the place of some points.

        Returns
        -------
        tuple
            The outputs and the features at the places, by name; and what each point held.
        """
        ordered = [inputs[m.name] for m in network.inputs]
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
            self.seen[point] = result.clone()  # what follows may change it in place
        return result


def tap_graph(
    network: JointNetwork, signals: Signals, edges: Mapping[str, str], meeting: str
) -> TappedGraph:
    """Build the graph of a network, with its edges marked and its places as further outputs.

    Parameters
    ----------
    network
        In evaluation mode, on its device.
    signals
        Two samples; only their shapes matter.
    edges
        Site -> module path.
    meeting
        See `influence.engine.sharing.tapped_graph.find_places`.

    Raises
    ------
    InfluenceError
        If the network cannot be traced, has no such modules, or changes tensors in place that
        others see too.
    """
    names = [m.name for m in network.inputs]
    graph = joint_graph(network, {name: signals.clean[name] for name in names})
    mark_edges(graph, edges)
    dependence = find_dependence(graph.graph, names)
    one, two = ([x.clone() for x in signals.head(n).clean.values()] for n in (1, 2))
    observed = observe(graph, one, two)
    places = {
        name: node
        for name, node in find_places(graph.graph, dependence, names, meeting).items()
        if [shapes[node][:1] for shapes in observed.shapes if node in shapes] == [(1,), (2,)]
    }
    if not places and meeting not in ("auto", "off"):
        raise InfluenceError(
            f"{meeting}: returns no tensor with the samples first, of which a distance could be "
            "measured. Name another module"
        )
    add_places(graph, places)
    return TappedGraph(graph, find_dependence(graph.graph, names), observed, tuple(places))


MOST_PLACES = 8


def mark_edges(graph: fx.GraphModule, edges: Mapping[str, str]) -> None:
    """Put a marker after every tensor that leaves one of some modules.

    A marker returns its argument; `node.meta["edge"]` holds the site and the name of the point.

    Parameters
    ----------
    graph
        As from `joint_graph`; changed in place.
    edges
        Site -> module path.

    Raises
    ------
    InfluenceError
        If no tensor that an output depends on leaves a module.
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
    """Find the tensors at which the distance of a muted input from the data is measured.

    Parameters
    ----------
    graph, dependence
        As from `joint_graph`, with its edges marked, and `find_dependence`.
    modalities
        The network's inputs.
    meeting
        ``auto`` for the tensors in which modalities first meet and those of the edges, ``off`` for
        none, or the path of a module whose output it is.

    Returns
    -------
    dict
        Name of the place -> node.
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
        number = sum(where(node) == where(other) for other in names.values())
        names[place_name(point_name(where(node), number))] = node
    marked = {place_name(n.meta["edge"][1]): n for n in graph.nodes if "edge" in n.meta}
    return dict(list(names.items())[:MOST_PLACES]) | marked


def add_places(graph: fx.GraphModule, places: Mapping[str, fx.Node]) -> None:
    """Give a graph the features at some places as further outputs; see `pool_channels`."""
    (output,) = graph.graph.find_nodes(op="output")
    features = []
    for node in places.values():
        with graph.graph.inserting_after(node):
            features.append(graph.graph.call_function(pool_channels, (node,)))
    output.args = ((*output.args[0], *features),)
    graph.recompile()


def modules_of(node: fx.Node) -> list[str]:
    """List the paths of the modules in which a node was called, outermost first."""
    stack = node.meta.get("nn_module_stack", {}).values()
    return [path for path, _ in stack if path and not path.startswith("_empty")]


def where(node: fx.Node) -> str:
    """Name the innermost module in which a node was called, and the operator that it calls."""
    found = overload(node)
    name = found._schema.name.removeprefix("aten::") if found else str(node.target)
    return f"{(modules_of(node) or ['network'])[-1]}.{name}"


def _inside(node: fx.Node, path: str) -> bool:
    return path in modules_of(node)


def _paths(graph: fx.Graph) -> list[str]:
    return list(dict.fromkeys(path for node in graph.nodes for path in modules_of(node)))


def results_of(graph: fx.Graph, path: str) -> list[fx.Node]:
    """List the nodes of a module whose value is used outside of it, in order."""
    return [
        node
        for node in graph.nodes
        if _inside(node, path)
        and not only_metadata(node)
        and any(not _inside(user, path) for user in node.users)
    ]


def _needed(graph: fx.Graph) -> set[fx.Node]:
    """Find the nodes that outputs depend on."""
    pending = list(graph.find_nodes(op="output"))
    found = set(pending)
    while pending:
        new = [n for n in pending.pop().all_input_nodes if n not in found]
        found.update(new)
        pending += new
    return found
