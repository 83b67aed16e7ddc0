"""``torchrun ... -m influence measure``: the bytes of one process, though one of two be killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from influence.results.run_directory import read_run
from influence.runtime.directories.locks import LOCK
from tests.forks import Forks
from tests.toy import Toy, toy_arrays, write_toy_file

ROOT = Path(__file__).parents[3]
TABLES = ("influence.csv", "performance.csv", "samples.csv.gz")
TITLE = "Cross-modality influence ω\n"  # of all mutes, not "by mute"
CONDITIONS = 1 + 2 * 4
"""Nothing muted, and each of two inputs under four mutes: a pass for each, of every batch."""

Done = subprocess.CompletedProcess[str]

MORTAL = """
import os, signal
from pathlib import Path
from tests.toy import Toy, joint


class Mortal(Toy):
    def forward(self, depth, semantic):
        attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        batches = len(list(Path("out/unfinished").glob("[0-9]*.safetensors")))
        with open("passes.txt", "a") as log:
            print(attempt, file=log)
        if (attempt, os.environ.get("RANK")) == ("0", os.environ["MORTAL"]) and batches >= 3:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().forward(depth, semantic)


def mortal_toy():
    return joint(Mortal(delay=0.01))
"""


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(Toy().state_dict(), path)
    return path


@pytest.fixture(scope="module")
def other_weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "other.pt"
    torch.save(Toy(1).state_dict(), path)
    return path


@pytest.fixture(scope="module", autouse=True)
def forks() -> Iterator[None]:
    """Processes that have imported torch; torchrun itself starts only some jobs."""
    global _forks
    _forks = Forks()
    yield
    _forks.close()


_forks: Forks


def measure(folder: Path, *arguments: object, processes: int = 1,
            torchrun: Sequence[str] | None = None, **environment: str) -> Done:  # fmt: skip
    """Run ``influence measure`` in `folder` by one process or several.

    Torchrun starts them if it is given options; else they are forks with the variables it sets.
    """
    words = ["measure", "--network", "tests.toy:toy", "--draws", "20", "--device", "cpu",
             *map(str, arguments)]  # fmt: skip
    if torchrun is None:
        return _forks.run(folder, words, processes=processes, **environment)
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone",
         f"--nproc-per-node={processes}", *torchrun, "-m", "influence", *words],
        capture_output=True,
        text=True,
        timeout=120,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | environment,
    )  # fmt: skip


def contents(out: Path) -> dict[str, bytes]:
    return {name: (out / name).read_bytes() for name in TABLES}


def counts(stderr: str) -> list[int]:
    """Return the numbers of finished samples that the progress lines tell."""
    return [int(n) for n in re.findall(r"\s(\d+)/13 ", stderr)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "options"),
    [
        (2, ["--batch-size", "5", "--mute", "zero,mean,shuffle,noise"]),  # nobody knows the means
        (3, ["--batch-size", "8", "--mute", "zero,shuffle,noise"]),  # two batches
        (2, ["--batch-size", "4", "--mute", "shuffle:neighbours"]),
    ],
)
def test_the_bytes_are_those_of_one_process(
    weights: Path, other_weights: Path, toy_file: Path, tmp_path: Path, processes: int,
    options: list[str],
) -> None:  # fmt: skip
    given = ["--ckpt", weights, other_weights, "--data", toy_file, *options, "--out"]
    one = measure(tmp_path, *given, "one")
    assert one.returncode == 0, one.stderr
    torchrun: list[str] | None = [] if processes == 3 else None
    several = measure(tmp_path, *given, "several", processes=processes, torchrun=torchrun)
    assert several.returncode == 0, several.stderr
    assert contents(tmp_path / "several") == contents(tmp_path / "one")
    assert not (tmp_path / "several" / "unfinished").exists()
    hardware = json.loads((tmp_path / "several" / "run.json").read_text())["hardware"]
    assert hardware["processes"] == processes
    # The first process alone speaks, for the whole job.
    assert several.stdout == one.stdout
    assert one.stdout.count(TITLE) == 1
    assert several.stderr.count("wrote several") == 1
    told = counts(several.stderr)
    assert told == sorted(set(told))
    assert told[-1] == 13


@pytest.mark.slow
def test_the_first_process_learns_for_all(weights: Path, toy_file: Path, tmp_path: Path) -> None:
    given = ["--ckpt", weights, "--data", toy_file, "--mute", "panel", "--train", toy_file,
             "--batch-size", "5", "--out"]  # fmt: skip
    one, several = (measure(tmp_path, *given, f"of{n}", processes=n) for n in (1, 2))
    assert (one.returncode, several.returncode) == (0, 0), one.stderr + several.stderr
    assert contents(tmp_path / "of2") == contents(tmp_path / "of1")
    assert several.stderr.count(f"optimal of 'depth' was learned on {toy_file}") == 1


def measure_mortal(folder: Path, rank: int | None, *given: object, **options: Any) -> Done:
    """Measure by processes of which one kills itself when three batches are finished."""
    (folder / "mortal.py").write_text(MORTAL)
    (folder / "passes.txt").write_text("")
    more = ["--network", "mortal:mortal_toy", "--out", "out"]
    return measure(folder, *given, *more, MORTAL=str(rank), **options)


@pytest.fixture(scope="module")
def given(weights: Path, toy_file: Path) -> list[object]:
    return ["--ckpt", weights, "--data", toy_file, "--batch-size", "1", "--mute",
            "zero,mean,shuffle,noise"]  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, given: list[object]) -> dict[str, bytes]:
    """What one process writes that nobody interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    done = measure(folder, *given, "--out", "out")
    assert done.returncode == 0, done.stderr
    return contents(folder / "out")


