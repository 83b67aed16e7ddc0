"""Tables with missing cells, a picture and a text: what a clinic knows of a patient."""

from __future__ import annotations

from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Modality, Output, Run

__all__ = ["KIND", "Patients", "data", "network"]

WORDS = ("cough", "fever", "pain", "rest", "smoker", "none")


class Clinic(nn.Module):
    """The risk of a patient; missing numbers are replaced inside."""

    def __init__(self) -> None:
        super().__init__()
        self.usual = nn.Parameter(torch.zeros(5), requires_grad=False)
        self.codes = nn.ModuleList(nn.Embedding(4, 3) for _ in range(2))
        self.words = nn.EmbeddingBag(len(WORDS), 4)
        self.picture = nn.Sequential(
            nn.Conv2d(1, 4, 3, stride=2), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        self.head = nn.Linear(5 + 6 + 4 + 4, 2)

    def forward(self, laboratory: Tensor, codes: Tensor, scan: Tensor, letter: list[str]) -> Tensor:
        """Return logits (B, 2); `letter` holds one text a patient."""
        numbers = torch.where(laboratory.isnan(), self.usual, laboratory)
        kinds = [table(codes[:, i]) for i, table in enumerate(self.codes)]
        places = [[WORDS.index(word) for word in text.split()] for text in letter]
        starts = torch.tensor([0, *map(len, places)]).cumsum(0)[:-1]
        told = self.words(torch.tensor([*chain(*places)], dtype=torch.long), starts)
        seen = self.picture(scan.float() / 255).flatten(1)
        logits: Tensor = self.head(torch.cat([numbers, *kinds, told, seen], 1))
        return logits


class Patients(Dataset[Any]):
    """Samples as dictionaries, as a map-style data set gives them."""

    def __init__(self, samples: int) -> None:
        stream = torch.Generator().manual_seed(12)
        self.laboratory = torch.randn(samples, 5, generator=stream)
        self.laboratory[torch.rand(samples, 5, generator=stream) < 0.2] = torch.nan
        self.codes = torch.randint(0, 4, (samples, 2), generator=stream)
        self.scan = torch.randint(0, 256, (samples, 1, 8, 8), generator=stream).to(torch.uint8)
        words = torch.randint(0, len(WORDS), (samples, 4), generator=stream)
        self.letters = [" ".join(WORDS[i] for i in row[: 1 + row[0] % 4]) for row in words.tolist()]
        self.ill = torch.randint(0, 2, (samples,), generator=stream)

    def __len__(self) -> int:
        return len(self.ill)

    def __getitem__(self, i: int) -> dict[str, Any]:
        names = ("laboratory", "codes", "scan")
        own = {name: getattr(self, name)[i] for name in names}
        return {**own, "letter": self.letters[i], "ill": self.ill[i]}


def network() -> Clinic:
    """Make the network, with random weights."""
    torch.manual_seed(0)
    return Clinic().eval()


def data(samples: int) -> Patients:
    """Return patients, a fifth of whose numbers are missing."""
    return Patients(samples)


def user_code(network: Any, data: Any) -> Run:
    """Mute each source by what is defined for it."""
    kinds = {"laboratory": "vector", "codes": "categories", "scan": "image", "letter": "text"}
    inputs = [Modality(name, kind) for name, kind in kinds.items()]
    net = influence.JointNetwork(network, inputs, [Output("ill", "logits")])
    fields = {f"inputs/{name}": name for name in kinds} | {"targets/ill": "ill"}
    collate = torch.utils.data.default_collate
    return influence.measure(net, data, fields=fields, collate=collate)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Judge every patient."""
    inputs = {name: getattr(data, name) for name in ("laboratory", "codes", "scan")}
    letters = data.letters
    if source == "letter":
        assert mute == "empty"
        letters = ["" for _ in letters]
    elif source:
        values = inputs[source]
        value = torch.zeros_like(values)
        if mute == "mode":
            value = value + values.mode(0).values
        elif mute == "mean" and source == "laboratory":
            value = value + values.nanmean(0)
        elif mute == "mean":
            value = torch.full_like(values, int(values.double().mean().round()))
        inputs[source] = value
    with torch.inference_mode():
        logits = network(**inputs, letter=letters).double()
    right = float((logits.argmax(1) == data.ill).double().mean())
    loss = float(nn.functional.cross_entropy(logits, data.ill))
    return {("ill", "accuracy"): right, ("ill", "cross_entropy"): -loss}


KIND = Kind(
    "tables, picture and text with missing cells",
    (),
    network,
    data,
    user_code,
    score,
    inputs="numbers with gaps, codes, uint8 scan, text",
    samples=60,
    note="samples are dictionaries of a data set; codes are muted by their mode, letters emptied",
)
