"""``influence maps`` from the shell: files, messages, and nothing left after a mistake."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from influence.results.run_directory import read_run
from influence.results.selection import extreme_samples
from influence.samples.maps import Effect, map_samples
from tests.toy import Toy, toy, write_toy_file

WHAT = ["--source", "depth", "--target", "semantic", "--mute", "shuffle"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def run(weights: Path, toy_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "run"
    result = CliRunner().invoke(
        main,
        ["measure", str(weights), "--network", "tests.toy:toy", "--data", str(toy_file), "--mute",
         "shuffle", "--seed", "5", "--limit", "11", "--draws", "10", "--out", str(out),
         "--device", "cpu"],
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    return out


def maps(weights: Path, data: Path | str, *more: object) -> Result:
    return CliRunner().invoke(
        main,
        ["maps", "--ckpt", str(weights), "--network", "tests.toy:toy", "--data", str(data),
         "--device", "cpu", *map(str, more)],
    )  # fmt: skip


def test_chosen_samples(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    out, figure = tmp_path / "maps.h5", tmp_path / "maps.png"
    result = maps(weights, toy_file, *WHAT, "--id", "4", "--id", "2", "--seed", "3", "--limit", 12,
                  "--out", out, "--figure", figure)  # fmt: skip
    assert result.exit_code == 0, result.output
    assert result.output == f"wrote {out}\nwrote {figure}\n"
    effect = Effect("depth", "semantic", "shuffle")
    expected = map_samples(toy(), toy_file, ["4", "2"], effect, seed=3, limit=12)
    with h5py.File(out) as file:
        assert [i.decode() for i in file["ids"]] == ["4", "2"]
        assert file["omega"][...].tolist() == expected.omega.tolist()
        assert (file.attrs["seed"], file.attrs["n"]) == (3, 12)
    assert figure.read_bytes()[1:4] == b"PNG"


def test_the_extremes_of_a_run_are_mapped_as_they_were_measured(
    weights: Path, toy_file: Path, run: Path, tmp_path: Path
) -> None:
    out = tmp_path / "maps.h5"
    result = maps(weights, toy_file, *WHAT, "--run", run, "--top", 2, "--metric", "pixel_accuracy",
                  "--out", out)  # fmt: skip
    assert result.exit_code == 0, result.output
    chosen = extreme_samples(read_run(run).samples, source=["depth"], target=["semantic"],
                             metric=["pixel_accuracy"], top=2)  # fmt: skip
    assert 2 <= len(chosen) <= 4
    with h5py.File(out) as file:
        assert [i.decode() for i in file["ids"]] == chosen["id"].tolist()
        # samples.csv.gz keeps nine digits.
        assert file["omega"][...].tolist() == pytest.approx(chosen["omega"].tolist(), abs=1e-8)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ([], "Give either --id or --run."),
        (["--id", "1", "--run", "run"], "Give either --id or --run."),
        (["--id", "1"], "Give --out, --figure, or both."),
        (["--id", "1", "--out", "maps.npz"], "ends in .h5, not 'maps.npz'"),
        (["--id", "1", "--out", "maps.h5", "--top", "3"], "--top does not go with --id"),
        (["--run", "run", "--out", "maps.h5", "--seed", "3"], "--seed does not go with --run"),
        (["--run", "run", "--out", "maps.h5", "--top", "0"], "0 is not in the range x>=1"),
    ],
)
def test_wrong_usage_ends_with_code_2(
    weights: Path, toy_file: Path, more: list[str], message: str
) -> None:
    result = maps(weights, toy_file, *WHAT, *more)
    assert result.exit_code == 2
    assert message in result.stderr


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--id", "99"], "no sample '99' among the 13 of"),
        (["--id", "1", "--figure", "maps.gif"], "a file name that ends in .png, .pdf, .svg"),
        (["--id", "1", "--source", "dept"], "unknown site 'dept': did you mean 'depth'"),
        (["--run", "nowhere"], "expected a run directory with a readable run.json"),
    ],
)
def test_mistakes_end_with_one_message_and_code_1(
    weights: Path, toy_file: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    result = maps(weights, toy_file, *WHAT, *more, "--out", tmp_path / "out" / "maps.h5")
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.startswith("influence: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_run_of_something_else_is_refused(
    weights: Path, toy_file: Path, run: Path, tmp_path: Path
) -> None:
    other = tmp_path / "net.pt"  # of the same name
    torch.save(Toy(1).state_dict(), other)
    wanted = ["--run", run, "--out", tmp_path / "maps.h5"]
    assert (
        "holds results of the networks net; 'net' is none"
        in maps(other, toy_file, *WHAT, *wanted).stderr
    )
    data = write_toy_file(tmp_path / "other.h5", count=12)
    assert "measured on other data than" in maps(weights, data, *WHAT, *wanted).stderr
    mean = [*WHAT[:-1], "mean"]
    assert "unknown mute 'mean'" in maps(weights, toy_file, *mean, *wanted).stderr
    assert not (tmp_path / "maps.h5").exists()


def test_a_streamed_or_damaged_run_is_refused(
    weights: Path, toy_file: Path, run: Path, tmp_path: Path
) -> None:
    for path in run.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    samples = (tmp_path / "samples.csv.gz").rename(tmp_path / "aside.csv.gz")
    info = json.loads((run / "run.json").read_text())
    wanted = [*WHAT, "--run", tmp_path, "--out", tmp_path / "maps.h5"]
    info["measured"]["stream"] = True
    (tmp_path / "run.json").write_text(json.dumps(info))
    streamed = maps(weights, toy_file, *wanted).stderr
    assert "has no samples to choose from" in streamed
    assert "Measure without --stream" in streamed  # an option of another command
    samples.rename(tmp_path / "samples.csv.gz")
    del info["measured"]["seed"]
    info["measured"]["stream"] = False
    (tmp_path / "run.json").write_text(json.dumps(info))
    assert "run.json: measured: seed: field required" in maps(weights, toy_file, *wanted).stderr
