"""Sheets: what is shown of a table, and what is left out of a long one."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from influence.display.report import sheets as sheet
from influence.display.report.sheets import packed_columns, read_sheets
from influence.errors import InfluenceError
from tests.influence.display.report.runs import page_run
from tests.tables_of_runs import influence_frame, write_run


def test_tables_in_the_order_of_the_page(tmp_path: Path) -> None:
    sheets = read_sheets([page_run(tmp_path / "run")])
    assert [found.name for found in sheets] == [
        "verdicts", "influence", "performance", "interactions", "distance",
    ]  # fmt: skip
    for found in sheets:
        assert {column.key for column in found.columns} <= {*found.texts, "unit"}
        assert found.columns[0].key == "network"
        assert found.rows_in_file == len(found.texts)


def test_verdicts_are_those_of_the_influences(tmp_path: Path) -> None:
    frame = influence_frame(["a"])
    run = write_run(tmp_path / "run", frame)
    texts = read_sheets([run])[0].texts
    rms = frame[(frame["metric"] == "rms") & (frame["source"] == "depth")]["omega"]
    own = texts[(texts["metric"] == "rms") & (texts["source"] == "depth")].iloc[0]
    assert (float(own["smallest"]), float(own["largest"])) == (rms.min(), rms.max())


def test_columns_that_say_nothing_are_not_shown(tmp_path: Path) -> None:
    shown = [column.key for column in read_sheets([page_run(tmp_path / "run")])[1].columns]
    assert "site" not in shown
    assert "seed" not in shown
    frame = pd.concat([influence_frame().assign(seed=seed) for seed in (0, 1)])
    several = read_sheets([write_run(tmp_path / "seeds", frame)])[1]
    assert [column.key for column in several.columns][:2] == ["network", "seed"]
    assert several.selects["seed"] == ["0", "1"]


def test_a_long_table_leaves_out_levels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = page_run(tmp_path / "run")
    whole = read_sheets([run])[1]
    monkeypatch.setattr(sheet, "ROWS_AT_MOST", len(whole.texts) - 1)
    shorter = read_sheets([run])[1]
    assert shorter.rows_in_file == len(whole.texts)
    gone = whole.texts.merge(shorter.texts, how="left", indicator=True)
    gone = gone[gone["_merge"] == "left_only"]
    assert set(gone["level"]) == {"depth:0-2"}  # of rms; the first metric of depth is sqr_rel
    monkeypatch.setattr(sheet, "ROWS_AT_MOST", 1)
    assert set(read_sheets([run])[1].texts["level"]) == {"all"}


def test_packed_columns_keep_order_and_text() -> None:
    texts = pd.DataFrame({"mute": ["b", "a", "b", "b"], "omega": ["0.10", "1e-3", "", "-0"]})
    assert packed_columns(texts) == {
        "mute": {"names": ["b", "a"], "indices": "0,1,0,0"},
        "omega": {"names": ["0.10", "1e-3", "", "-0"]},
    }


def test_a_run_twice_is_a_clear_error(tmp_path: Path) -> None:
    run = page_run(tmp_path / "run")
    with pytest.raises(InfluenceError, match="Give each run once"):
        read_sheets([run, run])
