"""Easy-VQA: a small network, trained here, that answers questions about pictures of one shape.

`python -m experiments.networks_of_users.easy_vqa` trains it anew, a few minutes on one thread. The
pictures and questions are those of the package easy-vqa (Victor Zhou, 2019): 4,000 pictures and
38,575 questions to train on, 1,000 and 9,673 to test on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import influence
from experiments.networks_of_users.kind import Kind, Score, cut
from influence import Modality, Output, Run

__all__ = ["ANSWERS", "KIND", "TYPES", "Answerer", "count_questions", "data", "network", "train"]

WEIGHTS = Path(__file__).with_name("easy_vqa.safetensors")
EPOCHS, PICTURES, SEED = 24, 16, 0
COLOURS = ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow")
SHAPES = ("circle", "rectangle", "triangle")
ANSWERS = ("no", "yes", *SHAPES, *COLOURS)
TYPES = {"yes or no": ANSWERS[:2], "shape": SHAPES, "colour": COLOURS}
"""The types of questions, by what their answers are."""
WORDS = "a color contain does image in is no not of present shape the there what"
VOCABULARY = ("", *WORDS.split(), *SHAPES, *COLOURS)
LENGTH = 10


class Answerer(nn.Module):
    """Scores of all answers: features of the picture times features of the question."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        steps = [(3, 16), (16, 32), (32, 32)]
        convolutions = [
            nn.Sequential(nn.Conv2d(i, o, 3, 2, padding=1), nn.ReLU()) for i, o in steps
        ]
        self.picture = nn.Sequential(*convolutions, nn.Flatten(), nn.Linear(32 * 64, width))
        self.word = nn.Embedding(len(VOCABULARY), width)
        self.question = nn.Sequential(nn.Linear(width, width), nn.ReLU(), nn.Linear(width, width))
        self.head = nn.Sequential(
            nn.Linear(2 * width, width), nn.ReLU(), nn.Linear(width, len(ANSWERS))
        )

    def see(self, picture: Tensor) -> Tensor:
        """Return features (B, width) of pictures (B, 3, 64, 64), whole numbers up to 255."""
        found: Tensor = self.picture(picture.float() / 127.5 - 1)
        return found

    def answer(self, seen: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Return logits (B, answers) for features of pictures and words (B, length)."""
        words = (self.word(ids) * mask.unsqueeze(-1)).sum(1)
        found: Tensor = self.head(torch.cat([seen * self.question(words), words], 1))
        return found

    def forward(self, picture: Tensor, ids: Tensor, mask: Tensor) -> dict[str, Tensor]:
        """Return the logits as ``answer``."""
        return {"answer": self.answer(self.see(picture), ids, mask)}


def network() -> Answerer:
    """Load the trained network."""
    made = Answerer()
    made.load_state_dict(load_file(WEIGHTS))
    return made.eval()


def as_ids(questions: Sequence[str]) -> Tensor:
    """Return the numbers of the words of questions, (n, 10), 0 behind the last."""
    rows = [[VOCABULARY.index(word) for word in text.rstrip("?").split()] for text in questions]
    return torch.tensor([row + [0] * (LENGTH - len(row)) for row in rows])


@cache
def read(part: str) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Read a part of the data: pictures, and ids, answers and pictures of all questions."""
    import easy_vqa

    get = {
        "train": (easy_vqa.get_train_image_paths, easy_vqa.get_train_questions),
        "test": (easy_vqa.get_test_image_paths, easy_vqa.get_test_questions),
    }
    paths, questions = (function() for function in get[part])
    pictures = torch.stack(
        [torch.from_numpy(np.array(Image.open(paths[i]))[..., :3]) for i in range(len(paths))]
    ).movedim(-1, 1)
    texts, answers, places = questions
    labels = torch.tensor([ANSWERS.index(answer) for answer in answers])
    return pictures.contiguous(), as_ids(texts), labels, torch.tensor(places)


def train(epochs: int = EPOCHS) -> Answerer:
    """Train the network on all questions about some pictures at a time."""
    torch.manual_seed(SEED)
    made = Answerer()
    pictures, ids, labels, places = read("train")
    optimiser = torch.optim.Adam(made.parameters(), lr=1e-3)
    steps = epochs * (len(pictures) // PICTURES)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for epoch in range(epochs):
        total = 0.0
        for some in torch.randperm(len(pictures)).chunk(len(pictures) // PICTURES):
            place = torch.full((len(pictures),), -1)
            place[some] = torch.arange(len(some))
            chosen = place[places] >= 0
            seen = made.see(pictures[some])[place[places[chosen]]]
            logits = made.answer(seen, ids[chosen], (ids[chosen] > 0).float())
            loss = nn.functional.cross_entropy(logits, labels[chosen])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            total += loss.item() * int(chosen.sum())
        print(f"epoch {epoch + 1} of {epochs}: loss {total / len(labels):.4f}", flush=True)
    return made.eval()


def data(samples: int) -> list[Any]:
    """Return batches of the test set: picture, ids, mask, answer, number of the picture."""
    pictures, ids, labels, places = read("test")
    return [
        {
            "picture": pictures[places[some]],
            "ids": ids[some],
            "mask": (ids[some] > 0).long(),
            "answer": labels[some],
            "number": places[some],
        }
        for part in cut(min(samples, len(labels)), 64)
        for some in [slice(part.start, part.stop)]
    ]


def count_questions(samples: int) -> dict[str, int]:
    """Count the questions of each type among the first ones of the test set."""
    answers = torch.cat([batch["answer"] for batch in data(samples)]).tolist()
    return {name: sum(ANSWERS[i] in known for i in answers) for name, known in TYPES.items()}


def user_code(network: Any, data: Any) -> Run:
    """Mute picture and question; score each type of question as an output of its own."""
    question = Modality("question", "tokens", tensors=("ids", "mask"))
    outputs = [Output(name, "logits", pick="answer", ignore=-1) for name in TYPES]
    net = influence.JointNetwork(network, [Modality("picture", "image"), question], outputs)

    def batches() -> Iterator[Any]:
        for batch in data:
            answer, targets = batch["answer"], {}
            for name, known in TYPES.items():
                own = torch.tensor([ANSWERS.index(word) for word in known])
                targets[name] = torch.where(torch.isin(answer, own), answer, -1)
            yield batch, targets, {"groups": batch["number"]}

    metrics = {name: ["accuracy"] for name in TYPES}
    mutes = ["zero", "mean", "empty", "shuffle"]
    return influence.measure(net, batches(), metrics=metrics, mutes=mutes)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Count right answers by type of question."""
    total = sum(batch["picture"].double().sum((0, 2, 3)) for batch in data)
    mean = total / sum(batch["picture"][:, 0].numel() for batch in data)
    right, count = dict.fromkeys(TYPES, 0), dict.fromkeys(TYPES, 0)
    for batch in data:
        picture, ids, mask = batch["picture"], batch["ids"], batch["mask"]
        if source == "question":
            ids, mask = torch.zeros_like(ids), torch.zeros_like(mask)
        elif source == "picture":
            picture = torch.zeros_like(picture)
            if mute == "mean":
                picture = picture + mean.round().to(torch.uint8)[:, None, None]
        with torch.inference_mode():
            guess = network(picture, ids, mask)["answer"].argmax(1)
        for label, found in zip(batch["answer"].tolist(), guess.tolist(), strict=True):
            (name,) = [n for n, known in TYPES.items() if ANSWERS[label] in known]
            right[name] += label == found
            count[name] += 1
    return {(name, "accuracy"): right[name] / max(count[name], 1) for name in TYPES}


KIND = Kind(
    "easy-VQA, trained",
    ("easy-vqa",),
    network,
    data,
    user_code,
    score,
    inputs="uint8 picture (3, 64, 64), question (ids and mask)",
    samples=9673,
    note="types of questions are outputs of their own, in which the others have no label",
)

if __name__ == "__main__":
    torch.set_num_threads(1)
    save_file(train().state_dict(), WEIGHTS)
