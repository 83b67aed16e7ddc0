"""CLIP, zero-shot: a picture, and the same candidate texts for every picture of the batch."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import CLIPConfig, CLIPModel

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

CLASSES, WORDS = 5, 9


def network() -> Any:
    """Make a small CLIP of transformers, with random weights."""
    torch.manual_seed(0)
    small = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    text = small | {"vocab_size": 40, "max_position_embeddings": WORDS, "eos_token_id": 39}
    vision = small | {"image_size": 16, "patch_size": 8}
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    made: nn.Module = CLIPModel(config)
    with torch.no_grad():  # random weights tell pictures hardly apart, a scale does
        for weights in (w for w in made.parameters() if w.ndim > 1):
            weights.mul_(4.0)
        made.get_parameter("logit_scale").fill_(2.0)
    return made.eval()


def texts(count: int, seed: int = 1) -> dict[str, torch.Tensor]:
    """Draw tokenised texts: a word to the end, then padding."""
    stream = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, WORDS, (count, 1), generator=stream)
    ids = torch.randint(2, 39, (count, WORDS), generator=stream)
    mask = torch.arange(WORDS) <= lengths
    ids = torch.where(mask, ids, 0).scatter(1, lengths, 39)
    return {"input_ids": ids, "attention_mask": mask.long()}


def data(samples: int) -> list[Any]:
    """Return what a processor yields: pictures, and the candidate texts, which are few."""
    stream = torch.Generator().manual_seed(2)
    prompts = texts(CLASSES)
    return [
        {
            **prompts,
            "pixel_values": torch.randn(min(8, samples - i), 3, 16, 16, generator=stream),
            "label": torch.randint(0, CLASSES, (min(8, samples - i),), generator=stream),
        }
        for i in range(0, samples, 8)
    ]


def user_code(network: Any, data: Any) -> Run:
    """Mute the picture; the candidates stay as they are."""
    net = influence.JointNetwork(
        network,
        [
            Modality("input_ids", role="context"),
            Modality("pixel_values", "image"),
            Modality("attention_mask", role="context"),
        ],
        [Output("label", "logits", pick="logits_per_image")],
        call="keyword",
    )
    names = [modality.name for modality in net.inputs]
    fields = {f"inputs/{name}": name for name in names} | {"targets/label": "label"}
    return influence.measure(net, data, fields=fields)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Score every picture against the candidates."""
    mean = torch.cat([batch["pixel_values"] for batch in data]).mean((0, 2, 3))
    right, loss, count = 0, 0.0, 0
    for batch in data:
        inputs = {name: x for name, x in batch.items() if name != "label"}
        if source == "pixel_values":
            blank = torch.zeros_like(inputs["pixel_values"])
            inputs["pixel_values"] = blank + mean[:, None, None] if mute == "mean" else blank
        with torch.inference_mode():
            logits = network(**inputs).logits_per_image.double()
        right += int((logits.argmax(1) == batch["label"]).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, batch["label"], reduction="sum"))
        count += len(logits)
    return {("label", "accuracy"): right / count, ("label", "cross_entropy"): -loss / count}


KIND = Kind(
    "CLIP, zero-shot",
    ("transformers",),
    network,
    data,
    user_code,
    score,
    inputs="picture; context: five texts, one for the batch",
    samples=40,
    note="five candidate texts, one for the whole batch, are a context",
)
