"""`influence compare`: it prints and writes what the library finds, or ends clearly."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from influence.analysis.comparison import compare
from influence.cli import main
from influence.display.table import FORMATS, format_table
from influence.display.tables.comparison import comparison_table
from influence.measurement.pipeline import measure
from influence.results.run_directory import read_run
from tests.toy import Toy, joint, write_toy_file


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, toy_file: Path) -> Path:
    """Run directories `a`, `b` (the same data), `short`, and `stream` without rows."""
    folder = tmp_path_factory.mktemp("runs")
    for name, seed in (("a", 0), ("b", 1)):
        networks = [joint(Toy(seed), "one"), joint(Toy(seed + 2), "two")]
        measure(networks, toy_file, mutes=["zero", "mean"], draws=50).write(folder / name)
    short = write_toy_file(folder / "short.h5", 7)
    measure(joint(Toy(), "one"), short, mutes=["zero"], draws=50).write(folder / "short")
    measure(joint(Toy(), "one"), toy_file, mutes=["zero"], draws=50, stream=True).write(
        folder / "stream"
    )
    return folder


@pytest.mark.parametrize("format", FORMATS)
def test_it_prints_and_writes_what_the_library_finds(
    runs: Path, tmp_path: Path, format: str
) -> None:
    out = tmp_path / "new" / "differences.csv"
    options = ["--format", format, "--mute", "mean", "--metric", "rms,mean_iou", "--out", str(out)]
    result = CliRunner().invoke(main, ["compare", str(runs / "a"), str(runs / "b"), *options])
    assert result.exit_code == 0, result.output
    found = compare(*(read_run(runs / n, rows=True) for n in "ab"), metrics=["rms", "mean_iou"])
    table = comparison_table(found, mute=["mean"], metric=["rms", "mean_iou"])
    assert result.stdout == format_table(table, format)
    written = pd.read_csv(out, keep_default_na=False, na_values={"p_value": "", "p_holm": ""})
    assert list(written.columns) == list(found.columns)
    assert list(written["difference"]) == pytest.approx(list(found["difference"]), nan_ok=True)


def test_two_networks_of_one_run(runs: Path) -> None:
    result = CliRunner().invoke(main, ["compare", str(runs / "a"), "--pair", "one=two"])
    assert result.exit_code == 0, result.output
    assert "one − two" in result.output


def test_changes_are_compared_under_mutes_alone(tmp_path: Path, toy_file: Path) -> None:
    metrics = {"semantic": ["mean_iou", "changed_labels"], "depth": ["absolute_change"]}
    for name, seed in (("a", 0), ("b", 1)):
        run = measure(joint(Toy(seed)), toy_file, mutes=["zero"], draws=50, metrics=metrics)
        run.write(tmp_path / name)
    found = compare(*(read_run(tmp_path / name, rows=True) for name in "ab"))
    by_quantity = found.groupby("quantity")["metric"].unique().map(set).to_dict()
    assert by_quantity == {
        "performance": {"mean_iou"},
        "omega": {"mean_iou", "changed_labels", "absolute_change"},
    }
    assert found["p_value"].notna().all()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["a"], 2, "Name a second run, or two networks of this one"),
        (["a", "b", "--pair", "one"], 2, "expected network=network, got 'one'"),
        (["a", "b", "--pair", "one=tow"], 1, "unknown network 'tow': did you mean 'two'"),
        (["a", "b", "--metric", "rmss"], 1, "unknown metric 'rmss': did you mean 'rms'"),
        (["a", "short"], 1, "7 ids match, of 13 samples in the first run and 7 in the second"),
        (["a", "stream"], 1, "a streamed run keeps none"),
        (["a", "nowhere"], 1, "expected a run directory with a readable run.json"),
    ],
)
def test_bad_input_ends_with_a_clear_message(
    runs: Path, arguments: list[str], code: int, message: str
) -> None:
    paths = {name: str(runs / name) for name in ("a", "b", "short", "stream", "nowhere")}
    result = CliRunner().invoke(main, ["compare", *(paths.get(a, a) for a in arguments)])
    assert result.exit_code == code
    assert message in result.output
    assert "Traceback" not in result.output
