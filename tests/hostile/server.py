"""A warm process that runs the command line in a forked child, once for each request.

Importing torch takes seconds, and a forked child has it already. The process is a script of its
own, so that neither pytest nor its threads are forked: it reads one request a line from standard
input, as JSON, and answers with one line on standard output.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

LARGEST_FILE = 2**28
"""Most bytes of a file that a child may write."""
SPARE = 2**30
"""Bytes above the limit of memory at which the system gives no more."""


def serve(seeds: Path) -> None:
    """Make the files from which inputs are made, which also imports everything; then answer."""
    requests, answers = os.fdopen(os.dup(0), "r"), os.fdopen(os.dup(1), "w")
    # What is printed here is no answer; a child that reads from standard input finds nothing.
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.dup2(nothing, 1)

    from tests.hostile.seeds import write_seeds

    write_seeds(seeds)
    gc.collect()
    gc.freeze()
    print("ready", file=answers, flush=True)
    for line in requests:
        print(json.dumps(_answer(json.loads(line))), file=answers, flush=True)


def _answer(request: dict[str, Any]) -> dict[str, Any]:
    start = time.monotonic()
    child = os.fork()
    if child == 0:
        _run(request)
    late = False
    while True:
        found, status, usage = os.wait4(child, os.WNOHANG)
        if found:
            break
        if not late and time.monotonic() - start > request["seconds"]:
            late = True
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.001)
    with suppress(ProcessLookupError):
        os.killpg(child, signal.SIGKILL)  # processes that it has left behind
    return {
        "code": os.waitstatus_to_exitcode(status),
        "late": late,
        "seconds": time.monotonic() - start,
        "memory": usage.ru_maxrss * 1024,
    }


def _run(request: dict[str, Any]) -> NoReturn:
    """Call the entry point as its script would, and end this process with its exit code."""
    code = 1
    try:
        _enter(request)
        module, _, name = request["entry"].partition(":")
        getattr(importlib.import_module(module), name)(request["arguments"], prog_name="influence")
        code = 0
    except SystemExit as end:
        code = _exit_code(end)
    except BaseException:
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        finally:
            os._exit(code)


def _exit_code(end: SystemExit) -> int:
    if isinstance(end.code, str):
        print(end.code, file=sys.stderr)
        return 1
    return end.code or 0


def _enter(request: dict[str, Any]) -> None:
    """Go to the input's folders and take on its limits."""
    os.setpgid(0, 0)
    box = Path(request["box"])
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(box / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding=request["encoding"])  # type: ignore[union-attr]
    sys.argv = ["influence", *request["arguments"]]
    os.environ.update(HOME=str(box / "home"), TMPDIR=str(box / "temporary"))
    tempfile.tempdir = None
    os.chdir(box / "work")
    if request["lost"]:  # the working directory is deleted while a shell stands in it
        (box / "work").rmdir()
    # A little above the limit, so that what takes too much is seen, and the machine is spared.
    own = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    most = own + request["memory"] + SPARE
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_FILE, LARGEST_FILE))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    serve(Path(sys.argv[1]))
