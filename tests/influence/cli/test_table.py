"""`influence table`: what it prints is what the library gives, and bad input ends clearly."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from influence.cli import main
from influence.run_tables import read_tables
from influence.table_formats import FORMATS, format_table
from influence.tables import TABLES, omega_table
from tests.tables_of_runs import influence_frame, performance_frame, write_run


@pytest.mark.parametrize("kind", TABLES)
@pytest.mark.parametrize("format", FORMATS)
def test_every_kind_in_every_format(tmp_path: Path, kind: str, format: str) -> None:
    result = CliRunner().invoke(main, ["table", kind, str(write_run(tmp_path)), "--format", format])
    assert result.exit_code == 0, result.output
    assert "jrn-cat60" in result.output


def test_it_prints_what_the_library_gives_for_several_runs(tmp_path: Path) -> None:
    runs = [
        write_run(tmp_path / name, influence_frame([name]), performance_frame([name]))
        for name in ("a", "b")
    ]
    options = ["--mute", "mean", "--metric", "rms,mean_iou", "--no-interval", "--format", "md"]
    result = CliRunner().invoke(main, ["table", "omega", *map(str, runs), *options])
    table = omega_table(
        read_tables(runs, "influence"), mute=["mean"], metric=["rms", "mean_iou"], interval=False
    )
    assert result.output == format_table(table, "md")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["omega"], 2, "Missing argument 'RUN...'"),
        (["omegas", "run"], 2, "'omega', 'mutes', 'interactions', 'performance', 'classes'"),
        (["omega", "run", "--setup", "depth"], 2, "the table omega has no option --setup"),
        (["omega", "run", "--top", "3"], 2, "the table omega has no option --top"),
        (["samples", "run", "--top", "0"], 2, "0 is not in the range x>=1"),
        (["samples", "run", "--source", "dept"], 1, "unknown source 'dept': did you mean 'depth'"),
        (["samples", "nowhere"], 1, "samples.csv.gz: expected a table that influence measure"),
        (["omega", "nowhere"], 1, "influence.csv: expected a table that influence measure wrote"),
        (["omega", "run", "--mute", "zer0"], 1, "unknown mute 'zer0': did you mean 'zero'"),
    ],
)
def test_bad_input_ends_with_a_clear_message(
    tmp_path: Path, arguments: list[str], code: int, message: str
) -> None:
    write_run(tmp_path / "run")
    places = {name: str(tmp_path / name) for name in ("run", "nowhere")}
    result = CliRunner().invoke(main, ["table", *(places.get(a, a) for a in arguments)])
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_help_explains_every_kind() -> None:
    text = CliRunner().invoke(main, ["table", "--help"]).output
    assert all(f"{kind} (" in text for kind in TABLES)
