"""One big graph: every node is a sample, and only some nodes have a label."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch_geometric.data import Data
from torch_geometric.nn import GCNConv

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]


class Papers(nn.Module):
    """The topic of every paper from its words, its year and who cites whom."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = GCNConv(7, 8), GCNConv(8, 3)

    def forward(self, words: Tensor, year: Tensor, edge_index: Tensor) -> Tensor:
        """Return logits (nodes, 3)."""
        features = self.first(torch.cat([words, year], 1), edge_index).relu()
        found: Tensor = 2 * self.second(features, edge_index)
        return found


def network() -> Papers:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Papers().eval()


def data(samples: int) -> Data:
    """Return a graph as torch_geometric has it, with a mask of the nodes to test on."""
    stream = torch.Generator().manual_seed(10)
    edges = torch.randint(0, samples, (2, 3 * samples), generator=stream)
    return Data(
        x=torch.randn(samples, 6, generator=stream),
        year=torch.randn(samples, 1, generator=stream),
        edge_index=edges,
        y=torch.randint(0, 3, (samples,), generator=stream),
        test_mask=torch.rand(samples, generator=stream) < 0.4,
    )


def user_code(network: Any, data: Any) -> Run:
    """Mute the words of all papers, then their years; score the test nodes."""
    inputs = [Modality("words"), Modality("year"), Modality("edge_index", role="context")]
    net = influence.JointNetwork(network, inputs, [Output("topic", "logits", ignore=-1)])
    labels = torch.where(data.test_mask, data.y, -1)
    fields = {"inputs/words": "x", "inputs/year": "year", "inputs/edge_index": "edge_index"}
    batch = data.clone().update({"labels": labels})
    fields |= {"targets/topic": "labels"}
    return influence.measure(net, [batch], fields=fields, mutes=["zero"])


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Run the whole graph, and score the test nodes."""
    words, year = data.x, data.year
    if source == "words":
        words = torch.zeros_like(words)
    elif source == "year":
        year = torch.zeros_like(year)
    with torch.inference_mode():
        logits = network(words, year, data.edge_index).double()[data.test_mask]
    labels = data.y[data.test_mask]
    right = float((logits.argmax(1) == labels).double().mean())
    loss = float(nn.functional.cross_entropy(logits, labels))
    return {("topic", "accuracy"): right, ("topic", "cross_entropy"): -loss}


KIND = Kind(
    "one big graph, GCN",
    ("torch_geometric",),
    network,
    data,
    user_code,
    score,
    inputs="words and year of every node; context: edges",
    samples=60,
    note="nodes are the samples; those outside the test mask have no label and are not counted",
)
