"""A language model that sees: LLaVA, whose labels leave out the prompt and its image tokens."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlavaConfig, LlavaForConditionalGeneration

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["KIND", "PROMPTED", "data", "network"]

WORDS, PROMPT, IMAGE, PAD = 12, 8, 30, 0


def network() -> Any:
    """Make a small LLaVA of transformers, with random weights."""
    torch.manual_seed(0)
    small: dict[str, Any] = {
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 32,
    }
    text = small | {
        "model_type": "llama",
        "vocab_size": 31,
        "num_key_value_heads": 2,
        "initializer_range": 0.4,
    }
    vision = small | {"model_type": "clip_vision_model", "image_size": 16, "patch_size": 8}
    config = LlavaConfig(
        text_config=text, vision_config=vision, image_token_index=IMAGE, image_seq_length=4
    )
    made: nn.Module = LlavaForConditionalGeneration(config)
    return made.eval()


def data(samples: int) -> list[dict[str, Tensor]]:
    """Return prompts that begin with the four image tokens, and answers; -100 means no label."""
    stream = torch.Generator().manual_seed(5)
    batches = []
    for part in cut(samples, 8):
        ids = torch.randint(1, 30, (len(part), WORDS), generator=stream)
        ids[:, :4] = IMAGE
        mask = torch.arange(WORDS) < torch.randint(9, WORDS + 1, (len(part), 1), generator=stream)
        labels = torch.where(mask & (torch.arange(WORDS) >= PROMPT), ids, -100)
        batches.append(
            {
                "input_ids": torch.where(mask, ids, PAD),
                "attention_mask": mask.long(),
                "pixel_values": torch.randn(len(part), 3, 16, 16, generator=stream),
                "labels": labels,
            }
        )
    return batches


def user_code(network: Any, data: Any) -> Run:
    """Mute the words, but not the places of the picture; then the picture."""

    @influence.metric(higher_is_better=False)
    def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
        ahead = cross_entropy(logits[:, :-1].mT, labels[:, 1:], ignore_index=-1, reduction="none")
        return torch.nn.functional.pad(ahead, (1, 0))

    words = Modality("input_ids", "tokens", pad=PAD, keep=(IMAGE,), moves_with=("attention_mask",))
    inputs = [words, Modality("pixel_values", "image")]
    out = Output("labels", pick="logits", ignore=-100)
    net = influence.JointNetwork(network, inputs, [out], call="keyword")
    fields = {f"inputs/{x}": x for x in data[0] if x != "labels"} | {"targets/labels": "labels"}
    return influence.measure(net, data, fields=fields, metrics={"labels": [token_loss]})


def user_code_of_the_prompt(network: Any, data: Any) -> Run:
    """Mute the prompt alone, places 4 to 7 of ids and mask: the answer stays; then the picture."""

    @influence.metric(higher_is_better=False)
    def token_loss(logits: Tensor, labels: Tensor) -> Tensor:
        ahead = cross_entropy(logits[:, :-1].mT, labels[:, 1:], ignore_index=-1, reduction="none")
        return torch.nn.functional.pad(ahead, (1, 0))

    both = ("input_ids", "attention_mask")
    prompt = Modality("prompt", "tokens", tensors=both, slice=(1, 4, PROMPT), pad=PAD)
    inputs = [prompt, Modality("pixel_values", "image")]
    out = Output("labels", pick="logits", ignore=-100)
    net = influence.JointNetwork(network, inputs, [out], call="keyword")
    fields = {f"inputs/{x}": x for x in data[0] if x != "labels"} | {"targets/labels": "labels"}
    return influence.measure(net, data, fields=fields, metrics={"labels": [token_loss]})


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Sum the loss of every token that has a label."""
    mean = torch.cat([batch["pixel_values"] for batch in data]).mean((0, 2, 3))
    loss, count = 0.0, 0
    for batch in data:
        inputs = {name: x for name, x in batch.items() if name != "labels"}
        if source == "prompt":
            inputs["input_ids"], inputs["attention_mask"] = (
                torch.where((torch.arange(WORDS) >= 4) & (torch.arange(WORDS) < PROMPT), 0, x)
                for x in (batch["input_ids"], batch["attention_mask"])
            )
        elif source == "input_ids":
            picture = batch["input_ids"] == IMAGE
            inputs["input_ids"] = torch.where(picture, IMAGE, PAD)
            inputs["attention_mask"] = picture.long()
        elif source == "pixel_values":
            blank = torch.zeros_like(batch["pixel_values"])
            inputs["pixel_values"] = blank + mean[:, None, None] if mute == "mean" else blank
        with torch.inference_mode():
            logits = network(**inputs).logits.double()
        known = batch["labels"][:, 1:] >= 0
        ahead, labels = logits[:, :-1][known], batch["labels"][:, 1:][known]
        loss += float(cross_entropy(ahead, labels, reduction="sum"))
        count += len(labels)
    return {("labels", "token_loss"): -loss / count}


KIND = Kind(
    "language model that sees, LLaVA",
    ("transformers",),
    network,
    data,
    user_code,
    score,
    inputs="picture, prompt with image tokens (ids, mask)",
    samples=40,
    note="labels of -100 are none; image tokens stay when the words are emptied",
)
PROMPTED = Kind(
    "language model that sees, the prompt alone",
    ("transformers",),
    network,
    data,
    user_code_of_the_prompt,
    score,
    inputs="picture, places 4 to 7 of ids and mask; the rest stays",
    samples=40,
    note="the answer that is scored stays in view, as its earlier words do when it is written",
)
