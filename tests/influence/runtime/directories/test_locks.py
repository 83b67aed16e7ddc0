"""One process writes into a directory; it may end as it likes."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.directories.locks import LOCK, Held, hold


def enter(folder: Path) -> str:
    with hold(folder) as note:
        return note


def holding(folder: Path) -> ExitStack:
    stack = ExitStack()
    stack.enter_context(hold(folder))
    return stack


@contextmanager
def forked(act: Callable[[], object]) -> Iterator[int]:
    """Let another process act and then wait; it is killed at the end."""
    ready = os.pipe()
    process = os.fork()
    if not process:
        try:
            held = act()
            os.write(ready[1], b"." if held is not act else b"")
            signal.pause()
        finally:
            os._exit(1)
    assert os.read(ready[0], 1) == b"."
    try:
        yield process
    finally:
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        for end in ready:
            os.close(end)


def test_another_process_is_told_who_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["influence", "measure"])
    with forked(lambda: holding(tmp_path)) as process:
        with pytest.raises(
            Held,
            match=rf"{tmp_path} is being written by process {process} on \S+ "
            r"since 20\S+ \(influence measure\)\. Wait for it, or choose",
        ):
            enter(tmp_path)  # fmt: skip
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_the_lock_of_a_killed_process_is_taken_over_with_a_note(tmp_path: Path) -> None:
    with forked(lambda: holding(tmp_path)) as process:
        pass
    assert (tmp_path / LOCK).exists()
    note = enter(tmp_path)
    assert note.startswith(f"{tmp_path} is taken over from process {process} on ")
    assert "which has ended" in note
    assert list(tmp_path.iterdir()) == []
    assert enter(tmp_path) == ""


def test_a_process_that_was_forked_does_not_keep_the_lock(tmp_path: Path) -> None:
    """One that reads data lives on for some seconds after the first one is killed."""
    with ExitStack() as stack:
        with hold(tmp_path):
            stack.enter_context(forked(lambda: None))
            file = os.open(tmp_path / LOCK, os.O_RDWR)
            with pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # is free, though the other one lives
        os.close(file)


def record(folder: Path, **changed: object) -> None:
    found: dict[str, object] = {"host": "other", "pid": 7, "since": "2026", "command": "influence"}
    (folder / LOCK).write_text(json.dumps(found | changed))


def test_a_writer_on_another_machine_is_believed(tmp_path: Path) -> None:
    record(tmp_path, command="influence \x1b[2J")
    with pytest.raises(
        Held,
        match=r"by process 7 on other since 2026 \(influence \?\[2J\)\. .* if "
        rf"that process is gone, remove {tmp_path}/\.writer\.json",
    ):
        enter(tmp_path)  # fmt: skip
    assert (tmp_path / LOCK).exists()
    (tmp_path / LOCK).unlink()
    assert enter(tmp_path) == ""


@pytest.mark.parametrize("content", ["", "{", "[1]", "9" * 5000, '{"host": "other"}', "[" * 4000])
def test_what_no_writer_has_written_keeps_nobody_out(tmp_path: Path, content: str) -> None:
    (tmp_path / LOCK).write_text(content)
    assert enter(tmp_path) == ""


def test_it_may_be_held_again_by_the_same_thread_only(tmp_path: Path) -> None:
    told: list[str] = []

    def other() -> None:
        try:
            enter(tmp_path)
        except Held as error:
            told.append(str(error))

    (tmp_path / "link").symlink_to(tmp_path)
    with hold(tmp_path):
        enter(tmp_path / "link")
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        assert (tmp_path / LOCK).exists()
    assert f"by process {os.getpid()} on" in told[0]
    assert not (tmp_path / LOCK).exists()


def test_a_lock_that_was_removed_meanwhile_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else two would hold: one the file that is gone, and one the new file."""
    plain = fcntl.flock
    found: list[int] = []

    def late(file: int, operation: int) -> None:
        if not found:
            (tmp_path / LOCK).unlink()  # by the process that held it, before it let go
        found.append(file)
        plain(file, operation)

    monkeypatch.setattr(fcntl, "flock", late)
    with hold(tmp_path):
        assert len(found) == 2
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_directory_that_stays_empty_is_not_left(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    with hold(tmp_path / "mine"), hold(tmp_path / "a" / "b"):
        assert (tmp_path / "a" / "b" / LOCK).exists()
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    with hold(tmp_path / "a" / "b"):
        (tmp_path / "a" / "results").touch()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a", "mine", "results"]


def test_a_directory_that_cannot_be_written_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("gone")
    (tmp_path / "locked").mkdir()
    (tmp_path / "locked" / LOCK).symlink_to(tmp_path / "file")
    for name, message in (
        ("file", "is a file, expected a directory"),
        ("file/x", "expected a directory to write results to, got .*Choose another"),
        ("link", "expected a directory to write results to, got .*File exists"),
        ("locked", "expected a directory to write results to, got .*symbolic links"),
        ("x" * 300, "expected a directory to write results to, got .*File name too long"),
    ):
        with pytest.raises(InfluenceError, match=message):
            enter(tmp_path / name)
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize(
    ("code", "message"),
    [(errno.ENOLCK, "expected a file system with locks"), (errno.EROFS, "expected a directory to")],
)
def test_a_file_system_that_refuses_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, message: str
) -> None:
    def refused(file: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(fcntl, "flock", refused)
    with pytest.raises(InfluenceError, match=message):
        enter(tmp_path)


def test_a_full_disk_is_told_and_nothing_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: int, content: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(InfluenceError, match="No space left"):
        enter(tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
