from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from experiments.training.network_training import Batch, NetworkTraining
from experiments.training.recipe import Recipe
from models.jrn import JRN, VARIANTS, jrn_loss
from models.single_task import single_task_loss
from tests.experiments.training.tiny import Tiny, TinyConfig


def batch() -> Batch:
    random = torch.Generator().manual_seed(0)
    return {
        "rgb": torch.rand(2, 3, 8, 8, generator=random) * 255,
        "depth": 1 + torch.rand(2, 1, 24, 32, generator=random),
        "semantic": torch.rand(2, 5, 24, 32, generator=random).softmax(dim=1),
        "true_depth": 1 + torch.rand(2, 8, 8, generator=random),
        "labels": torch.randint(5, (2, 8, 8), generator=random),
    }


def tiny_training(network: Tiny, **more: Any) -> NetworkTraining:
    return NetworkTraining(network, single_task_loss, Recipe(), inputs=["rgb"], **more)


def watched(training: NetworkTraining, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    """What `validation_step` logs, as Lightning calls it: in eval mode."""
    seen: list[Tensor] = []
    monkeypatch.setattr(training, "log", lambda name, value, **_: seen.append(value))
    with torch.no_grad():
        training.eval().validation_step(batch())
    return seen[0]


def test_the_loss_of_a_joint_network_is_equation_1() -> None:
    given = batch() | {"true_depth": torch.full((2, 24, 32), 2.0)}
    given["labels"] = torch.randint(5, (2, 24, 32), generator=torch.Generator().manual_seed(1))
    network = JRN(VARIANTS["cat5"])
    training = NetworkTraining(network, jrn_loss, Recipe(), inputs=["depth", "semantic"])
    raw = network.train()(given["depth"], given["semantic"])
    expected = jrn_loss(raw, given["true_depth"], given["labels"])
    torch.testing.assert_close(training.training_step(given), expected)


def test_the_held_out_loss_is_of_raw_maps_with_the_averages_of_eval_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    network = Tiny(TinyConfig(normalised=True, dropout=0.5))
    assert isinstance(network.norm, torch.nn.BatchNorm2d)
    network.norm.running_mean = torch.tensor([0.3, -0.2])
    network.norm.running_var = torch.tensor([0.5, 2.0])
    x = network.first(batch()["rgb"] / 255)
    mean, variance = network.norm.running_mean, network.norm.running_var
    x = (x - mean[:, None, None]) / (variance[:, None, None] + network.norm.eps).sqrt()
    log_depth = network.head(x.relu())[:, 0]
    expected = (log_depth - batch()["true_depth"].log()).abs().mean()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.testing.assert_close(watched(tiny_training(network), monkeypatch), expected.detach())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_changes_are_made_in_turn_and_to_training_batches_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[float] = []

    def brighter(batch: Batch, *, random: torch.Generator) -> Batch:
        drawn.append(float(torch.rand((), generator=random)))
        return batch | {"rgb": batch["rgb"] + 1}

    def doubled(batch: Batch, *, random: torch.Generator) -> Batch:
        drawn.append(float(torch.rand((), generator=random)))
        return batch | {"rgb": batch["rgb"] * 2}

    network = Tiny()
    training = tiny_training(network, changes=[brighter, doubled], seed=3)
    loss = training.training_step(batch())
    raw = network.raw((batch()["rgb"] + 1) * 2)
    expected = single_task_loss(raw, batch()["true_depth"], batch()["labels"])
    torch.testing.assert_close(loss, expected)
    watched(training, monkeypatch)
    assert len(drawn) == len(set(drawn)) == 2

    training.training_step(batch())
    assert drawn[:2] == drawn[2:]  # the same step
    # Lightning reads step and device from its trainer
    for step, device in ((1, 0), (0, 1)):
        training._trainer = SimpleNamespace(global_step=step, global_rank=device)  # type: ignore[assignment]
        monkeypatch.setattr(type(training), "global_step", step)
        monkeypatch.setattr(type(training), "global_rank", device)
        training.training_step(batch())
    assert len(set(drawn)) == 6
