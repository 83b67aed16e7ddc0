"""`influence table`: what it prints is what the library gives, and bad input ends clearly."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from influence.analysis.estimates import read_estimates
from influence.analysis.seeds import aggregate_seeds
from influence.cli import main
from influence.display.table import FORMATS, format_table
from influence.display.tables import TABLES
from influence.display.tables.mutes import mutes_table
from influence.display.tables.omega import omega_table
from influence.display.tables.seeds import seeds_table
from influence.measurement.pipeline import measure
from influence.results.tables import DISTANCE_COLUMNS, read_tables
from tests.influence.display.tables.test_mutes import distances
from tests.tables_of_runs import influence_frame, performance_frame, write_run
from tests.toy import Toy, joint


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
    paths = {name: str(tmp_path / name) for name in ("run", "nowhere")}
    result = CliRunner().invoke(main, ["table", *(paths.get(a, a) for a in arguments)])
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output


def test_the_help_explains_every_kind() -> None:
    text = " ".join(CliRunner().invoke(main, ["table", "--help"]).output.split())
    assert all(f"{kind} (" in text for kind in TABLES)


def test_distances_stand_beside_the_omegas_of_runs_that_have_them(tmp_path: Path) -> None:
    run = write_run(tmp_path, influence_frame(["a"]))
    without = CliRunner().invoke(main, ["table", "mutes", str(run)]).output
    assert "distance" not in without.lower()
    distances()[list(DISTANCE_COLUMNS)].to_csv(run / "distance.csv", index=False)
    result = CliRunner().invoke(main, ["table", "mutes", str(run), "--format", "csv"])
    expected = mutes_table(read_tables([run], "influence"), distance=distances())
    assert result.output == format_table(expected, "csv")
    assert "distance from the data" in result.output


def test_seeds_come_from_the_rows_where_a_run_keeps_them(tmp_path: Path, toy_file: Path) -> None:
    networks = [joint(Toy(seed), seed=seed) for seed in range(3)]
    measure(networks, toy_file, mutes=["zero"], draws=50).write(tmp_path / "run")
    result = CliRunner().invoke(main, ["table", "seeds", str(tmp_path / "run")])
    expected = seeds_table(aggregate_seeds(read_estimates([tmp_path / "run"])))
    assert result.output == format_table(expected, "text")
    assert "Without rows.h5" not in result.output
