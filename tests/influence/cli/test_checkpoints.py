"""Checkpoints from the shell: entries, trust, and networks that bring their own weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from tests.toy import Toy, toy

NETWORK = ["--network", "tests.toy:toy"]


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def measured(out: Path, data: Path, *arguments: object) -> pd.DataFrame:
    result = call("measure", *arguments, "--data", data, "--mute", "zero", "--draws", 10,
                  "--metric", "depth=rms", "--out", out, "--device", "cpu")  # fmt: skip
    assert result.exit_code == 0, result.output
    return pd.read_csv(out / "influence.csv")


def test_a_network_without_a_checkpoint_has_its_own_weights(tmp_path: Path, toy_file: Path) -> None:
    torch.save(toy().module.state_dict(), tmp_path / "toy.pt")
    own = measured(tmp_path / "own", toy_file, *NETWORK)
    loaded = measured(tmp_path / "loaded", toy_file, tmp_path / "toy.pt", *NETWORK)
    assert own["omega"].tolist() == loaded["omega"].tolist()
    assert set(own["network"]) == {"toy"}


def test_without_a_checkpoint_and_a_network_the_usage_is_wrong(
    tmp_path: Path, toy_file: Path
) -> None:
    result = call("measure", "--data", toy_file, "--out", tmp_path / "run")
    assert (result.exit_code, "Missing option '--ckpt', or '--network'" in result.stderr) == (
        2,
        True,
    )


def test_the_entry_is_chosen_and_named(tmp_path: Path, toy_file: Path) -> None:
    entries: dict[str, Any] = {
        name: Toy(seed=seed).state_dict() for name, seed in (("model", 1), ("ema", 2))
    }
    torch.save(entries, tmp_path / "net.ckpt")
    for name in entries:
        torch.save(entries[name], tmp_path / f"{name}.pt")
    result = call("measure", tmp_path / "net.ckpt", *NETWORK, "--data", toy_file, "--draws", 10,
                  "--out", tmp_path / "first", "--device", "cpu")  # fmt: skip
    assert "'ema' would fit as well: --weights-key ema" in result.stderr
    for name, option in (("model", []), ("ema", ["--weights-key", "ema"])):
        found = measured(tmp_path / f"a-{name}", toy_file, tmp_path / "net.ckpt", *NETWORK, *option)
        plain = measured(tmp_path / f"b-{name}", toy_file, tmp_path / f"{name}.pt", *NETWORK)
        assert found["omega"].tolist() == plain["omega"].tolist()


def test_torchscript_needs_trust(tmp_path: Path, toy_file: Path) -> None:
    class Plain(torch.nn.Module):
        def forward(
            self, depth: torch.Tensor, semantic: torch.Tensor
        ) -> tuple[torch.Tensor, torch.Tensor]:
            return depth + semantic[:, :1], semantic

    path = tmp_path / "net.pt"
    examples = torch.ones(2, 1, 5, 6), torch.ones(2, 3, 5, 6)
    trace: Any = torch.jit.trace
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(trace(Plain(), examples), path)
    result = call("show", path, *NETWORK)
    assert result.exit_code == 1
    assert "If you know who made it, give --trust; else" in result.stderr
    found = measured(tmp_path / "run", toy_file, path, *NETWORK, "--trust")
    assert set(found["network"]) == {"net"}


@pytest.mark.parametrize("name", ["tests.toy:toy", "toy.pt", "folder"])
def test_show_describes_any_network(tmp_path: Path, name: str) -> None:
    import safetensors.torch

    weights = toy().module.state_dict()
    torch.save(weights, tmp_path / "toy.pt")
    (tmp_path / "folder").mkdir()
    safetensors.torch.save_file(weights, tmp_path / "folder" / "model.safetensors")
    what = name if ":" in name else tmp_path / name
    result = call("show", what, *([] if ":" in name else NETWORK))
    assert result.exit_code == 0, result.output
    expected = {"tests.toy:toy": "toy", "toy.pt": "toy", "folder": "folder"}[name]
    assert result.stdout.startswith(f"{expected}: network, 148 weights")
    assert ("sha256" in result.stdout) == (":" not in name)
