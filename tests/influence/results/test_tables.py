"""The types of columns: one for each name, whatever the cells came as."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from influence.errors import InfluenceError
from influence.results.tables import COLUMNS, dtype_of, read_tables, typed
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
        ("\x00\x01\x02", "expected the columns network, seed"),
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
