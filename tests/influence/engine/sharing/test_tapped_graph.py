"""Points of a graph: what leaves a module, where modalities meet, which edges are candidates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, fx, nn

from influence.engine.sharing.graph import find_dependence, joint_graph
from influence.engine.sharing.tapped_graph import (
    candidate_edges,
    find_places,
    mark_edges,
    meetings,
    results_of,
)
from influence.errors import InfluenceError
from influence.mutes.batch_inputs import BatchInputs
from influence.network.joint_network import JointNetwork
from influence.network.sites import pool_channels


class Fusion(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.x = nn.Sequential(nn.Conv2d(1, 2, 1), nn.ReLU())
        self.y = nn.ModuleDict({"deep": nn.Sequential(nn.Conv2d(1, 2, 1), nn.Sigmoid())})
        self.fuse, self.head = nn.Conv2d(4, 2, 1), nn.Conv2d(2, 1, 1)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        a, b = self.x(x), nn.functional.interpolate(self.y["deep"](y), x.shape[2:])
        joint = self.fuse(torch.cat([a, b], 1))
        return self.head(joint), joint.mean((2, 3)) + b.mean((2, 3))


CLEAN = {name: torch.rand(2, 1, 4, 4) for name in ("x", "y")}


@pytest.fixture
def network() -> JointNetwork:
    return JointNetwork(Fusion().eval(), inputs=("x", "y"), outputs=("map", "vector"))


@pytest.fixture
def graph(network: JointNetwork) -> fx.GraphModule:
    return joint_graph(network, CLEAN)


def test_what_leaves_a_module(graph: fx.GraphModule) -> None:
    assert [node.name for node in results_of(graph.graph, "x")] == ["relu"]
    assert [node.name for node in results_of(graph.graph, "x.0")] == ["conv2d"]
    assert results_of(graph.graph, "none") == []


def test_places_are_where_inputs_meet_and_marked_edges(graph: fx.GraphModule) -> None:
    mark_edges(graph, {"edge:head": "head"})
    dependence = find_dependence(graph.graph, ["x", "y"])

    def places(meeting: str) -> list[str]:
        return list(find_places(graph.graph, dependence, ["x", "y"], meeting))

    assert places("auto") == ["at:network.cat", "at:edge:head"]
    assert places("off") == []
    assert places("fuse") == ["at:fuse"]
    with pytest.raises(InfluenceError, match="unknown module 'fuze': did you mean 'fuse'"):
        places("fuze")


def test_a_marker_depends_on_its_edge(graph: fx.GraphModule) -> None:
    mark_edges(graph, {"edge:x": "x"})
    (marker,) = (node for node in graph.graph.nodes if "edge" in node.meta)
    found = find_dependence(graph.graph, ["x", "y"]).inputs
    assert found[marker] == {"x", "edge:x"}
    (output,) = graph.graph.find_nodes(op="output")
    assert found[output] == {"x", "y", "edge:x"}
    assert find_dependence(graph.graph, ["x", "y"], edges=False).inputs[marker] == {"x"}


def test_candidates_are_the_last_modules_of_one_modality(graph: fx.GraphModule) -> None:
    found = list(candidate_edges(graph.graph, find_dependence(graph.graph, ["x", "y"])))
    assert found == [("x", ["x"], "network.cat"), ("y.deep", ["y"], "network.cat")]


def test_meetings_are_named_by_module_and_operator(network: JointNetwork) -> None:
    assert list(meetings(network, BatchInputs(CLEAN, np.arange(2), {}, {}))) == [
        "x and y meet in network.cat",
        "site edge:x: x on the way to network.cat",
        "site edge:y.deep: y on the way to network.cat",
    ]


def test_candidates_of_a_network_with_one_input() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.Sequential(nn.ReLU(), nn.Linear(4, 4)), nn.ReLU())
    net = JointNetwork(module.eval(), inputs=("x",), outputs=("y",))
    found = joint_graph(net, {"x": torch.rand(2, 3)}).graph
    assert list(candidate_edges(found, find_dependence(found, ["x"]))) == [
        (path, ["x"], "the output") for path in ("0", "1", "2")
    ]


@pytest.mark.parametrize(
    ("shape", "expected"), [((2, 3), (2, 3)), ((2, 7, 3), (2, 3)), ((2, 3, 4, 5), (2, 3)),
                            ((2, 200), (2, 50)), ((2,), (2, 1)), ((2, 65, 1, 1), (2, 33))],
)  # fmt: skip
def test_pooled_channels(shape: tuple[int, ...], expected: tuple[int, ...]) -> None:
    values: Any = torch.randn(shape)
    pooled = pool_channels(values)
    assert tuple(pooled.shape) == expected
    first = values[:, ..., 0] if len(shape) == 3 else values[:, 0] if len(shape) > 1 else values
    torch.testing.assert_close(pooled[:, 0], first.reshape(2, -1).mean(1))
