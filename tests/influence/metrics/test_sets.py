"""The sets against the printed tables that they are named after."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from torchmetrics import MeanSquaredError

from influence.display.notation import display_of
from influence.metrics.registry import METRICS
from influence.metrics.sets import SETS, spell_out

PUBLISHED = Path(__file__).parents[3] / "reports" / "published"


def printed(name: str) -> list[dict[str, str]]:
    with (PUBLISHED / name).open(newline="") as file:
        return list(csv.DictReader(file))


def test_labels_of_hybridnet_are_the_columns_of_its_first_table() -> None:
    columns = [c for c in printed("hybridnet_table1.csv")[0] if c not in ("method", "bold")]
    assert list(SETS["hybridnet"].labels.values()) == columns
    assert all(METRICS[name].higher_is_better for name in SETS["hybridnet"].labels)


def test_values_of_hybridnet_are_the_rows_of_its_second_table() -> None:
    directions = {
        row["metric"]: row["better"] == "higher" for row in printed("hybridnet_table2.csv")
    }
    found = {p: METRICS[name].higher_is_better for name, p in SETS["hybridnet"].values.items()}
    assert list(found.items()) == list(directions.items())


@pytest.mark.parametrize("method", ["HybridNet", "DepthNet [8]"])
def test_printed_scale_invariant_error_of_pooled_pixels_is_the_root(method: str) -> None:
    """D = mean d^2 - (mean d)^2 is at most mean d^2, the square of RMSE-log."""
    value = {row["metric"]: float(row[method]) for row in printed("hybridnet_table2.csv")}
    assert value["RMSE-log"] ** 2 < value["SIE"] < value["RMSE-log"]


def test_arora_prints_the_accuracy_that_counts_other() -> None:
    (column,) = [c for c in printed("arora_headline.csv")[0] if c != "classes"]
    first, second = SETS["arora"].labels.items()
    assert first == ("pixel_accuracy", column.removesuffix("_percent").replace("_", " "))
    assert second == ("pixel_accuracy_without_other", "")


def test_every_metric_of_a_set_is_known_and_shown_by_a_name_of_its_own() -> None:
    for known in SETS.values():
        assert known.names() == [*known.labels, *known.values]
        assert {METRICS[n].statistic.name for n in known.values} <= {"depth_errors"}
        assert all(display_of(name).definition for name in known.names())
    assert not SETS.keys() & METRICS.keys()


def test_what_is_named_anyway_stands_where_it_is_named() -> None:
    assert spell_out(["arora", "mean_iou", "hybridnet"], "labels") == [
        "pixel_accuracy", "pixel_accuracy_without_other", "mean_iou", "class_accuracy",
    ]  # fmt: skip


def test_what_is_named_twice_stays_twice_for_the_error() -> None:
    assert spell_out(["rms", "rms"], "values") == ["rms", "rms"]


def test_objects_pass_as_they_are() -> None:
    own = MeanSquaredError()  # whose == makes another metric
    found = spell_out([own, "hybridnet"], "labels")
    assert found[0] is own
    assert found[1:] == list(SETS["hybridnet"].labels)


def test_without_a_part_a_set_is_all_of_its_metrics() -> None:
    assert spell_out(["hybridnet"]) == SETS["hybridnet"].names()
