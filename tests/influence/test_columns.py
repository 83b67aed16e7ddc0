"""The types of columns: one for each name, whatever the cells came as."""

from __future__ import annotations

import pandas as pd
import pytest

from influence.columns import dtype_of, typed
from influence.errors import InfluenceError
from influence.results import COLUMNS


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
def test_cells_of_another_kind_are_told(column: str, cells: list[object]) -> None:
    with pytest.raises(InfluenceError, match=f"expected .* in column '{column}'"):
        typed(pd.DataFrame({column: cells}))
