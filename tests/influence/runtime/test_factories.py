"""A user's own network or data by ``module:factory``."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.runtime.factories import is_factory, make


@pytest.mark.parametrize(
    ("text", "expected"),
    [("m:f", True), ("a.b:c.d", True), ("f.h5", False), ("m:", False), ("/a/b:c", False)],
)
def test_form(text: str, expected: bool) -> None:
    assert is_factory(text) is expected


def test_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "m:f").touch()
    assert not is_factory("m:f")


def test_working_directory_is_looked_at_and_left_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_factory_module.py").write_text("NUMBER = 3\ndef double():\n    return 6\n")
    before = list(sys.path)
    assert (make("my_factory_module:NUMBER"), make("my_factory_module:double")) == (3, 6)
    assert sys.path == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("no_such_module:f", "ModuleNotFoundError"),
        ("math:no_such_name", "AttributeError"),
        ("math:sqrt", "TypeError"),
    ],
)
def test_failing_factory_is_reported(text: str, reason: str) -> None:
    with pytest.raises(InfluenceError, match=f"'{text}': expected module:factory .*{reason}"):
        make(text)


@pytest.mark.parametrize(
    ("line", "message"),
    [("sys.exit()", r"ended the program: sys\.exit\(None\) in .*exiting\.py, line 2"),
     ("os.chdir('other')", "changed the working directory to .*other")],
)  # fmt: skip
@pytest.mark.parametrize("called", [False, True])
def test_a_module_that_ends_the_program_or_moves_it_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, message: str, called: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "exiting", raising=False)
    (tmp_path / "other").mkdir()
    begin = "import os, sys; made = lambda: \\" if called else "import os, sys"
    (tmp_path / "exiting.py").write_text(f"{begin}\n{line}\nmade = made if {called} else 0\n")
    before = list(sys.path)
    with pytest.raises(InfluenceError, match=f"'exiting:made' {message}"):
        make("exiting:made")
    assert Path.cwd() == tmp_path
    assert sys.path == before
