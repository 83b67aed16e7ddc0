"""Ten tables of omics, one risk."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Run

__all__ = ["KIND", "TABLES", "data", "network"]

TABLES = tuple(f"{kind}{i}" for kind in ("rna", "protein") for i in range(5))


class Omics(nn.Module):
    """One encoder a table, features added up."""

    def __init__(self) -> None:
        super().__init__()
        self.encoders = nn.ModuleDict(
            {n: nn.Sequential(nn.Linear(6, 8), nn.Tanh()) for n in TABLES}
        )
        self.head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))

    def forward(self, **tables: Tensor) -> dict[str, Tensor]:
        """Return the risk (B, 1)."""
        features = torch.stack([self.encoders[n](x) for n, x in tables.items()]).sum(0)
        return {"risk": self.head(features)}


def network() -> Omics:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Omics().eval()


def data(samples: int) -> list[Any]:
    """Return batches with ten tables each."""
    stream = torch.Generator().manual_seed(18)
    batches = []
    for part in cut(samples, 32):
        tables = {n: torch.randn(len(part), 6, generator=stream) + 0.5 for n in TABLES}
        batches.append((tables, {"risk": tables["rna0"][:, :1] - tables["protein1"][:, :1]}))
    return batches


def user_code(network: Any, data: Any) -> Run:
    """Mute each table alone."""
    net = influence.JointNetwork(network, TABLES, ["risk"], call="keyword")
    return influence.measure(net, data)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Predict every risk."""
    square = absolute = 0.0
    count = 0
    for tables, targets in data:
        shown = dict(tables)
        if source:
            mean = torch.cat([x[source] for x, _ in data]).mean(0)
            shown[source] = torch.zeros_like(tables[source]) + (mean if mute == "mean" else 0.0)
        with torch.inference_mode():
            error = network(**shown)["risk"].double() - targets["risk"]
        square += float(error.square().sum())
        absolute += float(error.abs().sum())
        count += len(error)
    return {("risk", "mse"): -square / count, ("risk", "mae"): -absolute / count}


KIND = Kind(
    "ten tables of omics",
    (),
    network,
    data,
    user_code,
    score,
    inputs="ten tables (6)",
    samples=200,
    note="ten sources and twenty setups, each encoder once for each way in which it is muted",
)
