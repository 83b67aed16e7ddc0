"""Tapped graph: a network's graph with its edges marked and its places looked at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor, fx

from influence.errors import InfluenceError
from influence.hooks import check_fired
from influence.network import JointNetwork
from influence.programs.program import Program
from influence.sharing.dependence import Dependence, find_dependence
from influence.sharing.joint_graph import joint_graph
from influence.sharing.observation import Observation, observe
from influence.sharing.points import add_places, find_places, mark_edges
from influence.signals import Signals

__all__ = ["TappedGraph", "tap_graph"]


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
        See `influence.sharing.points.find_places`.

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
