"""Processes that torchrun starts find each other, agree, and fail together."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import distributed

from influence.errors import InfluenceError
from influence.runtime.processes import ENVIRONMENT, Processes, join_processes, process_device

ROOT = Path(__file__).parents[3]

SCRIPT = """
import warnings
warnings.simplefilter("error")
import os, signal, sys, time
import numpy as np
from torch import distributed
from influence.errors import InfluenceError
from influence.runtime.processes import Processes, join_processes
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*ENVIRONMENT, "TORCHELASTIC_RESTART_COUNT", "TORCHELASTIC_USE_AGENT_STORE"):
        monkeypatch.delenv(name, raising=False)


def torchrun(
    folder: Path, code: str, *options: str, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run code in two processes, which are to end long before the timeout."""
    script = folder / "script.py"
    script.write_text(SCRIPT + code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    return subprocess.run(
        [*command, "--nproc-per-node=2", *options, str(script)],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", **(env or {})},
    )


TOGETHER = """
def check(processes):
    rank = processes.rank
    assert (rank, processes.count, processes.local_rank) == (rank, 2, int(os.environ["LOCAL_RANK"]))
    assert processes.first == (rank == 0)
    assert not processes.restarted
    assert processes.share(range(5)) == [[0, 2, 4], [1, 3]][rank]
    assert [processes.any(rank == who) for who in (0, 1, 2)] == [True, True, False]

    wanted = {"a": [1, 0.1, None, "Ω"]}
    assert processes.broadcast(wanted if rank == 0 else object()) == wanted

    assert processes.gather(b"ab" * (rank + 1)) == [b"ab", b"abab"]
    assert processes.gather(b"") == [b"", b""]

    if rank == 0:
        time.sleep(0.3)
        open("written", "w").close()
    processes.barrier()
    assert os.path.exists("written")
    processes.barrier()
    if rank == 0:
        os.remove("written")


distributed.init_process_group("gloo")
with join_processes("cpu") as processes:
    check(processes)
distributed.all_reduce(__import__("torch").ones(1))  # the group of the caller is still there
distributed.destroy_process_group()

for _ in range(2):
    with join_processes("cpu") as processes:
        check(processes)
        assert distributed.get_backend() == "gloo"
    assert not distributed.is_initialized()
    time.sleep(processes.rank / 2)  # the other comes back much earlier
open(f"checked-{processes.rank}", "w").close()
"""


def test_processes_share_agree_and_meet(tmp_path: Path) -> None:
    done = torchrun(tmp_path, TOGETHER)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("checked-*")} == {"checked-0", "checked-1"}
    assert (done.stdout, done.stderr) == ("", "")


FAILING = """
with join_processes("cpu") as processes:
    processes.barrier()
    if processes.rank == 1:
        raise InfluenceError("the disk is full")
"""


def test_a_failed_process_ends_the_job(tmp_path: Path) -> None:
    # The other one waits at the end of the block, for up to a day.
    done = torchrun(tmp_path, FAILING)
    assert done.returncode != 0
    assert "[rank1]: influence.errors.InfluenceError: the disk is full" in done.stderr


KILLED = """
if os.environ["TORCHELASTIC_RESTART_COUNT"] == "1" and os.environ["RANK"] == "0":
    time.sleep(1)  # the other one finds what the killed one has left in torchrun's store
with join_processes("cpu") as processes:
    open(f"rank-{processes.rank}-{processes.restarted}", "w").close()
    processes.barrier()
    if processes.rank == 0 and not processes.restarted:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_all_know_that_the_job_was_restarted(tmp_path: Path) -> None:
    done = torchrun(tmp_path, KILLED, "--max-restarts=1")
    assert done.returncode == 0, done.stderr
    ranks = sorted(path.name for path in tmp_path.glob("rank-*"))
    assert ranks == ["rank-0-False", "rank-0-True", "rank-1-False", "rank-1-True"]


def test_alone_nothing_is_joined() -> None:
    with join_processes("cpu") as processes:
        assert processes == Processes()
        assert processes.first
        assert not distributed.is_initialized()
        assert processes.share([3, 1, 2]) == [3, 1, 2]
        assert processes.broadcast({"a": 1}) == {"a": 1}
        assert [processes.any(flag) for flag in (True, False)] == [True, False]
        processes.barrier()
        assert processes.gather(b"ab") == [b"ab"]


def test_one_process_of_torchrun_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in {"RANK": "0", "WORLD_SIZE": "1", "TORCHELASTIC_RESTART_COUNT": "2"}.items():
        monkeypatch.setenv(name, text)
    with join_processes("cpu") as processes:
        assert processes == Processes(restarted=True)
        assert not distributed.is_initialized()


@pytest.mark.parametrize(
    "wrong",
    [
        {"LOCAL_RANK": ""},
        {"RANK": ""},
        {"WORLD_SIZE": ""},
        {"MASTER_ADDR": ""},
        {"MASTER_PORT": ""},
        {"RANK": "2"},
        {"RANK": "-1"},
        {"WORLD_SIZE": "two"},
        {"WORLD_SIZE": "0"},
    ],
)
def test_environment_that_is_not_torchruns(
    monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
) -> None:
    right = dict(zip(ENVIRONMENT, ["1", "2", "1", "localhost", "29500"], strict=True))
    for name, text in (right | wrong).items():
        monkeypatch.setenv(name, text)
    ((name, text),) = wrong.items()
    with (
        pytest.raises(InfluenceError, match=f"{name}={text}[,.].*Start by torchrun"),
        join_processes("cpu"),
    ):
        pytest.fail("joined")


def test_others_that_are_not_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = dict(zip(ENVIRONMENT, ["1", "2", "1", "localhost", "port"], strict=True))
    for name, text in found.items():
        monkeypatch.setenv(name, text)
    with (
        pytest.raises(InfluenceError, match=r"process 1 of 2 expected to reach .*localhost:port"),
        join_processes("cpu"),
    ):
        pytest.fail("joined")


@pytest.mark.parametrize(
    ("device", "gpus", "count", "expected"),
    [
        ("auto", 4, 4, "cuda:3"),
        ("cuda", 4, 4, "cuda:3"),
        ("cuda:1", 4, 4, "cuda:1"),
        ("cpu", 4, 4, "cpu"),
        ("auto", 0, 4, "auto"),
        ("auto", 4, 1, "auto"),
    ],
)
def test_each_process_has_its_gpu(
    monkeypatch: pytest.MonkeyPatch, device: str, gpus: int, count: int, expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert process_device(device, Processes(rank=7, count=count, local_rank=3)) == expected


def test_more_processes_than_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(InfluenceError, match="got 2 for process number 3"):
        process_device("auto", Processes(rank=2, count=3, local_rank=2))


def test_the_package_runs_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "influence", "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=ROOT,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("Usage: influence [OPTIONS] COMMAND")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "influence.cli" in imported
    assert "torch" not in imported
