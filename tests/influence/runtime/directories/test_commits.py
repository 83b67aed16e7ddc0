"""Several files change at one instant, whenever the process is stopped."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.directories.commits import located, replace_files_on_success, settle


def owned(name: str) -> bool:
    return name.endswith(".txt")


def write(folder: Path, *names: str, text: str = "new") -> None:
    with replace_files_on_success(folder, owned) as aside:
        for name in names:
            (aside / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, OSError])
def test_failure_keeps_the_earlier_files(tmp_path: Path, stop: type[BaseException]) -> None:
    target = tmp_path / "pages"
    write(target, "1.txt", text="earlier")

    def fail_half_way() -> None:
        with replace_files_on_success(target, owned) as aside:
            (aside / "1.txt").write_text("half")
            raise stop

    with pytest.raises(InfluenceError if stop is OSError else stop):
        fail_half_way()
    assert contents(target) == {"1.txt": "earlier"}
    assert list(tmp_path.iterdir()) == [target]


def test_all_new_files_are_there_and_of_the_earlier_ones_only_those_of_others(
    tmp_path: Path,
) -> None:
    target = tmp_path / "new" / "pages"
    write(target, "1.txt", "2.txt", text="earlier")
    (target / "notes").write_text("mine")
    write(target, "2.txt", "3.txt")
    assert contents(target) == {"2.txt": "new", "3.txt": "new", "notes": "mine"}
    assert list(target.parent.iterdir()) == [target]


class Killed(BaseException):
    """As if by SIGKILL: nothing is cleaned up."""


def test_the_files_of_an_interrupted_commit_are_found_and_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "1.txt", "2.txt", "3.txt", text="earlier")
    plain = os.replace

    def killed(source: Path, place: Path) -> None:
        if place.name == "3.txt":
            raise Killed
        plain(source, place)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(Killed):
            write(tmp_path, "2.txt", "3.txt", "4.txt")
    assert (tmp_path / "3.txt").read_text() == "earlier"
    found = {name: located(tmp_path / name) for name in ("1.txt", "2.txt", "3.txt", "4.txt", "x")}
    assert not found.pop("1.txt").exists()
    assert found.pop("x") == tmp_path / "x"
    assert [path.read_text() for path in found.values()] == ["new"] * 3
    settle(tmp_path, owned)
    assert contents(tmp_path) == dict.fromkeys(("2.txt", "3.txt", "4.txt"), "new")


def test_an_empty_rest_of_a_commit_is_removed_and_a_foreign_folder_not(tmp_path: Path) -> None:
    (tmp_path / ".committed").mkdir()
    settle(tmp_path, owned)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / ".committed").mkdir()
    (tmp_path / ".committed" / "mine").touch()
    settle(tmp_path, owned)
    with pytest.raises(InfluenceError, match=r"could not write .* unchanged"):
        write(tmp_path, "1.txt")
    assert [path.name for path in tmp_path.rglob("*")] == [".committed", "mine"]


@pytest.mark.parametrize(
    "listed",
    ["[]", "{", '{"files": ["../a"], "removed": []}', '{"files": [], "removed": ["/etc/passwd"]}',
     '{"files": [], "removed": [".."]}', '{"files": [1], "removed": []}', '{"files": []}'],
)  # fmt: skip
def test_a_list_that_names_what_no_run_does_is_refused(tmp_path: Path, listed: str) -> None:
    (tmp_path / "run" / ".committed").mkdir(parents=True)
    (tmp_path / "run" / ".committed" / "files.json").write_text(listed)
    (tmp_path / "a").write_text("mine")
    for act in (lambda: located(tmp_path / "run" / "a"), lambda: write(tmp_path / "run", "1.txt")):
        with pytest.raises(InfluenceError, match=r"files\.json: expected the list of files"):
            act()
    assert (tmp_path / "a").read_text() == "mine"


def test_a_commit_that_cannot_be_finished_says_where_the_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "1.txt", text="earlier")

    def refused(*names: Path) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refused)
        with pytest.raises(InfluenceError, match=r"are written, but in .*\.committed .*denied"):
            write(tmp_path, "1.txt")
    assert located(tmp_path / "1.txt").read_text() == "new"
    write(tmp_path, "2.txt", text="newer")
    assert contents(tmp_path) == {"2.txt": "newer"}


def test_a_commit_that_names_files_of_others_touches_none(tmp_path: Path) -> None:
    write(tmp_path, "1.txt", text="earlier")
    (tmp_path / "thesis.doc").write_text("mine")
    (tmp_path / ".committed").mkdir()
    listed = {"files": [], "removed": ["thesis.doc", "1.txt"]}
    (tmp_path / ".committed" / "files.json").write_text(json.dumps(listed))
    settle(tmp_path, owned)
    assert (tmp_path / "thesis.doc").read_text() == "mine"
    with pytest.raises(InfluenceError, match=r"would replace or remove 'thesis\.doc'"):
        write(tmp_path, "1.txt")
