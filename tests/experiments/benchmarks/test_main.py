"""`python -m experiments.benchmarks`: one case after the other into the same CSVs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner, Result

from experiments.benchmarks import __main__ as program
from tests.experiments.benchmarks.tiny import TINY


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "NETWORKS", TINY)
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def run(reports: Path, *cases: str) -> Result:
    options = [option for case in cases for option in ("--case", case)]
    return CliRunner().invoke(
        program.benchmarks,
        [*options, "--threads", "1", "--rounds", "1", "--samples", "20", "--reports", str(reports)],
    )


@pytest.mark.slow
def test_a_case_measured_again_replaces_its_rows_alone(tmp_path: Path) -> None:
    result = run(tmp_path, "two texts", "late fusion")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} == {
        "checks.csv", "flops.csv", "rounds.csv", "machine.csv", "judged.csv", "parts.csv",
    }  # fmt: skip  # and no figure, as no page shows one
    first = pd.read_csv(tmp_path / "rounds.csv")
    assert run(tmp_path, "two texts").exit_code == 0
    second = pd.read_csv(tmp_path / "rounds.csv")
    assert len(second) == len(first)
    before, after = (
        frame[frame["case"] == "late fusion"].reset_index(drop=True) for frame in (first, second)
    )
    pd.testing.assert_frame_equal(before, after)
    machine = pd.read_csv(tmp_path / "machine.csv")
    assert sorted(machine["case"]) == ["late fusion", "two texts"]
    assert (machine["captum"] == "0.9.0").all()


def test_an_unknown_case_is_a_usage_error(tmp_path: Path) -> None:
    result = run(tmp_path, "early fusion")
    assert result.exit_code == 2
    assert "late fusion" in result.output
