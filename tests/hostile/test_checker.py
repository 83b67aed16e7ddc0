"""The checker: each fault is found where it is planted, and none where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.hostile.client import Limits, Server
from tests.hostile.sandbox import Attack, Sandbox
from tests.hostile.verdict import FAULTS, faults

pytestmark = pytest.mark.xdist_group("hostile")

GB = 2**30
SMALL = Limits(seconds=0.5, memory=GB)
WITHIN = Limits(seconds=30, memory=GB)


def found(
    server: Server,
    folder: Path,
    plant: str,
    *arguments: str,
    limits: Limits = WITHIN,
    may_succeed: bool = True,
) -> set[str]:
    box = Sandbox(folder / "box", folder)
    attack = Attack(list(arguments), "planted", writes=("out",), may_succeed=may_succeed)
    box.watch()
    entry = f"tests.hostile.plants:{plant}"
    outcome = server.run(attack.arguments, box.root, limits=limits, entry=entry)
    return set(faults(attack, outcome, box, limits))


@pytest.mark.parametrize(
    ("plant", "arguments", "fault"),
    [
        ("crash", (), "traceback"),
        ("die", (), "signal"),
        ("leave", ("3",), "signal"),
        ("leave", ("-11",), "signal"),
        ("run_code", (), "code"),
        *(("scatter", (name,), "outside")
          for name in ("change", "touch", "remove", "link", "stray", "../stray", "../home/.stray",
                       "../temporary/stray", "../outside/folder/.x.writing")),
        ("ask", ("1500",), "memory"),
        ("say", ("",), "sentence"),
        ("say", ("influence: " + "many words\n" * 300,), "sentence"),
        ("say", ("something went wrong",), "sentence"),
        ("say", ("influence: no \x1b[2J",), "control"),
        ("say", ("influence: no \u202e",), "control"),
        ("say", ("influence: no \x9b",), "control"),
        ("say", ("influence: a\rb",), "control"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(
    server: Server, tmp_path: Path, plant: str, arguments: tuple[str, ...], fault: str
) -> None:
    assert fault in FAULTS
    assert found(server, tmp_path, plant, *arguments) == {fault}


def test_planted_slowness_is_found_and_ended(server: Server, tmp_path: Path) -> None:
    assert found(server, tmp_path, "wait", limits=SMALL) == {"time"}


def test_success_with_an_input_that_is_not_valid_is_found(server: Server, tmp_path: Path) -> None:
    assert found(server, tmp_path, "leave", "0", may_succeed=False) == {"accepted"}


@pytest.mark.parametrize(
    ("plant", "arguments"),
    [("leave", ("0",)), ("ask", ("300",)), ("scatter", ("told",)), ("hide", ()),
     ("say", ("influence: expected a number, got 'x'. Give one",)),
     ("say", ("Usage: influence\n\nError: No such option: --x",)),
     ("say", ("  50%|#####     | 3/6 [00:00<00:00]\ninfluence: é → ω",))],
)  # fmt: skip
def test_what_is_allowed_is_no_fault(
    server: Server, tmp_path: Path, plant: str, arguments: tuple[str, ...]
) -> None:
    assert found(server, tmp_path, plant, *arguments) == set()
