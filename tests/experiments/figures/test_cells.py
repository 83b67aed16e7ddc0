"""One value out of a CSV: what rows are chosen, and what is made of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from experiments.figures.cells import rows_where, source_file, value_at, value_of
from influence.errors import InfluenceError

TABLE = """network,seed,mute,source,target,omega,n
"a, true",0,zero,depth,depth,3.5,10
b,0,zero,depth,label,-0.25,10
b,1,mean,depth,label,2,10
c,,noise,label,label,,10
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "t.csv"
    path.write_text(TABLE)
    return path


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ([], [0, 1, 2, 3]),
        (["network=b"], [1, 2]),
        (["network=*true"], [0]),
        (["network=a, true|c"], [0, 3]),
        (["network!=b", "mute!=noise"], [0]),
        (["seed="], [3]),
        (["source={target}"], [0, 3]),
        (["source!={target}", "mute=m*"], [2]),
        (["omega>2"], [0]),
        (["omega>=2"], [0, 2]),
        (["omega<2"], [1]),
        (["omega<=-0.25"], [1]),
        (["network=d"], []),
    ],
)
def test_rows_are_those_for_which_all_conditions_hold(
    path: Path, conditions: list[str], expected: list[int]
) -> None:
    rows = list(csv.reader(TABLE.splitlines()))[1:]
    found = rows_where(source_file(path), conditions)
    assert found.to_numpy().tolist() == [rows[place] for place in expected]


@pytest.mark.parametrize(
    ("rule", "conditions", "expected"),
    [
        ("", ["mute=mean"], "2"),
        ("min", ["network=b"], -0.25),
        ("max", [], 3.5),
        ("mean", ["network=b"], (2 - 0.25) / 2),
        ("sum", ["network=b"], 2 - 0.25),
        ("count", ["network=b"], 2),
        ("distinct", ["mute!=mean"], 3),
    ],
)
def test_rules_make_one_value_of_rows(
    path: Path, rule: str, conditions: list[str], expected: object
) -> None:
    assert value_of(rows_where(source_file(path), conditions), "omega", rule) == expected


def test_every_row_may_have_the_same_value(path: Path) -> None:
    table = source_file(path)
    assert value_of(table, "n", "every") == "10"
    with pytest.raises(InfluenceError, match=r"expected rows of one value, found 3: a, true, b, c"):
        value_of(table, "network", "every")


@pytest.mark.parametrize(
    ("conditions", "column", "rule", "message"),
    [
        ([], "omega", "", r"expected one row, found 4: 3\.5, -0\.25, 2\. Mend"),
        (["mute=zeros"], "omega", "", "expected one row, found 0: none"),
        (["mute=zeros"], "omega", "min", "expected rows, found 0"),
        (["mutes=zero"], "omega", "", "unknown column 'mutes': did you mean 'mute'"),
        (["source={taget}"], "omega", "", "unknown column 'taget': did you mean 'target'"),
        (["mute=zero"], "omga", "", "unknown column 'omga': did you mean 'omega'"),
        (["mute>zero"], "omega", "", "expected numbers in column 'mute'"),
        (["omega>zero"], "omega", "", "expected a number to compare with, got 'zero'"),
        (["zero"], "omega", "", "expected a condition such as mute=zero, got 'zero'"),
        ([], "mute", "max", "expected numbers in column 'mute'"),
    ],
)
def test_what_is_not_there_is_told(
    path: Path, conditions: list[str], column: str, rule: str, message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        value_of(rows_where(source_file(path), conditions), column, rule)


def test_keys_of_toml_and_json(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("[joint.recipe]\nepochs = 20\n")
    (tmp_path / "a.json").write_text('{"joint": {"recipe": {"epochs": 21}}}')
    assert value_at(source_file(tmp_path / "a.toml"), "joint.recipe.epochs") == 20
    assert value_at(source_file(tmp_path / "a.json"), "joint.recipe.epochs") == 21
    with pytest.raises(InfluenceError, match="unknown key 'epoch': did you mean 'epochs'"):
        value_at(source_file(tmp_path / "a.json"), "joint.recipe.epoch")
    with pytest.raises(InfluenceError, match="unknown key 'more'"):
        value_at(source_file(tmp_path / "a.toml"), "joint.recipe.epochs.more")


@pytest.mark.parametrize(("name", "content"), [("a.csv", ""), ("a.toml", "a"), ("a.json", "{")])
def test_a_file_that_cannot_be_read_is_told(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    for _ in range(2):
        with pytest.raises(InfluenceError, match=re.escape(f"{path}: expected a CSV, TOML or")):
            source_file(path)
        path.write_text(content)
