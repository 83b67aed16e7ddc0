"""The table of a comparison holds what the comparison found, in the units of its rows."""

from __future__ import annotations

import numpy as np
import pytest

from influence.analysis.comparison import compare
from influence.display.table import FORMATS, format_table
from influence.display.tables.comparison import comparison_table
from influence.errors import InfluenceError
from tests.runs_of_rows import accuracy_rows, run_of

NUMBERS = np.random.default_rng(0)
RIGHT = NUMBERS.uniform(size=(6, 40)) < 0.7
ROWS = {
    name: accuracy_rows(
        RIGHT[i].astype(float),
        {(mute, "x"): RIGHT[i + j].astype(float) for j, mute in ((1, "zero"), (2, "mean"))},
        by_class=True,
    )
    for name, i in (("a", 0), ("b", 3))
}
FOUND = compare(run_of(ROWS, ["accuracy", "class_accuracy"]), pairs=[("a", "b")])


def test_values_are_hundredfold_and_performances_stand_first() -> None:
    table = comparison_table(FOUND, metric=["accuracy"])
    wide = table.spread(table.entries["value"])
    chosen = FOUND[FOUND["metric"] == "accuracy"]
    for column, heading in (("a", "A"), ("b", "B"), ("difference", "A − B")):
        assert list(wide["", heading]) == pytest.approx(list(100 * chosen[column]))
    assert list(wide["", "of"]) == [
        "A(y): accuracy, %",
        *["ω(x → y): accuracy, %"] * 2,
    ]
    assert list(wide["", "mute"]) == ["none", "zero", "mean"]
    assert set(wide["", "networks"]) == {"a − b"}


def test_marks_are_of_the_adjusted_p_values() -> None:
    sure = FOUND.assign(p_holm=[0.01 if q == "omega" else 0.2 for q in FOUND["quantity"]])
    entries = comparison_table(sure).entries
    starred = entries.loc[entries["marked"], ["quantity", "heading"]].drop_duplicates()
    assert starred.to_numpy().tolist() == [["omega", ("", "A − B")]]


def test_a_mute_and_a_level_can_be_chosen() -> None:
    table = comparison_table(FOUND, mute=["mean"])
    assert set(table.entries["mute"]) == {"none", "mean"}
    by_class = comparison_table(FOUND, metric=["class_accuracy"], level="class:*")
    assert set(by_class.entries["level"]) == {"class:0", "class:1"}
    with pytest.raises(InfluenceError, match="unknown mute 'zer'"):
        comparison_table(FOUND, mute=["zer"])


@pytest.mark.parametrize("format", FORMATS)
def test_every_format(format: str) -> None:
    assert "accuracy" in format_table(comparison_table(FOUND), format)


def test_seeds_of_one_network_are_told_apart() -> None:
    names = {"a-seed0": ("a", 0), "a-seed1": ("a", 1)}
    run = run_of(dict(zip(names, ROWS.values(), strict=True)), ["accuracy"], seeds=names)
    text = format_table(comparison_table(compare(run, pairs=[("a-seed0", "a-seed1")])), "text")
    assert "a #0 − a #1" in text
