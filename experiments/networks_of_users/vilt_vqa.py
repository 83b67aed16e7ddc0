"""Visual question answering: ViLT on a picture and a question with its attention mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers import ViltConfig, ViltForQuestionAnswering

import influence
from experiments.networks_of_users.clip_zero_shot import texts
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "data", "network"]

ANSWERS = 6


def network() -> Any:
    """Make a small ViLT of transformers, with random weights."""
    torch.manual_seed(0)
    config = ViltConfig(  # type: ignore[call-arg]
        vocab_size=40,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        image_size=16,
        patch_size=8,
        max_position_embeddings=16,
        num_labels=ANSWERS,
        max_image_length=-1,
        initializer_range=0.5,
    )
    made: nn.Module = ViltForQuestionAnswering(config)
    return made.eval()


def data(samples: int) -> list[Any]:
    """Return batches as a processor makes them, with the answers as ``labels``."""
    stream = torch.Generator().manual_seed(4)
    return [
        {
            **texts(len(part), seed=part[0] + 20),
            "token_type_ids": torch.zeros(len(part), 9, dtype=torch.long),
            "pixel_values": torch.randn(len(part), 3, 16, 16, generator=stream),
            "pixel_mask": torch.ones(len(part), 16, 16, dtype=torch.long),
            "answer": torch.randint(0, ANSWERS, (len(part),), generator=stream),
        }
        for part in cut(samples, 8)
    ]


def user_code(network: Any, data: Any) -> Run:
    """Mute the picture, then the question with its mask."""
    question = Modality("question", "tokens", tensors=("input_ids", "attention_mask"))
    others = [Modality("token_type_ids", role="context"), Modality("pixel_mask", role="context")]
    net = influence.JointNetwork(
        network,
        [question, Modality("pixel_values", "image"), *others],
        [Output("answer", "logits", pick="logits")],
        call="keyword",
    )
    fields = {f"inputs/{name}": name for name in data[0] if name != "answer"}
    return influence.measure(net, data, fields=fields | {"targets/answer": "answer"})


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Answer every question."""
    mean = torch.cat([batch["pixel_values"] for batch in data]).mean((0, 2, 3))
    right, loss, count = 0, 0.0, 0
    for batch in data:
        inputs = {name: x for name, x in batch.items() if name != "answer"}
        if source == "question":
            inputs["input_ids"] = torch.zeros_like(batch["input_ids"])
            inputs["attention_mask"] = torch.zeros_like(batch["attention_mask"])
        elif source == "pixel_values":
            blank = torch.zeros_like(batch["pixel_values"])
            inputs["pixel_values"] = blank + mean[:, None, None] if mute == "mean" else blank
        with torch.inference_mode():
            logits = network(**inputs).logits.double()
        right += int((logits.argmax(1) == batch["answer"]).sum())
        loss += float(torch.nn.functional.cross_entropy(logits, batch["answer"], reduction="sum"))
        count += len(logits)
    return {("answer", "accuracy"): right / count, ("answer", "cross_entropy"): -loss / count}


KIND = Kind(
    "VQA, ViLT",
    ("transformers",),
    network,
    data,
    user_code,
    score,
    inputs="picture, question (ids and mask); context: token types, picture mask",
    samples=40,
    note="the question is its ids and its mask, muted together",
)
