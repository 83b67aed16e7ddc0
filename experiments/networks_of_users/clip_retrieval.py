"""CLIP, retrieval: which of the texts in the batch belongs to a picture."""

from __future__ import annotations

from typing import Any

import torch

import influence
from experiments.networks_of_users.clip_zero_shot import network, texts
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "data"]

BATCH = 8


def data(samples: int) -> list[Any]:
    """Return pairs of pictures and texts; the last batch is smaller."""
    stream = torch.Generator().manual_seed(3)
    return [
        {
            **texts(len(part), seed=part[0] + 10),
            "pixel_values": torch.randn(len(part), 3, 16, 16, generator=stream),
        }
        for part in cut(samples, BATCH)
    ]


def user_code(network: Any, data: Any) -> Run:
    """Mute the pictures, then the texts; the target is the place in the batch."""
    words = Modality("text", "tokens", tensors=("input_ids", "attention_mask"))
    net = influence.JointNetwork(
        network,
        [words, Modality("pixel_values", "image")],
        [Output("match", "logits", pick="logits_per_image")],
        call="keyword",
    )
    pairs = ((batch, {"match": torch.arange(len(batch["input_ids"]))}) for batch in data)
    return influence.measure(net, pairs)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Look for the own text of every picture among those of its batch."""
    mean = torch.cat([batch["pixel_values"] for batch in data]).mean((0, 2, 3))
    right, loss, count = 0, 0.0, 0
    for batch in data:
        inputs = dict(batch)
        if source == "text":  # no word, and nothing to attend to
            inputs["input_ids"] = torch.zeros_like(batch["input_ids"])
            inputs["attention_mask"] = torch.zeros_like(batch["attention_mask"])
        elif source == "pixel_values":
            blank = torch.zeros_like(batch["pixel_values"])
            inputs["pixel_values"] = blank + mean[:, None, None] if mute == "mean" else blank
        with torch.inference_mode():
            logits = network(**inputs).logits_per_image.double()
        own = torch.arange(len(logits))
        right += int((logits.argmax(1) == own).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, own, reduction="sum"))
        count += len(logits)
    return {("match", "accuracy"): right / count, ("match", "cross_entropy"): -loss / count}


KIND = Kind(
    "CLIP, retrieval",
    ("transformers",),
    network,
    data,
    user_code,
    score,
    inputs="picture, text (ids and mask)",
    samples=36,
    note="a sample's output depends on its batch; the last batch is smaller",
)
