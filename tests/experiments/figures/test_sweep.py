"""Tables I to III: printed rows as printed, measured means below them, each block its best."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.figures.sweep import FIGURES, _printed_name, paper_tables, read_sweep, write_sweep
from experiments.publishing.files import TABLES, Output
from experiments.publishing.published import PUBLISHED, printed_rows
from experiments.publishing.studies import mean_performance
from influence.display.plots.style import FORMATS
from influence.display.table import format_table
from tests.experiments.figures.networks_tables import (
    performance_frame as networks_frame,
)
from tests.experiments.figures.networks_tables import performance_rows
from tests.experiments.publishing.sweep_tables import (
    performance_seeds,
    performance_table,
    write_sweep_tables,
)
from tests.tables_of_runs import performance_frame

OTHERS = networks_frame(
    performance_rows("hybridnet", {"sqr_rel": 0.5, "mean_iou": 0.6, "pixel_accuracy": 0.7}),
    performance_rows("hybridnet", {"mean_iou": 0.3}, level="class:ground"),
    performance_rows("depthnet", {"sqr_rel": 0.4}),
)
MEANS = mean_performance(
    pd.concat([performance_table(), performance_frame(["input"], [])]), performance_seeds()
)
PAPER_TABLES = paper_tables(PUBLISHED, MEANS, OTHERS)


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_printed_numbers_come_out_as_printed(name: str) -> None:
    printed = pd.read_csv(PUBLISHED / f"jrn_{name}.csv", dtype=str)
    text = format_table(PAPER_TABLES[name], "csv")
    markdown = format_table(PAPER_TABLES[name], "md").replace("**", "")
    rows = [line for line in markdown.splitlines() if line.startswith("| printed")]
    assert len(rows) == len(printed)
    for row, values in zip(rows, printed.to_numpy(), strict=True):
        cells = [cell.strip() for cell in row.split("|")[3:-1]]
        written = [value for value in values[1:-1] if value != "-"]
        assert sorted(cell for cell in cells if cell != "–") == sorted(written)
    assert text.count("printed") == len(printed)


def test_the_best_of_the_paper_are_bold_in_table_2_and_3() -> None:
    for name, network in (("table2", "Ours (Sum60)"), ("table3", "Ours (Sum60)")):
        entries = PAPER_TABLES[name].entries
        own = entries[entries["numbers"] == "printed"]
        assert set(own.loc[own["best"], "network"]) == {network}


def test_measured_rows_are_means_with_the_inputs_under_both_conditions() -> None:
    entries = PAPER_TABLES["table1"].entries
    measured = entries[entries["numbers"] != "printed"]
    rows = measured[["numbers", "network"]].drop_duplicates()
    assert list(map(tuple, rows.to_numpy())) == [
        ("in-sample", "Input"),
        ("in-sample", "Sum60"),
        ("in-sample", "Cat1"),
        ("cross-fitted", "Input"),
        ("cross-fitted", "Sum60"),
        ("cross-fitted", "Cat1"),
    ]
    one = measured.query("numbers == 'cross-fitted' and network == 'Cat1' and metric == 'rms'")
    mean = MEANS.query("network == 'jrn-cat1-crossfit' and metric == 'rms'").iloc[0]
    assert one["value"].item() == mean["value"]
    assert one["low"].item() == mean["low"]
    assert "mean over 3 trainings" in " ".join(PAPER_TABLES["table1"].notes)


def test_tables_2_and_3_hold_the_other_joint_networks_by_task() -> None:
    second, third = PAPER_TABLES["table2"].entries, PAPER_TABLES["table3"].entries
    assert set(second["target"]) == {"depth"}
    assert set(third["target"]) == {"semantic"}
    for entries in (second, third):
        others = entries[entries["numbers"] == "other networks"]
        assert set(others["network"]) == {"HybridNet"}  # and no single-task network
    own = third.query("numbers == 'in-sample' and network == 'Sum60'")
    assert set(own["level"]) > {"all", "class:ceiling", "class:object"}


def test_each_block_has_its_own_best() -> None:
    entries = PAPER_TABLES["table1"].entries
    best = entries[entries["best"]].groupby("numbers")["metric"].nunique()
    assert (best == entries.groupby("numbers")["metric"].nunique()).all()


def test_latex_has_every_row_and_intervals_below_the_values() -> None:
    for table in PAPER_TABLES.values():
        text = format_table(table, "tex")
        assert text.isascii()
        rows = table.entries[["numbers", "network"]].drop_duplicates()
        assert text.split(r"\midrule")[1].count(r" \\" + "\n") == len(rows)
        assert r"\tiny [" in text


def test_a_missing_number_is_left_out() -> None:
    rows = printed_rows(PUBLISHED / "jrn_table2.csv")
    liu = rows[rows["network"].str.startswith("Liu")]
    assert "sqr_rel" not in set(liu["metric"])
    assert liu.loc[liu["metric"] == "log10", "value"].item() == 0.087


def test_a_network_has_the_name_that_the_paper_prints() -> None:
    assert _printed_name("jrn-cat60-crossfit") == "Cat60"


def _lay_out(reports: Path) -> Path:
    (reports / "published").symlink_to(PUBLISHED)
    return write_sweep_tables(reports / "sweep")


def _write(reports: Path, formats: tuple[str, ...]) -> list[Path | str]:
    return list(write_sweep(read_sweep(reports), Output(formats)))


def test_all_figures_and_tables_are_written(tmp_path: Path) -> None:
    _lay_out(tmp_path)
    made = _write(tmp_path, (*FORMATS, *TABLES))
    figures = {f"{stem}.{suffix}" for stem in FIGURES for suffix in FORMATS}
    tables = {f"table{i}.{suffix}" for i in (1, 2, 3) for suffix in ("md", "tex")}
    assert {path.name for path in made if isinstance(path, Path)} == figures | tables
    assert all(isinstance(path, Path) and path.stat().st_size for path in made)


@pytest.mark.parametrize(
    ("gone", "lost"),
    [
        ("curves", {"figure8", "figure8_shuffle"}),
        ("interactions_seeds", {"interactions"}),
    ],
)
def test_a_figure_without_its_table_is_left_out(tmp_path: Path, gone: str, lost: set[str]) -> None:
    folder = _lay_out(tmp_path)
    (folder / f"{gone}.csv").unlink()
    made = _write(tmp_path, ("svg",))
    said = [line for line in made if isinstance(line, str)]
    assert said == [f"left out {folder / stem}: no {gone}.csv there" for stem in sorted(lost)]
    assert FIGURES.keys() - {path.stem for path in made if isinstance(path, Path)} == lost
