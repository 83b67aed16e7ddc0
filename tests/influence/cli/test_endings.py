"""How commands end: by signals, by a user's code, without a directory or an output."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result

from influence.cli import main
from influence.runtime.directories.locks import hold
from tests.toy import Toy

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "influence"]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


def arguments(weights: Path, data: Path | str, out: Path | str, *more: str) -> list[str]:
    return ["measure", "--ckpt", str(weights), "--network", "tests.toy:toy", "--data", str(data),
            "--out", str(out), "--draws", "20", "--device", "cpu", "--batch-size", "1",
            "--mute", "zero", *more]  # fmt: skip


def call(arguments: list[str]) -> Result:
    return CliRunner().invoke(main, arguments)


def contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != "run.json"}


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_a_measurement_that_can_go_on(
    weights: Path, toy_file: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    assert call(arguments(weights, toy_file, tmp_path / "whole")).exit_code == 0
    out = tmp_path / "out"
    shards = "unfinished/[0-9]*.safetensors"
    slow = [*PROGRAM, *arguments(weights, toy_file, out), "--network", "tests.toy:slow_toy"]
    with subprocess.Popen(slow, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 300
        while len(list(out.glob(shards))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        _, told = process.communicate()
    kept = len(list(out.glob(shards)))
    assert process.returncode == code
    assert "Traceback" not in told
    assert [line for line in told.splitlines() if line.startswith("influence: ")] == [
        f"influence: {number.name} has ended the command. {kept} finished batches are kept in "
        f"{out}/unfinished. To go on, start the same command with --resume"
    ]
    assert [path.name for path in out.iterdir()] == ["unfinished"]
    assert not list(out.rglob(".*"))
    assert call(arguments(weights, toy_file, out, "--resume")).exit_code == 0
    assert contents(out) == contents(tmp_path / "whole")


LEAVER = """
import os, sys
from tests.toy import Toy, batches, joint

class Leaver(Toy):
    def forward(self, depth, semantic):
        act()
        return super().forward(depth, semantic)

def act():
    {act}

def network():
    return joint(Leaver())

def factory():
    act()
    return network()

def data():
    for batch in batches():
        act()
        yield batch
"""


@pytest.mark.parametrize("act", ["sys.exit()", "sys.exit(3)", "os.chdir('other')", "exit(0)"])
@pytest.mark.parametrize("what", ["network", "factory", "data"])
def test_code_of_a_user_neither_ends_the_command_nor_moves_it(
    toy_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, act: str, what: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "leaver", raising=False)
    (tmp_path / "other").mkdir()
    (tmp_path / "leaver.py").write_text(
        LEAVER.format(act=act.replace("other", f"{tmp_path}/other"))
    )
    network = "tests.toy:toy" if what == "data" else f"leaver:{what}"
    data = "leaver:data" if what == "data" else str(toy_file)
    result = call(["measure", "--network", network, "--data", data, "--out", "out", "--mute",
                   "zero", "--draws", "20", "--device", "cpu"])  # fmt: skip
    assert result.exit_code == 1, result.output
    told = [line for line in result.stderr.splitlines() if line.startswith("influence: ")]
    wanted = "changed the working directory to" if "chdir" in act else "ended the program: sys.exit"
    assert wanted in told[-1]
    assert ("leaver.py, line 11" in told[-1]) == ("sys.exit" in act)
    assert Path.cwd() == tmp_path
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "out" / "influence.csv").exists()


def test_a_removed_working_directory_is_told(tmp_path: Path) -> None:
    program = (
        "import os, sys; os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone'); "
        "from influence.cli import main; main(['table', 'omega', '.'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "influence: the working directory was removed, so that names of files mean nothing. Change "
        "to another one\n"
    )


@pytest.mark.parametrize("words", [["--help"], ["show", "metrics"]])
def test_an_output_that_is_closed_ends_a_command_quietly(words: list[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*PROGRAM, *words], cwd=ROOT, stdout=write, stderr=subprocess.PIPE, text=True
    )
    os.close(write)
    assert done.stderr == ""


def test_a_run_that_another_process_writes_is_left_alone(
    weights: Path, toy_file: Path, tmp_path: Path
) -> None:
    assert call(arguments(weights, toy_file, tmp_path)).exit_code == 0
    first = contents(tmp_path)
    with hold(tmp_path):
        done = subprocess.run(
            [*PROGRAM, *arguments(weights, toy_file, tmp_path)], cwd=ROOT, capture_output=True,
            text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"influence: {tmp_path} is being written by process {os.getpid()} on "
    )
    assert contents(tmp_path) == first


def test_a_folder_of_somebody_else_is_neither_used_nor_removed(
    weights: Path, toy_file: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "unfinished").mkdir(parents=True)
    (tmp_path / "out" / "unfinished" / "thesis.tex").write_text("mine")
    for more in ([], ["--resume"]):
        result = call(arguments(weights, toy_file, tmp_path / "out", *more))
        assert result.exit_code == 1
        assert "unfinished is there and holds no plan.json" in result.stderr
    assert call(arguments(weights, toy_file, tmp_path / "out", "--stream")).exit_code == 0
    assert (tmp_path / "out" / "unfinished" / "thesis.tex").read_text() == "mine"
