"""The other side of the server: ask for a command to be run, and get what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

__all__ = ["LIMITS", "Limits", "Outcome", "Server"]

ROOT = Path(__file__).parents[2]
MOST_READ = 2**20
"""Most bytes of what a command prints that are read."""


@dataclass(frozen=True)
class Limits:
    """What one input may take."""

    seconds: float = 30.0
    memory: int = 4 * 2**30


LIMITS = Limits()


@dataclass(frozen=True)
class Outcome:
    """What came of a command: exit code (negative for a signal), use of the machine, and texts."""

    code: int
    late: bool
    seconds: float
    memory: int
    stdout: bytes
    stderr: bytes


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(MOST_READ)


class Server:
    """A warm process that runs commands, each in a child; see `tests.hostile.server`.

    Parameters
    ----------
    seeds
        The folder into which it writes the files from which inputs are made.
    """

    def __init__(self, seeds: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.hostile.server", str(seeds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(seeds)}
            | dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"),
        )
        if self._line() != "ready":
            raise RuntimeError("the server did not start")

    def run(
        self,
        arguments: list[str],
        box: Path,
        *,
        limits: Limits = LIMITS,
        encoding: str = "utf-8",
        lost: bool = False,
        entry: str = "influence.cli:main",
    ) -> Outcome:
        """Run a command in the folder ``work`` of a sandbox."""
        request = {
            "arguments": arguments, "box": str(box), "seconds": limits.seconds,
            "memory": limits.memory, "encoding": encoding, "lost": lost, "entry": entry,
        }  # fmt: skip
        assert self._process.stdin
        print(json.dumps(request), file=self._process.stdin, flush=True)
        answer = json.loads(self._line())
        return Outcome(**answer, stdout=_start(box / "stdout"), stderr=_start(box / "stderr"))

    def _line(self) -> str:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"the server ended with code {self._process.wait()}")
        return line.strip()

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()