@pytest.mark.slow
@pytest.mark.parametrize(("rank", "processes"), [(0, 2), (1, 1)])
def test_a_killed_process_ends_the_job_and_a_later_one_goes_on(
    given: list[object], whole: dict[str, bytes], tmp_path: Path, rank: int, processes: int
) -> None:
    done = measure_mortal(tmp_path, rank, *given, processes=2)
    assert done.returncode != 0
    assert TITLE not in done.stdout
    assert {path.name for path in (tmp_path / "out").iterdir()} - {LOCK} == {"unfinished"}
    kept = len(list((tmp_path / "out" / "unfinished").glob("[0-9]*.safetensors")))
    assert 3 <= kept < 13
    done = measure_mortal(tmp_path, None, *given, "--resume", processes=processes)
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == whole
    passes = (tmp_path / "passes.txt").read_text().split()
    assert len(passes) == (13 - kept) * CONDITIONS
    assert not (tmp_path / "out" / "unfinished").exists()


@pytest.mark.slow
def test_torchrun_restarts_a_job_that_then_goes_on(
    given: list[object], whole: dict[str, bytes], tmp_path: Path
) -> None:
    done = measure_mortal(tmp_path, 1, *given, processes=2, torchrun=["--max-restarts=1"])
    assert done.returncode == 0, done.stderr
    assert contents(tmp_path / "out") == whole
    assert done.stdout.count(TITLE) == 1
    passes = (tmp_path / "passes.txt").read_text().split()
    assert set(passes) == {"0", "1"}
    assert passes.count("1") <= (13 - 3) * CONDITIONS


def one_message(done: Done, message: str) -> None:
    """Check that the job failed and told why, once."""
    assert done.returncode != 0
    assert TITLE not in done.stdout
    told = [line for line in done.stderr.splitlines() if line.startswith("influence: ")]
    # The first process says how to go on when torchrun ends it because another one failed.
    told = [line for line in told if "SIGTERM has ended the command" not in line]
    assert len(told) == 1, done.stderr
    assert message in told[0]


def test_an_error_that_all_processes_find_is_told_once(weights: Path, tmp_path: Path) -> None:
    done = measure(tmp_path, "--ckpt", weights, "--data", "gone.h5", "--out", "out", processes=2)
    one_message(done, "gone.h5: no such evaluation file")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("stream", [False, True])
