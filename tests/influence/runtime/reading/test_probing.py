"""Probing: what ends the fork does no harm to this process."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.runtime.reading.probing import probe


def crash() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def search_for_ever() -> NoReturn:
    while True:
        pass


def ask_for_much() -> None:
    np.ones(2**33)


def refuse() -> NoReturn:
    raise InfluenceError("a.h5: no such thing")


@pytest.mark.parametrize(
    ("look", "message"),
    [
        (crash, r"a\.h5: it is damaged in a way that ends .* \(SIGSEGV\)"),
        (os.abort, r"\(SIGABRT\)"),
        (lambda: os._exit(3), r"\(no message\)"),
        (search_for_ever, r"a\.h5: it could not be opened in 1 seconds of computing"),
        (ask_for_much, "asks for more than 3 GB of memory"),
        (refuse, r"^a\.h5: no such thing$"),
    ],
)
def test_what_goes_wrong_in_the_fork_is_told(
    monkeypatch: pytest.MonkeyPatch, look: object, message: str
) -> None:
    monkeypatch.setattr("influence.runtime.reading.probing.SECONDS", 1)
    assert callable(look)
    with pytest.raises(InfluenceError, match=message):
        probe(look, "a.h5")


def test_other_errors_arrive_as_they_are() -> None:
    with pytest.raises(KeyError, match="NO_SUCH"):
        probe(lambda: os.environ["NO_SUCH"], "a.h5")


def test_a_look_changes_nothing_here(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[int] = []
    open_before = set(os.listdir("/proc/self/fd"))

    def look() -> None:
        seen.append(1)
        os.write(2, b"what a library says")

    probe(look, tmp_path)
    assert seen == []
    assert capfd.readouterr() == ("", "")
    assert set(os.listdir("/proc/self/fd")) == open_before


def test_a_file_is_read_where_there_is_no_room_for_a_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> NoReturn:
        raise OSError("no more processes")

    monkeypatch.setattr(os, "fork", fail)
    probe(crash, "a.h5")
