"""Signals end a command in good order, and a user's code does not end it."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.interrupts import (
    Interrupted,
    foreign_code,
    raise_on_signals,
    working_directory,
)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_raised_once_and_the_handlers_come_back(number: int, code: int) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def interrupted() -> None:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)  # torchrun sends another while files are removed

    with pytest.raises(KeyboardInterrupt) as raised, raise_on_signals():
        interrupted()
    assert isinstance(raised.value, Interrupted)
    assert raised.value.code == code
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_what_a_process_was_told_to_ignore_stays_ignored() -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with raise_on_signals():
            os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_leaves_signals_alone() -> None:
    found = []

    def run() -> None:
        with raise_on_signals():
            found.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.getsignal(signal.SIGTERM)]


def test_a_forked_process_dies_of_a_signal() -> None:
    """Such as one that reads data, which the loader ends by SIGTERM."""
    ready = os.pipe()
    with raise_on_signals():
        process = os.fork()
        if not process:
            os.write(ready[1], b".")
            for _ in range(1000):
                time.sleep(0.01)
            os._exit(0)
        os.read(ready[0], 1)
        os.kill(process, signal.SIGTERM)
        _, status = os.waitpid(process, 0)
    assert os.WTERMSIG(status) == signal.SIGTERM


def test_the_end_of_the_program_is_an_error_that_names_the_place() -> None:
    message = rf"mine ended the program: sys\.exit\(0\) in {__file__}, line \d+\. Let it raise"
    with pytest.raises(InfluenceError, match=message), foreign_code("mine"):
        sys.exit(0)


def test_another_working_directory_is_an_error_and_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    message = rf"mine changed .* to {tmp_path}/other, in which"
    with pytest.raises(InfluenceError, match=message), foreign_code("mine"):
        os.chdir("other")
    assert Path.cwd() == tmp_path
    with foreign_code("mine"):  # there and back
        os.chdir("other")
        os.chdir("..")

    def failing() -> None:
        os.chdir("other")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError), foreign_code("mine"):
        failing()
    assert Path.cwd() == tmp_path


def test_a_removed_working_directory_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for act in (working_directory, foreign_code("mine").__enter__):
        with pytest.raises(InfluenceError, match="the working directory was removed"):
            act()
