"""Files appear whole or not at all."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest

from influence.data.evaluation_writer import write_evaluation_file
from influence.errors import InfluenceError
from influence.runtime.files import replace_folder_on_success, replace_on_success


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


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, OSError])
def test_a_folder_that_fails_keeps_the_earlier_one(
    tmp_path: Path, stop: type[BaseException]
) -> None:
    target = tmp_path / "pages"
    target.mkdir()
    (target / "1.txt").write_text("earlier")

    def fail_half_way() -> None:
        with replace_folder_on_success(target) as aside:
            (aside / "1.txt").write_text("half")
            raise stop

    with pytest.raises(InfluenceError if stop is OSError else stop):
        fail_half_way()
    assert (target / "1.txt").read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_takes_the_place_of_the_earlier_one_as_a_whole(tmp_path: Path) -> None:
    for name in ("1.txt", "2.txt"):
        with replace_folder_on_success(tmp_path / "new" / "pages") as aside:
            (aside / name).write_text(name)
    assert [path.name for path in (tmp_path / "new").rglob("*")] == ["pages", "2.txt"]


def test_an_earlier_folder_comes_back_if_the_new_one_cannot_be_put_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "pages"
    target.mkdir()
    (target / "1.txt").write_text("earlier")
    plain = os.replace

    def refused(source: Path, place: Path) -> None:
        if str(source).endswith(".writing"):
            raise PermissionError
        plain(source, place)

    monkeypatch.setattr("influence.runtime.files.os.replace", refused)
    with (
        pytest.raises(InfluenceError, match="what was there before is unchanged"),
        replace_folder_on_success(target),
    ):
        pass
    assert [path.name for path in tmp_path.rglob("*")] == ["pages", "1.txt"]


def test_a_folder_or_a_device_is_never_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder, pipe = tmp_path / "folder", tmp_path / "pipe"
    folder.mkdir()
    os.mkfifo(pipe)
    for name in (folder, pipe, ".", "", "/", ".."):
        with (
            pytest.raises(InfluenceError, match="expected the name of a file, got a folder or"),
            replace_on_success(name),
        ):
            pytest.fail("was about to write")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "pipe"]
    assert pipe.is_fifo()
