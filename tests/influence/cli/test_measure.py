"""``influence measure`` from the shell: exit codes, messages, files, resume after a kill."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from influence.data.evaluation_writer import write_evaluation_file
from influence.display.notation import display_of
from influence.metrics.sets import SETS
from influence.results.tables import INFLUENCE_COLUMNS, INTERACTIONS_COLUMNS
from tests.toy import Toy, toy_arrays, write_toy_file

ROOT = Path(__file__).parents[3]
TABLES = ("influence.csv", "performance.csv", "samples.csv.gz")


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


def arguments(weights: Path, data: Path | str, out: Path, *more: str) -> list[str]:
    return ["measure", "--ckpt", str(weights), "--network", "tests.toy:toy", "--data", str(data),
            "--out", str(out), "--draws", "20", "--device", "cpu", *more]  # fmt: skip


def call(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


def test_run_directory_and_table(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    second = tmp_path / "second.pt"
    torch.save(Toy(1).state_dict(), second)
    result = call([*arguments(weights, toy_file, tmp_path / "out", "--mute", "zero,shuffle"),
                   str(second)])  # fmt: skip
    assert result.exit_code == 0, result.output
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(
        [*TABLES, "rows.h5", "run.json"]
    )
    frame = pd.read_csv(tmp_path / "out" / "influence.csv")
    assert tuple(frame.columns) == INFLUENCE_COLUMNS
    assert set(frame["network"]) == {"net", "second"}
    assert set(frame["mute"]) == {"zero", "shuffle"}
    assert frame["checkpoint_sha256"].str.len().eq(64).all()
    assert "net" in result.stdout
    assert "second" in result.stdout
    assert "13/13" in result.stderr  # one pass serves both


def test_options_arrive(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    more = ["--metric", "depth=rms,abs_rel", "--site", "semantic", "--limit", "5", "--seed", "7",
            "--confidence", "0.9", "--batch-size", "2"]  # fmt: skip
    assert call(arguments(weights, toy_file, tmp_path, *more)).exit_code == 0
    measured = json.loads((tmp_path / "run.json").read_text())["measured"]
    (network,) = measured["networks"]
    assert network["metrics"] == {"depth": ["rms", "abs_rel"]}
    assert (network["sites"], measured["seed"]) == (["semantic"], 7)
    assert (measured["data"]["n"], measured["confidence"]) == (5, 0.9)


def test_a_set_is_measured_by_its_metrics_and_tabled_in_their_order(
    weights: Path, toy_file: Path, tmp_path: Path
) -> None:
    more = ["--metric", "semantic=hybridnet,cross_entropy", "--metric", "depth=mae,hybridnet",
            "--mute", "zero"]  # fmt: skip
    result = call(arguments(weights, toy_file, tmp_path, *more))
    assert result.exit_code == 0, result.output
    known = SETS["hybridnet"]
    run = json.loads((tmp_path / "run.json").read_text())["measured"]["networks"][0]
    assert run["metrics"] == {
        "semantic": [*known.labels, "cross_entropy"], "depth": ["mae", *known.values],
    }  # fmt: skip
    table = call(
        ["table", "performance", str(tmp_path), "--metric", "hybridnet", "--format", "csv"]
    )
    assert table.exit_code == 0, table.output
    headings = next(csv.reader(table.stdout.splitlines()))
    shown = [h for h in headings if ": " in h and not h.endswith((" low", " high"))]
    expected = [f"semantic: {display_of(name).label}" for name in known.labels]
    expected += [f"depth: {display_of(name).label}" for name in known.values]
    assert [h[: len(e)] for h, e in zip(shown, expected, strict=True)] == expected


def test_metrics_of_ones_own(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    more = ["--metric", "depth=tests.own_metrics:within,tests.own_metrics:Distance,mae",
            "--mute", "zero"]  # fmt: skip
    result = call(arguments(weights, toy_file, tmp_path, *more))
    assert result.exit_code == 0, result.output
    assert "MeanAbsoluteError: value only, no interval" in result.stderr
    frame = pd.read_csv(tmp_path / "influence.csv")
    own, theirs, mae = (
        frame[frame["metric"] == name] for name in ("within", "MeanAbsoluteError", "mae")
    )
    tested = ["omega_low", "p_holm"]
    assert own[tested].notna().all(axis=None)
    assert theirs[tested].isna().all(axis=None)
    assert theirs["omega"].tolist() == pytest.approx(mae["omega"].tolist(), abs=1e-6)
    result = call([*arguments(weights, toy_file, tmp_path, *more), "--limit", "5"])
    assert result.exit_code == 1  # another run


def test_interactions_are_written_and_shown(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    result = call(arguments(weights, toy_file, tmp_path, "--mute", "zero", "--interactions"))
    assert result.exit_code == 0, result.output
    frame = pd.read_csv(tmp_path / "interactions.csv")
    assert tuple(frame.columns) == INTERACTIONS_COLUMNS
    assert set(frame["players"]) == {"depth", "semantic", "depth+semantic"}
    assert "Shapley" in result.stdout
    assert json.loads((tmp_path / "run.json").read_text())["measured"]["interactions"] is True


def test_data_without_ground_truth(weights: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    write_evaluation_file(path, inputs=toy_arrays()["inputs"], targets={})
    result = call(arguments(weights, path, tmp_path / "out", "--mute", "zero"))
    assert result.exit_code == 0, result.output
    assert "output 'depth' has no ground truth" in result.stderr
    frame = pd.read_csv(tmp_path / "out" / "influence.csv")
    assert set(frame["metric"]) == {"relative_change", "kl_divergence", "changed_labels"}
    assert (frame["omega"] > 0).all()


def test_levels(weights: Path, tmp_path: Path) -> None:
    data = write_toy_file(tmp_path / "a.h5", groups=["hall", "bath"] * 6 + ["hall"])
    more = ["--mute", "zero", "--by", "depth=2,3,region=1,group"]
    result = call(arguments(weights, data, tmp_path / "out", *more))
    assert result.exit_code == 0, result.output
    levels = ["depth:0-2", "depth:2-3", "depth:3-inf", "region:border", "region:interior",
              "group:hall", "group:bath"]  # fmt: skip
    for name in ("influence", "performance"):
        frame = pd.read_csv(tmp_path / "out" / f"{name}.csv")
        found = dict.fromkeys(frame[frame["target"] == "depth"]["level"])
        assert list(found) == ["all", *levels]
    table = call(["table", "omega", str(tmp_path / "out"), "--level", "depth:*"])
    assert table.exit_code == 0, table.output
    assert "depth:2-3" in table.output


def test_data_from_a_factory(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    result = call(arguments(weights, "tests.toy:batches", tmp_path / "a", "--mute", "zero"))
    assert result.exit_code == 0, result.output
    call(arguments(weights, toy_file, tmp_path / "b", "--mute", "zero"))
    one, other = (pd.read_csv(tmp_path / n / "influence.csv")["omega"] for n in "ab")
    assert (one - other).abs().max() < 1e-12


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--mute", "zreo"], "unknown mute 'zreo': did you mean 'zero'"),
        (["--metric", "depth=rsm"], "unknown metric 'rsm': did you mean 'rms'"),
        (["--metric", "dept=rms"], "unknown output 'dept': did you mean 'depth'"),
        (["--site", "semantics"], "unknown site 'semantics': did you mean 'semantic'"),
        (["--by", "regions"], "unknown level 'regions': did you mean 'region'"),
        (["--by", "group"], "toy.h5 has no groups. Leave out the level 'group'"),
        (["--device", "gpu"], "device 'gpu' cannot be used here"),
        (["--data", "gone.h5"], "gone.h5: no such evaluation file"),
        (["--data", "tests.toy:gone"], "'tests.toy:gone': expected module:factory"),
        (["--ckpt", "gone.pt2"], "gone.pt2"),
        (["--network", "tests.toy:gone"], "gone"),
    ],
)
def test_mistakes_end_with_one_message_and_code_1(
    weights: Path, toy_file: Path, tmp_path: Path, more: list[str], message: str
) -> None:
    result = call(arguments(weights, toy_file, tmp_path / "out", *more))
    assert result.exit_code == 1
    assert message in result.stderr
    assert result.stderr.startswith("influence: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "wrong",
    [["--metric", "depth"], ["--batch-size", "0"], ["--limit", "0"], ["--confidence", "1"],
     ["--amp", "half"], ["--mtue", "zero"], ["--out", ""]],
)  # fmt: skip
def test_wrong_usage_ends_with_code_2(
    weights: Path, toy_file: Path, tmp_path: Path, wrong: list[str]
) -> None:
    assert call(arguments(weights, toy_file, tmp_path / "out", *wrong)).exit_code == 2
    assert not (tmp_path / "out").exists()


def test_missing_arguments_and_commands_are_wrong_usage() -> None:
    for missing in (["measure", "--data", "d.h5", "--out", "o"], ["measure"], ["meausre"]):
        assert call(missing).exit_code == 2


def test_earlier_results_stay(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    assert call(arguments(weights, toy_file, tmp_path, "--mute", "zero")).exit_code == 0
    first = contents(tmp_path)
    bad = write_toy_file(tmp_path / "bad.h5")
    with h5py.File(bad, "r+") as file:
        file["ids"] = ["same"] * 12 + ["other"]
    for more, message in (
        (["--mute", "mean"], "holds another run, with other mutes"),
        (["--mute", "zero", "--seed", "5"], "with other seed"),
        (["--data", str(bad)], "'ids' must be unique"),
    ):
        result = call(arguments(weights, toy_file, tmp_path, *more))
        assert result.exit_code == 1
        assert message in result.stderr
        assert contents(tmp_path) == first
    assert call(arguments(weights, toy_file, tmp_path, "--mute", "zero")).exit_code == 0
    assert contents(tmp_path) == first


def test_output_that_is_a_file(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    result = call(arguments(weights, toy_file, tmp_path / "out"))
    assert result.exit_code == 1
    assert "is a file, expected a directory" in result.stderr
    assert (tmp_path / "out").read_text() == "mine"


def test_resume_after_a_kill_gives_the_same_bytes(
    weights: Path, toy_file: Path, tmp_path: Path
) -> None:
    more = ["--batch-size", "1", "--mute", "zero,shuffle,noise"]
    assert call(arguments(weights, toy_file, tmp_path / "whole", *more)).exit_code == 0
    slow = [*arguments(weights, toy_file, tmp_path / "out", *more), "--network",
            "tests.toy:slow_toy"]  # fmt: skip
    program = [sys.executable, "-c", "from influence.cli import main; main()", *slow]
    shards = tmp_path / "out" / "unfinished"
    with subprocess.Popen(program, cwd=ROOT, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while len(list(shards.glob("[0-9]*.safetensors"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert 3 <= len(list(shards.glob("[0-9]*.safetensors"))) < 13
    assert not (tmp_path / "out" / "influence.csv").exists()
    assert call(arguments(weights, toy_file, tmp_path / "out", *more, "--resume")).exit_code == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")
    assert not (tmp_path / "out" / "unfinished").exists()
