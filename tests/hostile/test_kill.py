"""A few trials of the kill campaign; `make kill` makes hundreds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_nothing_is_lost_mixed_or_left_when_commands_are_killed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.kill", "--instants", "3", "--calls", "2", "--pairs",
         "1", "--seed", "4"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 faults" in done.stdout
