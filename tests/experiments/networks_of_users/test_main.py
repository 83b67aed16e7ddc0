"""`python -m experiments.networks_of_users`: one kind after the other into the same CSVs."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from click.testing import CliRunner

from experiments.networks_of_users import __main__ as program
from experiments.networks_of_users.report import blocks

BLOCKS = ("kinds", "omegas", "questions", "machine")


@pytest.fixture(autouse=True)
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "set_num_threads", lambda _: None)


def measure(reports: Path, *kinds: str) -> None:
    options = [option for kind in kinds for option in ("--kind", kind)]
    result = CliRunner().invoke(
        program.networks_of_users,
        [*options, "--samples", "16", "--rounds", "1", "--reports", str(reports)],
    )
    assert result.exit_code == 0, result.output


def test_a_kind_measured_again_replaces_its_rows_alone(tmp_path: Path) -> None:
    page = "".join(f"<!-- {name}:begin --><!-- {name}:end -->\n" for name in BLOCKS)
    (tmp_path / "README.md").write_text(page)
    measure(tmp_path, "policy", "detector")
    first = pd.read_csv(tmp_path / "table.csv")
    assert list(dict.fromkeys(first["kind"])) == ["policy", "detector"]
    assert first["difference"].max() < 1e-6
    assert (first["cost"] > 0).all()
    measure(tmp_path, "policy")
    second = pd.read_csv(tmp_path / "table.csv")
    pd.testing.assert_frame_equal(
        first.drop(columns=["seconds", "plain_seconds", "cost"]),
        second.drop(columns=["seconds", "plain_seconds", "cost"]),
    )
    found = blocks(tmp_path)
    assert found["questions"] == "Not measured yet."
    assert "| policy" in found["kinds"]
    assert found["kinds"] in (tmp_path / "README.md").read_text()
    assert set(pd.read_csv(tmp_path / "machine.csv")["kind"]) == {"policy", "detector"}


def test_questions_are_counted_by_type(tmp_path: Path) -> None:
    pytest.importorskip("easy_vqa")
    measure(tmp_path, "easy-vqa")
    table = pd.read_csv(tmp_path / "easy_vqa.csv")
    numbers = table.groupby("target")["questions"].first()
    assert numbers.sum() == 16
    assert set(table["mute"]) == {"zero", "mean", "empty", "shuffle"}
