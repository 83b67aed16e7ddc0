"""How much memory is free: never more than what limits this process."""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime import memory

LIMITED = (
    "import resource\n"
    "resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))\n"
    "from influence.runtime.memory import available_memory\n"
    "print(available_memory())"
)


@pytest.mark.skipif(sys.platform != "linux", reason="needs the limits of Linux")
def test_a_limit_of_the_process_counts() -> None:
    found = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    assert 0 < int(found.stdout) < 2**30


def test_the_least_of_machine_container_and_process_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_of_machine", lambda: 30)
    monkeypatch.setattr(memory, "_of_container", lambda: [20])
    monkeypatch.setattr(memory, "_of_process", lambda: [-5])
    assert memory.available_memory() == 0
    monkeypatch.setattr(memory, "_of_process", list)
    assert memory.available_memory() == 20


@pytest.mark.parametrize("prefix", ["", "total_"])
def test_copies_of_files_do_not_count_as_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    (tmp_path / "max").write_text("1000\n")
    (tmp_path / "used").write_text("900\n")
    (tmp_path / "memory.stat").write_text(
        f"anon 100\n{prefix}inactive_file 500\n{prefix}active_file 300\n"
    )
    monkeypatch.setattr(memory, "GROUPS", ((str(tmp_path / "max"), "used", prefix),))
    monkeypatch.setattr(memory, "_of_process", list)
    assert memory.available_memory() == 900


@pytest.mark.parametrize(
    ("left", "told"), [(memory.TORCH - 1, True), (memory.TORCH, False), (None, False)]
)
def test_a_limit_that_torch_does_not_fit_into_is_told(
    monkeypatch: pytest.MonkeyPatch, left: int | None, told: bool
) -> None:
    monkeypatch.setattr(memory, "_of_process", lambda: [] if left is None else [left])
    with pytest.raises(InfluenceError, match="to load torch") if told else nullcontext():
        memory.check_address_space()
