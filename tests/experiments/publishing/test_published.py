"""The paper's numbers in our columns: against the printed tables, and against each other."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from experiments.publishing.published import (
    CLASSES,
    NETWORKS,
    PUBLISHED,
    TABLE_I,
    TABLE_III,
    published_frames,
    write_published,
)
from influence.results.tables import INFLUENCE_COLUMNS, PERFORMANCE_COLUMNS, read_table, read_tables


@pytest.fixture(scope="module")
def published() -> dict[str, pd.DataFrame]:
    frames = published_frames()
    both = pd.concat([frames["performance"], frames["inputs"]])
    return {**frames, "both": both}


def _value(frame: pd.DataFrame, dataset: str, network: str, metric: str, level: str) -> float:
    rows = frame.query(
        "dataset == @dataset and network == @network and metric == @metric and level == @level"
    )
    return float(rows["value"].item())


def test_omega_is_what_fig_7_prints_over_100(published: dict[str, pd.DataFrame]) -> None:
    printed = pd.read_csv(PUBLISHED / "jrn_fig7_influence.csv").set_index("model_as_printed")
    for row in published["influence"].itertuples():
        model = next(name for name, ours in NETWORKS.items() if ours == row.network)
        model = "Sum" if model == "Sum60" else model
        column = "omega_D_to_S" if row.source == "depth" else "omega_S_to_D"
        assert row.omega == pytest.approx(float(printed.loc[model, column]) / 100)  # type: ignore[arg-type]
    assert len(published["influence"]) == 2 * len(printed)


def test_muted_is_what_the_derived_table_derives(published: dict[str, pd.DataFrame]) -> None:
    derived = pd.read_csv(PUBLISHED / "jrn_fig7_implied_muted_DERIVED.csv")
    derived["network"] = derived["model"].map(NETWORKS)
    rows = published["influence"].merge(derived, on="network")
    iou, error = rows[rows["target"] == "semantic"], rows[rows["target"] == "depth"]
    assert list(100 * iou["full"]) == pytest.approx(list(iou["mIoU_full_TableI"]))
    assert list(100 * iou["muted"]) == pytest.approx(list(iou["implied_mIoU_depth_muted"]))
    assert list(error["full"]) == pytest.approx(list(error["relsqr_full_TableI"]))
    assert list(error["muted"]) == pytest.approx(list(error["implied_relsqr_semantics_muted"]))


def test_omega_is_the_oriented_difference(published: dict[str, pd.DataFrame]) -> None:
    rows = published["influence"]
    sign = rows["higher_is_better"].map({True: 1, False: -1})
    assert list(rows["omega"]) == pytest.approx(list(sign * (rows["full"] - rows["muted"])))


@pytest.mark.parametrize("network", ["jrn-sum60", "input"])
def test_the_mean_of_table_iii_is_that_of_its_classes(
    published: dict[str, pd.DataFrame], network: str
) -> None:
    classes = [
        _value(published["both"], TABLE_III, network, "mean_iou", f"class:{name.lower()}")
        for name in CLASSES
    ]
    mean = _value(published["both"], TABLE_III, network, "mean_iou", "all")
    assert round(100 * sum(classes) / len(classes), 3) == pytest.approx(100 * mean)


def test_tables_i_and_iii_print_different_numbers_for_sum60(
    published: dict[str, pd.DataFrame],
) -> None:
    numbers = [
        100 * _value(published["both"], table, "jrn-sum60", "mean_iou", "all")
        for table in (TABLE_I, TABLE_III)
    ]
    assert numbers == pytest.approx([54.184, 54.267])


def test_table_i_is_there_in_natural_units(published: dict[str, pd.DataFrame]) -> None:
    rows = published["both"].query("dataset == @TABLE_I")
    assert len(rows) == 6 * 10
    assert _value(rows, TABLE_I, "jrn-cat60", "log10", "all") == 0.0686
    assert _value(rows, TABLE_I, "input", "pixel_accuracy", "all") == pytest.approx(0.72268)
    assert rows["value"].between(0, 1).all()


def test_the_committed_files_are_those_that_the_command_writes(tmp_path: Path) -> None:
    for path in PUBLISHED.glob("jrn_*.csv"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    write_published(tmp_path)
    for name in ("influence.csv", "performance.csv", "inputs.csv"):
        assert (tmp_path / name).read_bytes() == (PUBLISHED / name).read_bytes()


def test_the_files_have_the_columns_of_a_run_and_empty_intervals() -> None:
    influence = read_tables([PUBLISHED], "influence")
    assert tuple(influence.columns) == INFLUENCE_COLUMNS
    assert influence[["omega_low", "omega_high", "p_value", "p_holm"]].isna().all(axis=None)
    inputs = read_table(PUBLISHED / "inputs.csv", "performance")
    assert tuple(inputs.columns) == PERFORMANCE_COLUMNS
    assert set(inputs["network"]) == {"input"}


def test_the_readme_names_every_file() -> None:
    readme = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    for path in PUBLISHED.iterdir():
        assert path.name == "README.md" or f"`{path.name}`" in readme, path.name


def test_the_printed_influence_is_in_natural_units() -> None:
    influence = published_frames()["influence"].set_index(["network", "source"])
    assert influence.loc[("jrn-cat1", "depth"), "omega"] == 0.0759
