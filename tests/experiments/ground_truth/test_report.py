"""The command, its tables and the committed study."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from experiments.ground_truth import studies
from experiments.ground_truth.__main__ import ground_truth
from experiments.ground_truth.judgement import judge
from experiments.ground_truth.report import blocks
from experiments.ground_truth.simulation import CASES
from experiments.ground_truth.studies import STUDIES
from experiments.ground_truth.world import LAYOUTS
from experiments.publishing.pages import check_page

COMMITTED = Path(__file__).parents[3] / "reports" / "ground_truth"


def run(folder: Path, *arguments: str) -> str:
    result = CliRunner().invoke(ground_truth, ["--reports", str(folder), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.slow
def test_command_writes_the_same_bytes_for_any_number_of_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = ["--study", "power", "--sets", "25"]
    output = run(tmp_path / "one", *arguments, "--processes", "1")
    run(tmp_path / "two", *arguments, "--processes", "2")
    assert "power.csv" in output
    one, two = ((tmp_path / name / "power.csv").read_bytes() for name in ("one", "two"))
    assert one == two
    assert blocks(tmp_path / "one").keys() == blocks(COMMITTED).keys()
    assert "accuracy" in blocks(tmp_path / "one")["power"]
    assert blocks(tmp_path / "one")["bias"] == "Not simulated yet."


def test_judgement_tells_kept_limits_from_broken_ones() -> None:
    coverage = pd.DataFrame(
        {
            "metric": ["rms", "rms", "accuracy", "accuracy"], "mute": "zero",
            "world": "w", "coverage": [0.95, 0.9285, 0.94, 0.93],
        }
    )  # fmt: skip
    alarms = pd.DataFrame(
        {
            "world": "w", "mute": "zero", "data": "d", "source": ["a", "b", "any"],
            "raw": [0.04, 0.09, 0.12], "holm": [0.01, 0.02, 0.03],
        }
    )  # fmt: skip
    judged = judge({"coverage": coverage, "false_alarms": alarms}).set_index("what")
    assert judged["met"].tolist() == [False, True, False, False, True]
    assert judged.loc["false alarms, each test alone", "found"] == "at most 9.0%"
    assert judged["found"].tolist()[3] == "at most 6.5%"


def test_committed_tables_are_of_the_studies_in_full() -> None:
    for name, study in STUDIES.items():
        table = pd.read_csv(COMMITTED / f"{name}.csv")
        if "sets" in table:
            assert (table["sets"] == study.sets).all(), name
    coverage = pd.read_csv(COMMITTED / "coverage.csv")
    found = set(zip(coverage["world"], coverage["mute"], coverage["data"], strict=True))
    assert found == {(case.world, case.mute, name) for case in CASES for name in LAYOUTS}
    assert (coverage["sets"] >= 400).all()


def test_committed_judgement_and_readme_follow_from_the_tables() -> None:
    tables = {name: pd.read_csv(COMMITTED / f"{name}.csv") for name in (*STUDIES, "ranks")}
    pd.testing.assert_frame_equal(judge(tables), pd.read_csv(COMMITTED / "judged.csv"))
    assert check_page(COMMITTED / "README.md", blocks(COMMITTED)) == ""


def test_parts_can_be_sent_to_another_process() -> None:
    for name, study in STUDIES.items():
        parts = study.parts(1)
        assert parts, name
        assert all(callable(part) for part in parts)
    assert studies.run_study("verdicts", sets=1, processes=1)["sets"].tolist() == [1] * 9
