"""Tables of several runs are read together; what is not a table of a run is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from influence.errors import InfluenceError
from influence.run_tables import read_tables
from tests.tables_of_runs import influence_frame, performance_frame, write_run


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
