"""Files appear whole or not at all."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from influence.data.evaluation_writer import write_evaluation_file
from influence.errors import InfluenceError
from influence.runtime.files import make_temporary, replace_on_success, sweep


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, OSError])
def test_failure_keeps_the_earlier_file_and_leaves_nothing_beside_it(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "a.csv"
    target.write_text("earlier")

    def fail_half_way() -> None:
        with replace_on_success(target) as aside:
            aside.write_text("half")
            raise stop

    with pytest.raises(InfluenceError if stop is OSError else stop):
        fail_half_way()
    assert target.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_folder_is_made_and_the_suffix_kept(tmp_path: Path) -> None:
    with replace_on_success(tmp_path / "new" / "a.npz") as aside:
        assert aside.suffix == ".npz"
        aside.write_text("whole")
    assert (tmp_path / "new" / "a.npz").read_text() == "whole"


def test_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with (
        pytest.raises(InfluenceError, match=r"could not write .* choose another folder"),
        replace_on_success(tmp_path / "a" / "b"),
    ):
        pass


def test_disk_that_fills_up_is_reported(tmp_path: Path) -> None:
    """A limit on the size of files does what a full disk does, for HDF5 and for text."""
    values = np.random.default_rng(0).normal(size=(50, 1000))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (tmp_path / "a.h5").write_text("earlier")
    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, hard))
    try:
        with pytest.raises(InfluenceError, match=r"could not write .*a\.h5.* is unchanged"):
            write_evaluation_file(tmp_path / "a.h5", {"x": values}, {"y": values})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [p.name for p in tmp_path.iterdir()] == ["a.h5"]
    assert (tmp_path / "a.h5").read_text() == "earlier"


def test_a_folder_or_a_device_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, pipe, link = (tmp_path / name for name in ("folder", "pipe", "link"))
    folder.mkdir()
    os.mkfifo(pipe)
    link.symlink_to("gone")
    (tmp_path / "stdout").symlink_to("/proc/self/fd/1")
    for name in (folder, pipe, link, ".", "", "/", "..", "/dev/null", "/dev/stdout", "stdout"):
        with (
            pytest.raises(InfluenceError, match="expected the name of a file, got a folder or"),
            replace_on_success(name),
        ):
            pytest.fail("was about to write")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link", "pipe", "stdout"]
    assert pipe.is_fifo()
    assert link.is_symlink()


def test_what_a_link_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "a.csv").write_text("earlier")
    (tmp_path / "link.csv").symlink_to("there/a.csv")
    with replace_on_success(tmp_path / "link.csv") as aside:
        aside.write_text("new")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "there" / "a.csv").read_text() == "new"


def dead_process(folder: Path, target: str, *, directory: bool = False) -> Path:
    """Let a process make a temporary and be killed."""
    process = os.fork()
    if not process:
        made = make_temporary(folder, target, directory=directory)
        if directory:
            (made / "half.csv").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(process, 0)
    found: Path = max(folder.glob(".writing-*"), key=lambda path: path.stat().st_ctime_ns)
    return found


def test_what_a_killed_process_left_of_a_file_goes_when_it_is_written(tmp_path: Path) -> None:
    left = dead_process(tmp_path, "a.csv")
    other = dead_process(tmp_path, "b.csv")
    assert left.suffix == ".csv"
    with replace_on_success(tmp_path / "a.csv") as aside:
        aside.write_text("whole")
        assert aside.exists()
    assert sorted(tmp_path.iterdir()) == sorted([other, tmp_path / "a.csv"])


def test_only_what_is_surely_a_dead_process_s_is_swept(tmp_path: Path) -> None:
    left, folder = dead_process(tmp_path, "a.csv"), dead_process(tmp_path, "a", directory=True)
    mine = make_temporary(tmp_path, "a.csv")
    begin, target, machine, pid, started, end = left.name.split("-")
    others = [
        f"{begin}-{target}-00000000-{pid}-{started}-{end}",  # of another machine
        f"{begin}-{target}-{machine}-{pid}-{started}",
        f"{begin}-x{target[1:]}-{machine}-{pid}-{started}-{end}",
        ".writing.csv", "a.csv",
    ]  # fmt: skip
    for name in others:
        (tmp_path / name).touch()
    sweep(tmp_path)
    assert not left.exists()
    assert not folder.exists()
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {mine.name, *others}
    sweep(tmp_path / "gone")


def test_a_later_process_of_the_same_number_does_not_keep_a_temporary(tmp_path: Path) -> None:
    mine = make_temporary(tmp_path, "a.csv")
    begin, target, machine, pid, started, end = mine.name.split("-")
    earlier = tmp_path / f"{begin}-{target}-{machine}-{pid}-{int(started) - 1}-{end}"
    earlier.touch()
    sweep(tmp_path)
    assert list(tmp_path.iterdir()) == [mine]


def test_a_link_at_the_name_of_a_temporary_is_not_written_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").write_text("mine")
    monkeypatch.setattr("secrets.token_hex", lambda n: "0" * 2 * n)
    planted = make_temporary(tmp_path, "a.csv")
    planted.unlink()
    planted.symlink_to(tmp_path / "mine")
    with pytest.raises(InfluenceError, match="File exists"), replace_on_success(tmp_path / "a.csv"):
        pytest.fail("was about to write")
    assert (tmp_path / "mine").read_text() == "mine"
    assert planted.is_symlink()
    monkeypatch.undo()
    with replace_on_success(tmp_path / "a.csv") as aside:
        aside.write_text("whole")
    assert (tmp_path / "mine").read_text() == "mine"


def test_content_is_on_the_disk_before_the_file_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    fsync, replace = os.fsync, os.replace

    def note(what: str, act: Callable[..., None]) -> Callable[..., None]:
        def noted(*given: Any) -> None:
            done.append(what)
            act(*given)

        return noted

    monkeypatch.setattr(os, "fsync", note("sync", fsync))
    monkeypatch.setattr(os, "replace", note("rename", replace))
    for durable in (True, False):
        with replace_on_success(tmp_path / "a.csv", durable=durable) as aside:
            aside.write_text("whole")
    assert done == ["sync", "rename", "sync", "rename"]
