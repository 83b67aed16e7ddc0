"""``influence gallery`` from the shell: a folder in the run, messages, and nothing half-written."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from influence.display.gallery import read_gallery
from tests.toy import Toy, write_toy_file

NETWORK = ["--network", "tests.toy:toy"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(weights: Path, toy_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    result = call("measure", weights, *NETWORK, "--data", toy_file, "--mute", "zero,shuffle",
                  "--draws", "10", "--out", out, "--device", "cpu")  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def call(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def gallery(run: Path, data: Path | str, *more: object) -> Result:
    return call("gallery", run, "--data", data, *NETWORK, "--device", "cpu", *more)


def test_a_gallery_in_the_run(weights: Path, toy_file: Path, run: Path) -> None:
    result = gallery(run, toy_file, "--ckpt", weights, "--top", 1)
    assert result.exit_code == 0, result.output
    found = read_gallery(run)
    assert found is not None
    size = sum(map(len, found.images.values()))
    assert result.output == (
        f"wrote {run}/gallery: 4 rows, {len(found.images)} images, {size / 1000:.0f} kB\n"
    )
    assert set(found.rows["mute"]) == {"shuffle"}
    result = gallery(run, toy_file, weights, "--top", 2, "--mute", "zero", "--metric", "rms",
                     "--own")  # fmt: skip
    assert result.exit_code == 0, result.output
    again = read_gallery(run)
    assert again is not None
    assert set(again.rows["mute"]) == {"zero"}
    assert set(again.rows["metric"]) == {"rms"}
    assert set(again.rows["source"]) == {"depth", "semantic"}


def test_wrong_usage_ends_with_code_2(weights: Path, toy_file: Path, run: Path) -> None:
    arguments = ["gallery", str(run), "--data", str(toy_file)]
    result = CliRunner().invoke(main, arguments)
    message = "Missing option '--ckpt', or '--network'"
    assert (result.exit_code, message in result.stderr) == (2, True)
    result = gallery(run, toy_file, weights, "--top", 0)
    assert (result.exit_code, "0 is not in the range x>=1" in result.stderr) == (2, True)


def test_mistakes_end_with_one_message_and_leave_the_run_as_it_was(
    weights: Path, toy_file: Path, run: Path, tmp_path: Path
) -> None:
    before = sorted(path.name for path in run.rglob("*"))
    data = write_toy_file(tmp_path / "other.h5", count=12)
    other = tmp_path / "net.pt"
    torch.save(Toy(1).state_dict(), other)
    for arguments, message in [
        ((run, data, weights), "measured on other data than"),
        ((run, toy_file, other), "'net' is none of these, or comes from another file"),
        ((run, toy_file, weights, "--mute", "shufle"), "unknown mute 'shufle'"),
        ((str(tmp_path), toy_file, weights), "expected a run directory with a readable run.json"),
    ]:
        result = call("gallery", arguments[0], "--data", *arguments[1:], *NETWORK)
        assert result.exit_code == 1
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert sorted(path.name for path in run.rglob("*")) == before
    assert not (tmp_path / "gallery").exists()
