"""Commands in forks of a process that has imported torch, which takes seconds each time.

`start` and `wait` run functions in forks of this process. `Forks` is for pytest, whose processes
have threads and had better not be forked: it starts a process of its own, which reads one job a
line from standard input, as JSON, and answers with the exit codes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

__all__ = ["Forks", "import_all", "of_a_job", "start", "wait"]

ROOT = Path(__file__).parents[1]

IMPORTED = (
    "influence.cli.gallery", "influence.cli.measure", "influence.cli.report",
    "influence.display.gallery", "influence.display.report.page",
    "influence.display.tables.interactions", "influence.display.tables.omega",
    "influence.measurement.pipeline", "influence.samples.rerun", "torch.distributed.nn.functional",
    "torch.distributed.rendezvous",
)  # fmt: skip
"""What commands import only when they need it, and every fork would import anew."""

GRACE = 20.0
"""Seconds that processes have to end after another one of the same job has failed."""


def import_all() -> None:
    """Import what forks need, and let each of them have one thread."""
    import torch

    torch.set_num_threads(1)
    for name in IMPORTED:
        import_module(name)


def command(*words: object) -> None:
    """Run the command line in this process, as ``python -m influence`` does."""
    from influence.cli import main

    sys.argv = ["influence", *map(str, words)]
    main(sys.argv[1:], prog_name="influence")


def start(
    act: Callable[[], object],
    log: Path,
    errors: Path | None = None,
    environment: Mapping[str, str] | None = None,
) -> int:
    """Run a function in a fork; return the number of the process.

    Parameters
    ----------
    act
        The function.
    log, errors
        Files for what it prints; errors go where the rest goes if there is no file for them.
    environment
        Variables that are set before.
    """
    if process := os.fork():
        return process
    code = 1
    try:
        for number, path in ((1, log), (2, errors or log)):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND
            os.dup2(os.open(path, flags), number)
        os.environ.update(environment or {})
        act()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(processes: Sequence[int]) -> list[int]:
    """Wait for the processes of a job; if one fails, end the others as torchrun does.

    Returns
    -------
    list of int
        Their exit codes, negative for those that a signal ended.
    """
    codes: dict[int, int] = {}
    deadline = None
    while len(codes) < len(processes):
        for process in set(processes) - codes.keys():
            found, status = os.waitpid(process, os.WNOHANG)
            if found:
                codes[process] = os.waitstatus_to_exitcode(status)
                if codes[process] and deadline is None:
                    deadline = time.monotonic() + GRACE
                    for other in set(processes) - codes.keys():
                        os.kill(other, signal.SIGTERM)
        if deadline and time.monotonic() > deadline:
            for other in set(processes) - codes.keys():
                os.kill(other, signal.SIGKILL)
        time.sleep(0.002)
    return [codes[process] for process in processes]


def of_a_job(processes: int) -> list[dict[str, str]]:
    """Return the variables that torchrun sets for each process of a job; none for one alone."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    job = {"WORLD_SIZE": str(processes), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [{**job, "RANK": str(n), "LOCAL_RANK": str(n)} for n in range(processes)]


class Forks:
    """A process that runs the command line in forks of itself.

    >>> forks = Forks()
    >>> forks.run(Path.cwd(), ["--version"]).stdout.split()[0]
    'influence,'
    >>> forks.close()
    """

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forks"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def run(self, folder: Path, arguments: Sequence[object], *, processes: int = 1,
            **environment: str) -> subprocess.CompletedProcess[str]:  # fmt: skip
        """Run ``influence`` in a folder, by one process or by several that share the work.

        The exit code is the first that is not zero; what they print comes process by process.
        """
        assert self._process.stdin
        assert self._process.stdout
        words = [str(word) for word in arguments]
        job = {"folder": str(folder), "arguments": words, "environment": environment,
               "processes": processes}  # fmt: skip
        print(json.dumps(job), file=self._process.stdin, flush=True)
        answer = json.loads(self._process.stdout.readline())
        code = next((code for code in answer["codes"] if code), 0)
        return subprocess.CompletedProcess(words, code, answer["stdout"], answer["stderr"])

    def close(self) -> None:
        """End the process."""
        self._process.communicate()


def _run(job: Mapping[str, Any], logs: Path) -> dict[str, Any]:
    def act() -> None:
        os.chdir(job["folder"])
        sys.path.insert(0, job["folder"])
        command(*job["arguments"])

    files = [(logs / f"out-{n}", logs / f"err-{n}") for n in range(job["processes"])]
    codes = wait([
        start(act, *own, {**job["environment"], **place})
        for own, place in zip(files, of_a_job(job["processes"]), strict=True)
    ])  # fmt: skip
    out, err = ("".join(path.read_text() for path in some) for some in zip(*files, strict=True))
    return {"codes": codes, "stdout": out, "stderr": err}


def _serve() -> None:
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)
    import_all()
    with tempfile.TemporaryDirectory() as folder:
        for line in requests:
            print(json.dumps(_run(json.loads(line), Path(folder))), file=answers, flush=True)


if __name__ == "__main__":
    _serve()
