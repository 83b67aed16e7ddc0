"""What commands print is visible, on every console, and a sentence if it cannot be written."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from influence.cli import main
from influence.display.table import FORMATS
from influence.display.tables import TABLES
from tests.tables_of_runs import influence_frame, performance_frame, write_run

HOSTILE = "a\x1b[2J\u202eb"
ACTS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_run(
        tmp_path / f"run{HOSTILE}", influence_frame([HOSTILE]), performance_frame([HOSTILE])
    )


def cli(
    *arguments: object, encoding: str = "utf-8", stdout: int = -1
) -> subprocess.CompletedProcess[bytes]:
    known = os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        [sys.executable, "-m", "influence", *map(str, arguments)],
        env=known, stdout=stdout, stderr=subprocess.PIPE, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["omega", "mutes", "performance"])
@pytest.mark.parametrize("format", [name for name in FORMATS if name != "csv"])
def test_tables_are_visible(run: Path, kind: str, format: str) -> None:
    assert kind in TABLES
    result = CliRunner().invoke(main, ["table", kind, str(run), "--format", format])
    assert result.exit_code == 0
    assert not ACTS.search(result.output)
    assert "x1b" in result.output
    assert "u202e" in result.output


def test_a_csv_holds_names_as_they_are(run: Path) -> None:
    result = CliRunner().invoke(main, ["table", "omega", str(run), "--format", "csv"])
    assert set(pd.read_csv(io.StringIO(result.stdout))["network"]) == {HOSTILE}


def test_a_csv_guards_formulas_if_asked_for(tmp_path: Path) -> None:
    run = write_run(tmp_path, influence_frame(["=1+1"]), performance_frame(["=1+1"]))
    command = ["table", "omega", str(run), "--format", "csv"]
    plain, safe = (
        pd.read_csv(io.StringIO(CliRunner().invoke(main, [*command, *options]).stdout))
        for options in ([], ["--guard-formulas"])
    )
    assert set(plain["network"]) == {"=1+1"}
    assert set(safe["network"]) == {"'=1+1"}
    pd.testing.assert_frame_equal(plain.drop(columns="network"), safe.drop(columns="network"))
    assert (plain.select_dtypes("number") < 0).any(axis=None)


@pytest.mark.parametrize(
    "arguments",
    [["table", "omega", f"gone{HOSTILE}"], ["table", HOSTILE], [HOSTILE], [f"--{HOSTILE}"],
     ["compare", f"gone{HOSTILE}", "x"], ["report", f"gone{HOSTILE}", "--out", "x.html"]],
)  # fmt: skip
def test_errors_are_visible(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code in (1, 2)
    assert not ACTS.search(result.output)
    assert r"\x1b[2J\u202e" in result.output


def test_a_name_cannot_start_a_line_of_an_error() -> None:
    result = CliRunner().invoke(main, ["table", "omega", "a\ninfluence: all is well"])
    assert not re.search("^influence: all is well", result.output, re.MULTILINE)


def test_files_that_were_written_are_named_visibly(run: Path, tmp_path: Path) -> None:
    out = tmp_path / f"f{HOSTILE}.svg"
    result = CliRunner().invoke(main, ["plot", "mutes", str(run), "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert not ACTS.search(result.output)
    assert out.exists()


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1", "utf-8"])
def test_every_console_is_written_to(tmp_path: Path, encoding: str) -> None:
    done = cli("table", "omega", write_run(tmp_path), encoding=encoding)
    assert done.returncode == 0, done.stderr.decode()
    expected = "influence ω" if encoding == "utf-8" else "influence omega"
    assert expected in done.stdout.decode(encoding)
    failed = cli("table", "omega", tmp_path / "中", encoding=encoding)
    assert failed.returncode == 1
    assert b"Traceback" not in failed.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is full")
@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["table", "omega", "RUN"]])
def test_a_full_output_is_a_sentence(tmp_path: Path, arguments: list[str]) -> None:
    run = str(write_run(tmp_path))
    with open("/dev/full", "wb") as full:
        done = cli(*(run if word == "RUN" else word for word in arguments), stdout=full.fileno())
    assert done.returncode == 1
    assert re.fullmatch(r"influence: .*No space left.*\n", done.stderr.decode())
