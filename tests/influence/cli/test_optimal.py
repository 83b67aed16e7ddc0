"""``influence optimal``: constants are shown, and written into a new checkpoint."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from influence.mutes.optimal import learn_optimal
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.runtime.execution import Execution
from tests.toy import Toy, toy


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    path = tmp_path / "toy.pt2"
    example = {"depth": torch.ones(2, 1, 5, 6), "semantic": torch.ones(2, 3, 5, 6)}
    export_checkpoint(toy(), path, example)
    return path


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["optimal", *map(str, arguments)])


def test_constants_are_learned_and_written(checkpoint: Path, toy_file: Path) -> None:
    new = checkpoint.with_name("new.pt2")
    result = call(checkpoint, "--data", toy_file, "--out", new, "--steps", 20, "--seed", 3,
                  "--batch-size", 5, "--limit", 10)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "wrote " in result.stderr
    expected = learn_optimal(load_checkpoint(checkpoint), toy_file, steps=20, seed=3, limit=10,
                             execution=Execution(batch_size=5))  # fmt: skip
    found = {m.name: m.optimal for m in load_checkpoint(new).inputs}
    assert found == expected
    lines = dict(line.split(": ") for line in result.stdout.splitlines())
    shown = {name: [float(n) for n in text.split(", ")] for name, text in lines.items()}
    assert shown == {n: pytest.approx(list(c), rel=1e-5) for n, c in expected.items()}


def test_a_checkpoint_with_constants_runs_the_whole_panel(checkpoint: Path, toy_file: Path) -> None:
    new, out = checkpoint.with_name("new.pt2"), checkpoint.with_name("run")
    assert call(checkpoint, "--data", toy_file, "--out", new, "--steps", 2).exit_code == 0
    result = CliRunner().invoke(
        main,
        ["measure", "--ckpt", str(new), "--data", str(toy_file), "--mute", "panel", "--draws", "10",
         "--out", str(out)],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "optimal of 'depth' comes from the checkpoint" in result.stderr
    assert ",optimal,input,semantic,depth," in (out / "influence.csv").read_text()


def test_training_data_of_measure(checkpoint: Path, toy_file: Path) -> None:
    out = checkpoint.with_name("run")
    result = CliRunner().invoke(
        main,
        ["measure", "--ckpt", str(checkpoint), "--data", str(toy_file), "--mute", "optimal",
         "--draws", "10", "--out", str(out), "--train", "tests.toy:batches"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert "optimal of 'depth' was learned on the data given (13 samples)" in result.stderr


def test_constants_of_a_weights_file_are_shown(tmp_path: Path, toy_file: Path) -> None:
    weights = tmp_path / "toy.pt"
    torch.save(Toy().state_dict(), weights)
    given = [weights, "--network", "tests.toy:toy", "--data", toy_file, "--site", "depth"]
    result = call(*given, "--steps", 2)
    assert result.exit_code == 0, result.output
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["depth"]
    refused = call(*given, "--out", tmp_path / "new.pt2")
    assert refused.exit_code == 1
    assert "Modality(name, optimal=...)" in refused.stderr


def test_nothing_is_learned_that_could_not_be_written(checkpoint: Path) -> None:
    result = call(checkpoint, "--data", "gone.h5", "--out", checkpoint)
    assert result.exit_code == 1
    assert "exists and is not overwritten" in result.stderr