def test_a_score_that_is_missed_stops_all_processes(
    weights: Path, tmp_path: Path, stream: bool
) -> None:
    data = write_toy_file(tmp_path / "toy.h5")
    how = ["--mute", "zero", "--batch-size", "2", *(["--stream"] if stream else [])]
    command = [weights, "--data", data, *how, "--out"]
    one = measure(tmp_path, *command, "one", "--expect", "depth:rms=0+-100")
    assert one.returncode == 0, one.stderr
    (score,) = json.loads((tmp_path / "one" / "run.json").read_text())["expected"]
    expect = ["--expect", f"depth:rms={score['found']}+-1e-9"]
    two = measure(tmp_path, *command, "two", *expect, processes=2)
    assert two.returncode == 0, two.stderr
    wrong = ["--expect", f"depth:rms={score['found'] + 1}+-0.5"]
    missed = measure(tmp_path, *command, "missed", *wrong, processes=2)
    assert missed.returncode != 0
    assert missed.stderr.count("with nothing muted on 13 samples") == 1  # told once
    assert not list((tmp_path / "missed").glob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("sample", [11, 12])  # one for each process
def test_an_error_that_one_process_finds_ends_the_job(
    weights: Path, tmp_path: Path, sample: int
) -> None:
    arrays = toy_arrays()
    arrays["targets"]["semantic"][sample] = 255
    write_toy_file(tmp_path / "bad.h5", **arrays)
    done = measure(
        tmp_path, "--ckpt", weights, "--data", "bad.h5", "--batch-size", "1", "--mute", "zero",
        "--out", "out", processes=2, torchrun=[] if sample == 12 else None,
    )  # fmt: skip
    one_message(done, f"sample '{sample}' has no valid ground truth in targets/semantic")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["unfinished"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "source", [["--data", "toy.h5"], ["--data", "tests.toy:batches"]], ids=["file", "factory"]
)
def test_a_stream_by_two_processes_is_that_of_one(
    weights: Path, toy_file: Path, tmp_path: Path, source: list[str]
) -> None:
    shutil.copy(toy_file, tmp_path / "toy.h5")
    given = ["--stream", "--ckpt", weights, *source, "--mute", "zero,shuffle", "--batch-size", "4"]
    runs = []
    for processes in (1, 2):
        done = measure(tmp_path, *given, "--out", processes, processes=processes)
        assert done.returncode == 0, done.stderr
        runs.append(read_run(tmp_path / str(processes)))
        assert max([0, *counts(done.stderr)]) in (0, 13)  # no length is known of a factory's data
    for name in ("influence", "performance"):
        one, two = (getattr(run, name) for run in runs)
        numbers = one.select_dtypes("number").columns.drop("seed")
        assert len(one) > 4
        np.testing.assert_allclose(two[numbers], one[numbers], rtol=1e-9, atol=1e-12)
        pd.testing.assert_frame_equal(two.drop(columns=numbers), one.drop(columns=numbers))


LOADERS = """
import os

import torch
from torch.utils.data import DataLoader, DistributedSampler

from tests.toy import batches

SAMPLES = [
    tuple({name: x[i] for name, x in part.items()} for part in batch)
    for batch in batches() for i in range(len(batch[0]["depth"]))
]
WORLD, RANK = int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"])


def shuffled():
    torch.seed()  # forks begin with the same one
    return DataLoader(SAMPLES, batch_size=4, shuffle=True)


def sampled():
    own = DistributedSampler(SAMPLES, num_replicas=WORLD, rank=RANK, shuffle=False)
    return DataLoader(SAMPLES, batch_size=4, sampler=own)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("loader", "stream"), [("sampled", []), ("shuffled", ["--stream"])])
def test_processes_that_read_other_samples_are_told_which_batch(
    weights: Path, tmp_path: Path, loader: str, stream: list[str]
) -> None:
    (tmp_path / "loaders.py").write_text(LOADERS)
    done = measure(
        tmp_path, "--ckpt", weights, "--data", f"loaders:{loader}", "--mute", "zero", *stream,
        "--out", "out", processes=2,
    )  # fmt: skip
    one_message(done, "process 1 reads other data than process 0: batch 0")
    assert not (tmp_path / "out" / "influence.csv").exists()


HELD = """
import sys
from torch import distributed
from torch.utils.flop_counter import FlopCounterMode
import torch
from influence.runtime.processes import join_processes

with join_processes("cpu") as processes:
    with FlopCounterMode(display=False):
        torch.ones(2) @ torch.ones(2)
    assert "torch.distributed.nn.functional" in sys.modules
    group = distributed.group.WORLD
holders = sys.getrefcount(group) - 2  # this name and the argument
assert holders == 0, holders
"""


def test_nothing_holds_the_group_when_python_ends(tmp_path: Path) -> None:
    # Otherwise gloo's threads live on, and about one job in thirty was aborted at its end.
    (tmp_path / "script.py").write_text(HELD)
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2",
         "script.py"],
        capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
