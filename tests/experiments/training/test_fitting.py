from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import Dataset

from experiments.training.fitting import Draw, ShuffledEpochs, fit, load_weights


class Line(Dataset[tuple[Tensor, Tensor]]):
    """y = 2x - 1 with noise from the draw's own seed."""

    def __init__(self, count: int = 12) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, draw: Draw) -> tuple[Tensor, Tensor]:
        noise = np.random.default_rng(draw[1]).normal(scale=0.01)
        x = torch.tensor([draw[0] / self.count])
        return x, 2 * x - 1 + noise


class Fitting(lightning.LightningModule):
    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def training_step(self, batch: Any, *_: Any) -> Tensor:
        x, y = batch
        return functional.mse_loss(self.network(x), y)

    def configure_optimizers(self) -> Any:
        optimiser = torch.optim.SGD(self.network.parameters(), lr=0.5, momentum=0.9)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=4 * 6)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def trained(folder: Path, *calls: int | None) -> nn.Linear:
    """Train for 6 epochs in one call per entry, each a new process as far as state goes."""
    for stop_after in calls:
        torch.manual_seed(0)
        network = nn.Linear(1, 1)
        fit(
            Fitting(network),
            network,
            Line(),
            folder,
            epochs=6,
            batch_size=3,
            seed=5,
            precision="32-true",
            stop_after=stop_after,
        )
    return network


def test_a_resumed_run_gives_the_weights_and_the_history_of_an_uninterrupted_one(
    tmp_path: Path,
) -> None:
    whole = trained(tmp_path / "whole", None)
    parts = trained(tmp_path / "parts", 2, 1, None)
    for name, value in whole.state_dict().items():
        assert torch.equal(value, parts.state_dict()[name]), name
    histories = [(tmp_path / run / "history.csv").read_text() for run in ("whole", "parts")]
    assert histories[0] == histories[1]
    rows = list(csv.DictReader(histories[0].splitlines()))
    assert [float(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]


def test_an_interrupted_run_leaves_no_weights(tmp_path: Path) -> None:
    trained(tmp_path / "run", 3)
    assert (tmp_path / "run" / "last.ckpt").is_file()
    assert not (tmp_path / "run" / "weights.safetensors").exists()


def test_a_finished_run_is_not_trained_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trained(tmp_path / "run", None)
    before = (tmp_path / "run" / "weights.safetensors").read_bytes()
    capsys.readouterr()
    trained(tmp_path / "run", None)
    assert capsys.readouterr().out == "run: already trained\n"
    assert (tmp_path / "run" / "weights.safetensors").read_bytes() == before


def test_the_saved_weights_are_the_network_rounded_to_half_precision(tmp_path: Path) -> None:
    network = trained(tmp_path / "run", None)
    loaded = nn.Linear(1, 1)
    load_weights(loaded, tmp_path / "run" / "weights.safetensors")
    torch.testing.assert_close(loaded.weight, network.weight, rtol=2**-11, atol=0)
    assert torch.equal(loaded.bias, network.bias)
    assert not loaded.training


def test_every_epoch_has_all_samples_in_an_order_of_its_own() -> None:
    sampler = ShuffledEpochs(Line(9), seed=3)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append([index for index, _ in sampler])
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(9))
    assert orders[0] != orders[1]
    assert orders[0] == orders[2]
