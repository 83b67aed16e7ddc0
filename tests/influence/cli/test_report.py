"""`influence report`: it writes a page, or ends clearly and leaves the earlier one."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from influence.cli import main
from tests.influence.display.report.runs import page_run
from tests.test_public_surface import loaded_by


def test_writes_one_page(tmp_path: Path) -> None:
    run, out = page_run(tmp_path / "run"), tmp_path / "new" / "page.html"
    result = CliRunner().invoke(main, ["report", str(run), "--out", str(out), "--title", "A & B"])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"wrote {out} (")
    assert "<title>A &amp; B</title>" in out.read_text()
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--out", "page.html"], 2, "Missing argument 'RUN...'"),
        (["run"], 2, "Missing option '--out'"),
        (["run", "--out", "run/influence.csv"], 1, "expected a page that ends in .html"),
        (["nowhere", "--out", "page.html"], 1, "expected a table that influence measure wrote"),
    ],
)
def test_bad_input_ends_with_a_clear_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["report", *arguments])
    assert (result.exit_code, message in result.output) == (code, True), result.output
    assert not Path("page.html").exists()


def test_the_command_itself_is_light() -> None:
    assert loaded_by("import influence.cli.report") == set()
