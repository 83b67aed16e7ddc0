"""The recipes of the README run, and give what the same network gives behind plain arguments."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from torch import Tensor, nn

import influence
from influence.results.run_directory import Run

ROOT = Path(__file__).parents[1]
SECTION = "## Networks of other builds\n"
MOST_LINES = 15


def recipes(title: str = SECTION) -> dict[str, str]:
    """Return the code of each recipe by its title, the bold words before it."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    section = text.partition(title)[2].partition("\n## ")[0]
    blocks = re.findall(r"^\*\*([^*\n]+)\*\*[^\n]*\n\n```python\n(.*?)```", section, re.M | re.S)
    return dict(blocks)


RECIPES = recipes()
ABSENT = "A network that accepts `None` for a missing input"
COUNT = 12
STREAM = torch.Generator().manual_seed(0)
FIRST = torch.rand(COUNT, 3, 4, 5, generator=STREAM)
SECOND = torch.rand(COUNT, 1, 4, 5, generator=STREAM)
LABELS = torch.arange(COUNT) % 3
BATCHES = [slice(0, 5), slice(5, COUNT)]


class Core(nn.Module):
    """Three classes from two inputs, both of which count."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        one, other = first.mean(dim=(2, 3)), second.mean(dim=(1, 2, 3))
        return one + torch.stack([other, -other, other**2], dim=1)


class Wrapped(nn.Module):
    """The same behind another calling convention."""

    def __init__(self, take: Callable[..., tuple[Tensor, Tensor]]) -> None:
        super().__init__()
        self.core, self.take = Core(), take

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.core(*self.take(*args, **kwargs))


@dataclass
class Found:
    logits: Tensor


class Particular(Wrapped):
    def forward(self, *args: Any, **kwargs: Any) -> Found:
        return Found(super().forward(*args, **kwargs))


def only_predicts(inputs: Mapping[str, Any], mode: str) -> tuple[Tensor, Tensor]:
    assert mode == "predict"
    first, second = inputs["image"]
    return first, second


def loader(form: Callable[[Tensor, Tensor], Any]) -> list[Any]:
    return [(form(FIRST[s], SECOND[s]), LABELS[s]) for s in BATCHES]


def pairs(names: tuple[str, str] = ("rgb", "thermal")) -> list[Any]:
    return [
        (dict(zip(names, (FIRST[s], SECOND[s]), strict=True)), {"label": LABELS[s]})
        for s in BATCHES
    ]


def plain(names: tuple[str, str]) -> Run:
    """Measure the same network called in the plain way."""
    net = influence.JointNetwork(Core(), names, ["label"])
    return influence.measure(net, pairs(names))


PREPARED: dict[str, dict[str, Any]] = {
    "One dictionary": {
        "network": Wrapped(lambda x: (x["rgb"], x["thermal"])),
        "loader": loader(lambda a, b: {"thermal": b, "rgb": a}),
    },
    "One tuple": {
        "network": Wrapped(lambda x: x),
        "loader": loader(lambda a, b: (a, b)),
    },
    "Keyword arguments": {
        "network": Wrapped(lambda *, thermal, rgb: (rgb, thermal)),
        "loader": loader(lambda a, b: {"thermal": b, "rgb": a}),
    },
    "Two modalities in the channels of one tensor": {
        "network": Wrapped(lambda x: (x[:, :3], x[:, 3:])),
        "loader": loader(lambda a, b: torch.cat([a, b], dim=1)),
    },
    "Anything else": {
        "network": Particular(only_predicts),
        "loader": [(FIRST[s], SECOND[s], LABELS[s]) for s in BATCHES],
    },
}


def executed(title: str, **given: Any) -> Run:
    names = {"influence": influence, "torch": torch} | given
    exec(compile(RECIPES[title], f"README.md, {title}", "exec"), names)
    run = names["run"]
    assert isinstance(run, Run)
    return run


def test_each_recipe_is_short_and_has_a_test() -> None:
    others = {ABSENT, "A metric of your own", "A metric of torchmetrics"}
    assert set(RECIPES) == {*PREPARED, *others}
    for title, code in RECIPES.items():
        lines = [line for line in code.splitlines() if line.strip()]
        assert 0 < len(lines) < MOST_LINES, title


@pytest.mark.parametrize("title", PREPARED)
def test_a_network_of_another_build_is_measured_as_the_plain_one(title: str) -> None:
    run = executed(title, **PREPARED[title])
    first, second = run.influence["source"].unique()
    expected = plain((first, second))
    pd.testing.assert_frame_equal(run.influence, expected.influence, rtol=1e-6)
    assert (run.influence["omega"] != 0).any()


class Tolerant(Core):
    """Without an input it says what it says on zeros, but for a bias that tells that it is gone."""

    def forward(self, first: Tensor | None, second: Tensor | None) -> Tensor:
        known = first if first is not None else torch.zeros(len(second), 3, 1, 1)  # type: ignore[arg-type]
        other = second if second is not None else torch.zeros(len(known), 1, 1, 1)
        bias = torch.tensor([0.0, 0.0, float(first is None or second is None)])
        return super().forward(known, other) + bias


def test_a_network_that_accepts_none_gets_none() -> None:
    net = Tolerant()
    frame = executed(ABSENT, network=net, loader=[(FIRST, SECOND, LABELS)]).influence
    frame = frame[frame["metric"] == "cross_entropy"].set_index(["mute", "source"])
    zeros = torch.zeros_like(FIRST), torch.zeros_like(SECOND)
    expected = {
        ("absent", "rgb"): net(None, SECOND),
        ("absent", "thermal"): net(FIRST, None),
        ("zero", "rgb"): net(zeros[0], SECOND),
        ("zero", "thermal"): net(FIRST, zeros[1]),
    }
    losses = {
        key: nn.functional.cross_entropy(logits.double(), LABELS).item()
        for key, logits in expected.items()
    }
    assert frame["muted"].to_dict() == pytest.approx(losses)
    assert losses["absent", "rgb"] != pytest.approx(losses["zero", "rgb"], abs=1e-3)


def test_a_metric_of_ones_own_is_what_it_says() -> None:
    x, y = torch.rand(2, COUNT, 1, 4, 5, generator=STREAM) + 0.5
    net = influence.JointNetwork(Sum(), ["x", "y"], ["depth"])
    run = executed("A metric of your own", net=net, data=[({"x": x, "y": y}, {"depth": x})])
    frame = run.influence
    chosen = (frame["mute"] == "zero") & (frame["source"] == "y")
    (row,) = frame[chosen & (frame["metric"] == "within_ten_percent")].to_dict("records")
    # Without y the network is right everywhere.
    right = ((x + y - x).abs() < 0.1 * x).double().mean().item()
    assert (row["full"], row["muted"]) == (pytest.approx(right), 1.0)
    assert row["omega"] == pytest.approx(right - 1)
    assert row["omega_low"] <= row["omega"] <= row["omega_high"]


class Sum(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return x + y


def test_a_metric_of_torchmetrics_has_a_value_and_no_interval() -> None:
    net = influence.JointNetwork(Core(), ["rgb", "thermal"], ["label"])
    frame = executed("A metric of torchmetrics", net=net, data=pairs()).influence
    own = frame[frame["metric"] != "accuracy"]
    assert len(own) == 2 * 2
    assert own["omega_low"].isna().all()
    assert frame.loc[frame["metric"] == "accuracy", "omega_low"].notna().all()
    guess = Core()(FIRST, SECOND).argmax(dim=1)
    agreed = (guess == LABELS).double().mean().item()
    shares = [[(x == c).double().mean().item() for c in range(3)] for x in (guess, LABELS)]
    chance = sum(a * b for a, b in zip(*shares, strict=True))
    assert own["full"].tolist() == pytest.approx([(agreed - chance) / (1 - chance)] * 4, abs=1e-6)


class Labels(nn.Module):
    """Three classes from the sums of what it is given, and of the places of ids."""

    def forward(self, *values: Any, **named: Any) -> Any:
        return sum_up([*values, *named.values()])


def sum_up(values: list[Any]) -> Tensor:
    total = torch.zeros(1)
    for value in values:
        parts = value if isinstance(value, list) else value
        sums = [x.double().mean() if x.numel() else torch.zeros(()) for x in parts]
        total = total + torch.stack([x.float() for x in sums])
    return torch.stack([total, 1 - total, total**2], dim=1)


class Reader(nn.Module):
    """Reads a nested picture and the tokens that a mask leaves."""

    def forward(self, *, img: Any, input_ids: Tensor, attention_mask: Tensor) -> dict[str, Any]:
        words = (input_ids * attention_mask).sum(1) / 10
        return {"loss": None, "logits": sum_up([img["rgb"]]) + words[:, None] * torch.arange(3)}


class Scanner(nn.Module):
    """Adds to a picture the points of each sample, turned by a pose of the whole batch."""

    def forward(self, camera: Tensor, lidar: list[Tensor], pose: Tensor) -> Tensor:
        turned = [cloud @ pose for cloud in lidar]
        return sum_up([camera, turned])


class Places(nn.Module):
    """Weighs each place of a sequence of ids."""

    def forward(self, ids: Tensor) -> Tensor:
        total = (ids * torch.arange(1, ids.shape[1] + 1)).sum(1) / 20
        return torch.stack([total, 1 - total, total**2], dim=1)


IDS = torch.randint(1, 9, (COUNT, 5), generator=STREAM)
MASK = (torch.arange(5) < torch.randint(2, 6, (COUNT, 1), generator=STREAM)).long()
KEPT = torch.isin(IDS, torch.tensor([1, 2]))
CLOUDS = [torch.rand(1 + i % 4, 2, generator=STREAM) for i in range(COUNT)]
NOTHING = [cloud[:0] for cloud in CLOUDS]
POSE = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
AS_THEY_ARE = recipes("## Inputs and loaders as they are\n")
GIVEN: dict[str, tuple[dict[str, Any], dict[tuple[str, str], Tensor]]] = {
    "A loader of tuples": (
        {"network": Core(), "loader": [(FIRST[s], SECOND[s], LABELS[s]) for s in BATCHES]},
        {
            ("zero", "rgb"): Core()(0 * FIRST, SECOND),
            ("zero", "thermal"): Core()(FIRST, 0 * SECOND),
        },
    ),
    "Samples instead of batches": (
        {
            "network": Core(),
            "dataset": torch.utils.data.TensorDataset(FIRST, SECOND, LABELS),
            "torch": torch,
        },
        {
            ("zero", "rgb"): Core()(0 * FIRST, SECOND),
            ("zero", "thermal"): Core()(FIRST, 0 * SECOND),
        },
    ),
    "Tokens with their mask, beside a nested picture": (
        {
            "network": Reader(),
            "loader": [
                (
                    {"img": {"rgb": FIRST[s]}, "input_ids": IDS[s], "attention_mask": MASK[s]},
                    {"answer": LABELS[s]},
                )
                for s in BATCHES
            ],
        },
        {
            ("zero", "rgb"): Reader()(img={"rgb": 0 * FIRST}, input_ids=IDS, attention_mask=MASK)[
                "logits"
            ],
            ("empty", "text"): Reader()(
                img={"rgb": FIRST}, input_ids=IDS * KEPT, attention_mask=MASK * KEPT
            )["logits"],
        },
    ),
    "Points, of which each sample has another number, and a context": (
        {
            "network": Scanner(),
            "loader": [
                ({"camera": FIRST[s], "lidar": CLOUDS[s], "pose": POSE}, {"label": LABELS[s]})
                for s in BATCHES
            ],
        },
        {
            ("zero", "camera"): Scanner()(0 * FIRST, CLOUDS, POSE),
            ("empty", "lidar"): Scanner()(FIRST, NOTHING, POSE),
        },
    ),
    "Two inputs in the places of one tensor": (
        {"network": Places(), "loader": [({"ids": IDS[s]}, {"label": LABELS[s]}) for s in BATCHES]},
        {
            ("empty", "prompt"): Places()(IDS * torch.tensor([0, 0, 0, 1, 1])),
            ("empty", "question"): Places()(IDS * torch.tensor([1, 1, 1, 0, 0])),
        },
    ),
    "A mute of your own": (
        {"network": Core(), "data": pairs()},
        {
            ("zero", "rgb"): Core()(0 * FIRST, SECOND),
            ("zero", "thermal"): Core()(FIRST, 0 * SECOND),
            ("night", "rgb"): Core()(FIRST / 10, SECOND),
            ("night", "thermal"): Core()(FIRST, SECOND / 10),
        },
    ),
}


@pytest.mark.parametrize("title", AS_THEY_ARE)
def test_inputs_as_they_are_give_what_a_loop_gives(title: str) -> None:
    names, logits = GIVEN[title]
    names = {"influence": influence} | names
    exec(compile(AS_THEY_ARE[title], f"README.md, {title}", "exec"), names)
    frame = names["run"].influence
    frame = frame[frame["metric"] == "cross_entropy"].set_index(["mute", "source"])
    expected = {
        key: nn.functional.cross_entropy(found.double(), LABELS).item()
        for key, found in logits.items()
    }
    assert frame["muted"].to_dict() == pytest.approx(expected, abs=1e-6)
    assert len([line for line in AS_THEY_ARE[title].splitlines() if line.strip()]) < MOST_LINES
