"""`influence power`: it prints and writes what the library finds, or ends clearly."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from influence.analysis.estimates import read_estimates
from influence.analysis.power import plan_samples
from influence.cli import main
from influence.display.table import FORMATS, format_table
from influence.display.tables.precision import power_table
from influence.measurement.pipeline import measure
from tests.tables_of_runs import write_run
from tests.toy import toy


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_file: Path) -> Path:
    """A measured run with its rows."""
    out = tmp_path_factory.mktemp("runs") / "run"
    measure(toy(), toy_file, draws=100).write(out)
    return out


@pytest.mark.parametrize("format", FORMATS)
def test_it_prints_and_writes_what_the_library_finds(
    run: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "plan.csv"
    options = ["--n", "50", "--omega", "0.02", "--power", "0.9", "--alpha", "0.01"]
    command = ["power", str(run), *options, "--format", format, "--mute", "mean", "--out", str(out)]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    found = plan_samples(read_estimates([run]), planned=50, omega=0.02, alpha=0.01, power=0.9)
    assert result.stdout == format_table(power_table(found, mute=["mean"]), format)
    written = pd.read_csv(out)
    assert list(written.columns) == list(found.columns)
    assert list(written["detectable"]) == pytest.approx(list(found["detectable"]), nan_ok=True)


def test_a_folder_with_tables_alone_will_do(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["power", str(write_run(tmp_path)), "--metric", "rms"])
    assert result.exit_code == 0, result.output
    assert "Without rows.h5" in result.output
    assert "rms" in result.output


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "Missing argument 'RUN...'"),
        (["run", "--n", "1"], 2, "1 is not in the range x>=2"),
        (["run", "--power", "1"], 1, "power in (alpha / 2, 1)"),
        (["run", "--metric", "rmss"], 1, "unknown metric 'rmss': did you mean 'rms'"),
        (["nowhere"], 1, "influence.csv: expected a table that influence measure wrote"),
    ],
)
def test_bad_input_ends_with_a_clear_message(
    run: Path, arguments: list[str], code: int, message: str
) -> None:
    paths = {"run": str(run), "nowhere": str(run.parent / "nowhere")}
    result = CliRunner().invoke(main, ["power", *(paths.get(a, a) for a in arguments)])
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output
