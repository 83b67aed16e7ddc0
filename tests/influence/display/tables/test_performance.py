"""The performances of a table are those of the CSV, in the units that its heading states."""

from __future__ import annotations

import pandas as pd
import pytest

from influence.display.tables.performance import class_table, performance_table
from influence.errors import InfluenceError
from tests.tables_of_runs import CLASSES, NETWORKS, performance_frame


def _find(frame: pd.DataFrame, **wanted: object) -> pd.Series:
    for column, value in wanted.items():
        frame = frame[frame[column] == value]
    assert len(frame) == 1
    return frame.iloc[0]


def test_performance_shows_nothing_muted_once_and_the_best_of_each_column_in_bold() -> None:
    frame = performance_frame()
    full = frame[(frame["setup"] == "depth+semantic") & (frame["level"] == "all")]
    table = performance_table(frame)
    assert len(table.entries) == len(NETWORKS) * full["metric"].nunique()
    for metric, better in {"rms": "min", "mean_iou": "max"}.items():
        rows = full[full["metric"] == metric]
        best = rows.loc[getattr(rows["value"], f"idx{better}")(), "network"]
        entries = table.entries[table.entries["metric"] == metric]
        assert list(entries.loc[entries["best"], "network"]) == [best]


def test_what_looks_equal_is_equally_good() -> None:
    frame = performance_frame(["a", "b", "c"], ["zero"])
    rms = (frame["metric"] == "rms") & (frame["setup"] == "depth+semantic")
    frame.loc[rms, "value"] = [0.67301, 0.67304, 0.67306]
    table = performance_table(frame, metric=["rms"])
    assert list(table.entries["best"]) == [True, True, False]


def test_the_best_is_sought_within_a_data_set() -> None:
    other = performance_frame(["a", "b"], ["zero"]).assign(dataset="easy")
    other["value"] = other["value"] * 2
    both = pd.concat([performance_frame(["a", "b"], ["zero"]), other], ignore_index=True)
    entries = performance_table(both, metric=["mean_iou"]).entries
    assert entries.groupby("dataset")["best"].sum().to_dict() == {"easy": 1, "rooms": 1}


def test_metrics_stand_in_the_order_asked_for() -> None:
    table = performance_table(performance_frame(), metric=["mean_iou", "delta_1", "rms"])
    wide = table.spread(table.entries["value"])
    assert list(wide.columns.get_level_values(1)) == [
        "network",
        "mean IoU, % ↑",
        "δ < 1.25 ↑",
        "rms, m ↓",
    ]
    assert list(wide["", "network"]) == list(NETWORKS)


def test_setups_get_rows_of_their_own() -> None:
    table = performance_table(performance_frame(["a"], ["zero"]), setup=["*"], metric=["rms"])
    assert list(table.entries["setup"]) == ["depth+semantic", "depth", "semantic"]
    assert table.rows == ("network", "mute", "setup")


def test_a_mute_chooses_among_the_setups_that_mute() -> None:
    frame = performance_frame(["a"])
    table = performance_table(frame, setup=["*"], mute=["mean"], metric=["rms"])
    assert list(table.entries["mute"]) == ["none", "mean", "mean"]
    full = performance_table(frame, mute=["mean"], metric=["rms"])
    assert list(full.entries["setup"]) == ["depth+semantic"]


def test_a_setup_that_is_written_under_every_mute_is_shown_once() -> None:
    frame = performance_frame(["a"], ["zero"])
    again = frame[frame["setup"] == "depth+semantic"].assign(mute="mean")
    both = pd.concat([frame, again], ignore_index=True)
    assert len(performance_table(both, metric=["rms"]).entries) == 1


def test_classes_stand_before_the_whole_and_the_pixel_accuracy() -> None:
    frame = performance_frame()
    table = class_table(frame)
    headings = [heading[1] for heading in dict.fromkeys(table.entries["heading"])]
    assert headings[:5] == list(CLASSES)
    assert set(headings[5:]) == {"mean IoU, % ↑", "pixel accuracy, % ↑"}
    one = _find(
        frame[frame["setup"] == "depth+semantic"],
        network="jrn-cat1",
        metric="mean_iou",
        level="class:ceiling",
    )
    cell = table.entries[
        (table.entries["network"] == "jrn-cat1") & (table.entries["level"] == "class:ceiling")
    ]
    assert cell["value"].item() == pytest.approx(100 * one["value"])


def test_levels_are_chosen_by_pattern() -> None:
    table = performance_table(performance_frame(["a"]), level="class:*", metric=["mean_iou"])
    assert list(table.entries["level"]) == [f"class:{name}" for name in CLASSES]
    assert table.entries["heading"].iloc[0] == ("semantic", "mean IoU, % ↑, ground")


def test_unknown_names_are_refused_with_near_ones() -> None:
    with pytest.raises(InfluenceError, match="unknown metric 'rmse': did you mean 'rms'"):
        performance_table(performance_frame(), metric=["rmse"])
    with pytest.raises(InfluenceError, match="unknown level 'class:roof'"):
        performance_table(performance_frame(), level="class:roof")
    with pytest.raises(InfluenceError, match=r"expected rows at levels 'class:\.\.\.'"):
        class_table(performance_frame().query("level == 'all'"))


def test_a_frame_may_say_how_many_decimals_it_shows_and_ties_are_by_them() -> None:
    frame = performance_frame(["a", "b"]).query("metric == 'rms' and setup == 'depth+semantic'")
    frame = frame.assign(value=[0.6731, 0.6729])
    assert list(performance_table(frame).entries["best"]) == [False, True]
    table = performance_table(frame.assign(digits=3))
    assert list(table.entries["digits"]) == [3, 3]
    assert list(table.entries["best"]) == [True, True]
