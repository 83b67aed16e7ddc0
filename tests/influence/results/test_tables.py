"""The types of columns: one for each name, whatever the cells came as."""

from __future__ import annotations

import math
import os
import re
from pathlib import Path

import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.results.tables import COLUMNS, FILES, dtype_of, read_tables, typed
from tests.tables_of_runs import influence_frame, performance_frame, write_run


def test_every_column_of_the_tables_has_a_type() -> None:
    names = {name for columns in COLUMNS.values() for name in columns}
    real = {name for name in names if dtype_of(name) == "float64"}
    assert real == {
        "full", "muted", "omega", "omega_low", "omega_high", "confidence", "p_value", "p_holm",
        "value", "low", "high", "distance", "outside", "threshold",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("column", "cells", "expected"),
    [
        ("seed", [0, None], [0, pd.NA]),
        ("seed", [0.0, float("nan")], [0, pd.NA]),
        ("seed", [None, None], [pd.NA, pd.NA]),
        ("unit", ["m", None], ["m", ""]),
        ("n", [3.0, 4.0], [3, 4]),
        ("omega", [1, None], [1.0, float("nan")]),
        ("warning", [True, False], [True, False]),
    ],
)
def test_cells_become_what_their_column_holds(
    column: str, cells: list[object], expected: list[object]
) -> None:
    found = typed(pd.DataFrame({column: cells}))[column]
    pd.testing.assert_series_equal(
        found, pd.Series(expected, name=column, dtype=dtype_of(column)), check_exact=True
    )


@pytest.mark.parametrize(
    ("column", "cells"),
    [("n", [1.0, None]), ("omega", ["a"]), ("seed", [0.5]), ("n", [6.5]), ("n", [float("inf")])],
)
def test_cells_of_another_kind_are_refused(column: str, cells: list[object]) -> None:
    with pytest.raises(InfluenceError, match=f"expected .* in column '{column}'"):
        typed(pd.DataFrame({column: cells}))


def test_runs_are_put_together_in_the_order_given(tmp_path: Path) -> None:
    first = write_run(tmp_path / "a", influence_frame(["a"]), performance_frame(["a"]))
    second = write_run(tmp_path / "b", influence_frame(["b"]), performance_frame(["b"]))
    both = read_tables([second, first], "influence")
    assert list(both["network"].unique()) == ["b", "a"]
    assert list(both["omega"]) == pytest.approx(
        [*influence_frame(["b"])["omega"], *influence_frame(["a"])["omega"]], rel=1e-15
    )


def test_a_run_without_seeds_and_intervals_goes_with_one_that_has_them(tmp_path: Path) -> None:
    bare = influence_frame(["bare"]).assign(seed=None, omega_low=None, omega_high=None)
    runs = [write_run(tmp_path / "a"), write_run(tmp_path / "b", bare)]
    both = read_tables(runs, "influence")
    assert both.loc[both["network"] == "bare", ["seed", "omega_low"]].isna().all(axis=None)
    assert both.loc[both["network"] != "bare", ["seed", "omega_low"]].notna().all(axis=None)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "expected a table that influence measure wrote"),
        ("", "expected a table that influence measure wrote"),
        ("network,omega\na,1\n", "expected the columns network, seed"),
        ("\x00\x01\x02\n", "it holds a NUL"),
        ("network,omega\na,1", "its last line is cut off"),
        (",".join(influence_frame().columns) + "\n", "expected one row or more, found none"),
    ],
)
def test_what_is_not_a_table_is_refused(tmp_path: Path, content: str | None, expected: str) -> None:
    if content is not None:
        (tmp_path / "influence.csv").write_text(content)
    with pytest.raises(InfluenceError, match=expected) as error:
        read_tables([tmp_path], "influence")
    assert str(tmp_path / "influence.csv") in str(error.value)


@pytest.mark.parametrize(
    ("column", "value", "kind"),
    [("omega", "much", "numbers"), ("n", "many", "numbers"), ("higher_is_better", "yes", "True")],
)
def test_text_where_numbers_belong_is_refused(
    tmp_path: Path, column: str, value: str, kind: str
) -> None:
    write_run(tmp_path, influence_frame().assign(**{column: value}))
    with pytest.raises(InfluenceError, match=f"expected {kind}.*column '{column}'.*'{value}'"):
        read_tables([tmp_path], "influence")


NONSENSE = [
    ("influence", "p_value", math.inf, "expected p_value from 0 to 1, found inf"),
    ("influence", "p_holm", -0.1, "expected p_holm from 0 to 1, found -0.1"),
    ("influence", "confidence", math.inf, "expected confidence between 0 and 1, found inf"),
    ("influence", "confidence", 1.0, "expected confidence between 0 and 1, found 1.0"),
    ("influence", "n", 0, "expected n of 1 or more, found 0"),
    ("influence", "n", -4, "expected n of 1 or more, found -4"),
    ("influence", "omega", -math.inf, "expected omega finite where full and muted are"),
    ("influence", "omega_low", 1e9, "expected omega_low no greater than omega_high, found 1000000"),
    ("performance", "low", 1e9, "expected low no greater than high"),
    ("samples", "omega", math.inf, "expected omega finite"),
    ("samples", "group", -1, "expected group of 0 or more, found -1"),
    ("interactions", "n", 0, "expected n of 1 or more"),
]


@pytest.mark.parametrize(("name", "column", "value", "expected"), NONSENSE)
def test_numbers_that_no_measurement_has_are_refused(
    tmp_path: Path, name: str, column: str, value: float, expected: str
) -> None:
    write_run(tmp_path)
    frame = read_tables([tmp_path], name)
    frame.loc[1, column] = value
    frame.to_csv(tmp_path / FILES[name], index=False)
    with pytest.raises(InfluenceError, match=re.escape(expected)) as error:
        read_tables([tmp_path], name)
    assert FILES[name] in str(error.value)


def test_an_omega_is_infinite_where_a_performance_is(tmp_path: Path) -> None:
    frame = influence_frame(["a"], ["zero"])
    frame.loc[1, ["full", "omega"]] = math.inf
    write_run(tmp_path, frame)
    assert read_tables([tmp_path], "influence")["omega"][1] == math.inf


@pytest.mark.parametrize("made", ["pipe", "device", "folder", "nul"])
def test_what_has_no_end_or_is_no_text_is_refused(tmp_path: Path, made: str) -> None:
    write_run(tmp_path)
    path = tmp_path / "influence.csv"
    text = path.read_bytes()
    path.unlink()
    if made == "pipe":
        os.mkfifo(path)
    elif made == "device":
        path.symlink_to("/dev/zero")
    elif made == "folder":
        path.mkdir()
    else:
        path.write_bytes(text.replace(b"jrn-cat1,", b"jrn-\x00at1,", 1))
    words = "it holds a NUL" if made == "nul" else "got a folder, a pipe or a device"
    with pytest.raises(InfluenceError, match=words):
        read_tables([tmp_path], "influence")


def test_a_table_that_unpacks_to_more_than_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path)
    assert len(read_tables([tmp_path], "samples"))
    monkeypatch.setattr("influence.runtime.reading.text_files.available_memory", lambda: 10_000)
    with pytest.raises(InfluenceError, match="more text than fits into the 1e-05 GB of free mem"):
        read_tables([tmp_path], "samples")
