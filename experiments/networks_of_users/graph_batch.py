"""Graphs of one shape: a GCN of torch_geometric, whose edges are the same for all samples."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.nn import GCNConv

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

NODES = 7


class Traffic(nn.Module):
    """The flow at every node from counts and weather, over a road map that is given as edges."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GCNConv(3, 8, node_dim=-2), GCNConv(8, 1, node_dim=-2)

    def forward(self, counts: Tensor, weather: Tensor, edge_index: Tensor) -> Tensor:
        """Return (samples, nodes) for counts (samples, nodes, 2), weather (samples, nodes, 1)."""
        features = self.first(torch.cat([counts, weather], -1), edge_index).relu()
        found: Tensor = self.second(features, edge_index).squeeze(-1)
        return found


def network() -> Traffic:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Traffic().eval()


def data(samples: int) -> list[Any]:
    """Return batches of two days, and the edges of the map with every batch."""
    stream = torch.Generator().manual_seed(9)
    ring = torch.arange(NODES)
    edges = torch.stack([ring, (ring + 1) % NODES])  # (2, 7)
    batches = []
    for part in cut(samples, 2):
        counts = torch.randn(len(part), NODES, 2, generator=stream)
        weather = torch.randn(len(part), NODES, 1, generator=stream)
        inputs = {"counts": counts, "weather": weather, "edge_index": edges}
        batches.append((inputs, {"flow": counts.sum(-1) + 0.1 * weather[..., 0]}))
    return batches


def user_code(network: Any, data: Any) -> Run:
    """Mute counts and weather; the map stays."""
    inputs = [Modality("counts"), Modality("weather"), Modality("edge_index", role="context")]
    net = influence.JointNetwork(network, inputs, [Output("flow")])
    return influence.measure(net, data, mutes=["zero"])


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Predict the flow at every node of every day."""
    square = absolute = 0.0
    count = 0
    for inputs, targets in data:
        shown = dict(inputs)
        if source:
            shown[source] = torch.zeros_like(inputs[source])
        with torch.inference_mode():
            error = network(**shown).double() - targets["flow"]
        square += float(error.square().sum())
        absolute += float(error.abs().sum())
        count += error.numel()
    return {("flow", "mse"): -square / count, ("flow", "mae"): -absolute / count}


KIND = Kind(
    "graphs of one map, GCN",
    ("torch_geometric",),
    network,
    data,
    user_code,
    score,
    inputs="two node features; context: edges, one for the batch",
    samples=30,
    note="the edges (2, 7) are one for the batch, though a batch has two samples",
)
