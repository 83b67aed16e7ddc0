"""Pages: numbers and tables are written from the files they name, and nothing else changes."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from experiments.publishing.pages import (
    Number,
    check_page,
    fill_page,
    linked_files,
    plain_table,
    write_page,
)
from influence.errors import InfluenceError

TABLE = """network,seed,mute,source,target,muted parts,omega,n
a b,0,zero,depth,depth,0.16346,3.5,654
a b,0,mean,depth,label,-0.0456,-0.25,654
c,1,zero,depth,label,1234.5,2,654
NA,,noise,label,label,1,,654
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "study.toml").write_text("[joint]\nrate = 0.001\nfolds = 3\nwidths = [64, 32]\n")
    (tmp_path / "a.json").write_text('{"joint": {"epochs": 21}}')
    return tmp_path


def page(prose: str, *definitions: str) -> str:
    return f"{prose}\n\n<!-- numbers\n" + "".join(f"{line}\n" for line in definitions) + "-->\n"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ('muted parts of t.csv where network == "a b" and mute == "zero" as x100 .1f', "16.3"),
        ('muted parts of t.csv where network == "a b" and mute == "zero" as +.2f', "+0.16"),
        ('muted parts of t.csv where mute == "mean" as x100 .2f', "−4.56"),
        ('muted parts of t.csv where mute == "mean" as x-100 .2f', "4.56"),
        ("max muted parts of t.csv as ,.0f", "1,234"),
        ('min muted parts of t.csv where mute == "zero" as .3f', "0.163"),
        ("mean omega of t.csv as .2f", "1.75"),
        ('sum omega of t.csv where mute != "mean" as .1f', "5.5"),
        ("every n of t.csv", "654"),
        ('count of t.csv where mute == "zero" as word', "two"),
        ("count of t.csv as Word", "Four"),
        ("count of t.csv where n < 0 as word", "none"),
        ("count of t.csv where source != target", "2"),
        ('count of t.csv where mute in ["zero", "noise"]', "3"),
        ("count of t.csv where seed.isna()", "1"),
        ("count of t.csv where omega >= 2", "2"),
        ("count of t.csv where omega <= -0.25", "1"),
        ("distinct network of t.csv", "3"),
        ("network of t.csv where seed.isna()", "NA"),
        ('network of t.csv where n == 654 and\n    mute == "mean"', "a b"),
        ("joint.folds of study.toml as word", "three"),
        ("joint.rate of study.toml as .3f", "0.001"),
        ("joint.folds of study.toml", "3"),
        ("joint.widths.1 of study.toml", "32"),
        ("joint.epochs of a.json", "21"),
    ],
)
def test_a_number_is_written_from_its_file(folder: Path, definition: str, expected: str) -> None:
    text = page("Old: 1<!-- it -->, end.", f"it = {definition}")
    filled = fill_page(text, folder)
    assert filled == text.replace("1<!--", f"{expected}<!--")


@pytest.mark.parametrize("old", ["16.3", "−16.3", "-16", "+2,000", "Nine", "x-ray", "0.5-1"])
@pytest.mark.parametrize("before", ["", "is ", "(", "**", "±", "to "])
def test_what_stands_before_the_comment_is_replaced_as_a_whole(
    folder: Path, old: str, before: str
) -> None:
    definition = "it = every n of t.csv"
    text = page(f"{before}{old}<!-- it --> points; 17<!-- given --> others, 18.", definition)
    filled = fill_page(text, folder)
    assert filled == page(
        f"{before}654<!-- it --> points; 17<!-- given --> others, 18.", definition
    )
    assert fill_page(filled, folder) == filled


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("9<!-- itt -->", "unknown number 'itt': did you mean 'it'"),
        ("9", "expected every number that is defined to be quoted, not so: it"),
        ("9 <!-- it -->", "expected a number right before <!-- it -->"),
        ("9 <!-- given --> 9<!-- it -->", "expected a number right before <!-- given -->"),
    ],
)
def test_a_comment_and_a_definition_belong_together(folder: Path, text: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        fill_page(page(text, "it = every n of t.csv"), folder)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("n of t.csv", "number 'it': expected one value, found 4: 654, 654, 654. Narrow"),
        ('n of t.csv where mute == "zeros"', "expected one value, found 0: none"),
        ("every omega of t.csv", "expected one value, found 4: 3.5, -0.25, 2"),
        ('min n of t.csv where mute == "zeros" as .1f', "expected numbers, found none"),
        ("max mute of t.csv as .1f", "expected numbers, found zero, mean, zero"),
        ("min n of t.csv", "number 'it': expected a format"),
        ("max n of t.csv as .q", "written as .q, got 654.0"),
        ("max n of t.csv as word", "written as word, got 654.0"),
        ("min muted parts of t.csv as x100 word", "written as x100 word, got -0.0456"),
        ("max n of t.csv as x1e999 word", "written as x1e999 word"),
        ("max n of t.csv as xx .0f", "written as xx .0f"),
        ("n of nowhere.csv", "number 'it': .*nowhere.csv: expected a CSV"),
        ("joint.rate of study.toml", "expected a format"),
        ("joint of study.toml as .1f", "written as .1f"),
        ("joint.fold of study.toml", "unknown key 'fold': did you mean 'folds'"),
        ("joint.epochs.more of a.json", "unknown key 'more'"),
        ("omga of t.csv", "unknown column 'omga': did you mean 'omega'"),
        ("most n of t.csv", "unknown column 'most n'"),
        ('n of t.csv where mutes == "zero"', "expected a condition on the rows, got 'mutes =="),
        ("n of t.csv where n ==", "expected a condition on the rows, got 'n =='"),
        ("n of t.csv where n", "expected a condition on the rows, got 'n'"),
        ("n t.csv", "expected NAME = .RULE. COLUMN of FILE"),
        ("count n of t.csv", "expected NAME ="),
        ("of t.csv", "expected NAME ="),
        ("n of t.csv whre n=1", "expected NAME ="),
        ("n of t.csv where n == 654\nit = every n of t.csv", "number 'it' is defined twice"),
    ],
)
def test_what_is_not_there_or_cannot_be_understood_is_an_error(
    folder: Path, definition: str, message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        fill_page(page("9<!-- it -->", f"it = {definition}"), folder)


@pytest.mark.parametrize(
    ("name", "content"),
    [("b.csv", ""), ("b.toml", "a"), ("b.json", "{"), ("b.json", "[" * 100_000)],
)
def test_a_file_that_cannot_be_read_is_an_error(folder: Path, name: str, content: str) -> None:
    for _ in range(2):
        with pytest.raises(InfluenceError, match=re.escape(f"{name}: expected a CSV, TOML or")):
            fill_page(page("9<!-- it -->", f"it = a of {name}"), folder)
        (folder / name).write_text(content)


BLOCKS = "before <!-- a:begin -->old<!-- a:end --> between <!-- b:begin --><!-- b:end --> after"


def test_only_the_blocks_change_and_a_second_time_nothing(tmp_path: Path) -> None:
    once = fill_page(BLOCKS, tmp_path, {"a": r"\1 \alpha", "b": "new\n"})
    assert once == (
        "before <!-- a:begin -->\n\\1 \\alpha\n<!-- a:end --> between "
        "<!-- b:begin -->\nnew\n<!-- b:end --> after"
    )
    assert fill_page(once, tmp_path, {"a": r"\1 \alpha", "b": "new\n"}) == once


@pytest.mark.parametrize("text", ["no marker", BLOCKS + BLOCKS, "<!-- a:begin --> never ends"])
def test_a_file_without_its_markers_is_an_error_and_stays(text: str, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(InfluenceError, match=r"README\.md: expected one block <!-- a:begin -->"):
        write_page(path, {"a": "new"})
    assert path.read_text() == text


def test_a_file_is_written_whole_or_not_at_all(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(page("9<!-- it --> images", "it = every n of t.csv"), encoding="utf-8")
    assert write_page(path) == path
    text = path.read_text(encoding="utf-8")
    assert text.startswith("654<!-- it --> images\n")
    (folder / "t.csv").write_text(TABLE.replace("654\nc", "655\nc"))
    with pytest.raises(InfluenceError, match=r"README\.md: number 'it': expected one value"):
        write_page(path)
    assert path.read_text(encoding="utf-8") == text


def test_the_first_line_that_differs_is_found(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text(page("Title\n654<!-- it --> images", "it = every n of t.csv"))
    assert check_page(path) == ""
    path.write_text(page("Title\n653<!-- it --> images", "it = every n of t.csv"))
    expected, got = "expected\n654<!-- it --> images", "got\n653<!-- it --> images"
    assert check_page(path) == f"{path}, line 2: {expected}\n{got}"


def test_linked_files_are_those_that_readmes_show_or_link_to(tmp_path: Path) -> None:
    reports = tmp_path / "reports"
    (reports / "rooms").mkdir(parents=True)
    (tmp_path / "README.md").write_text("![a](reports/rooms/a.png) [b](https://b.org/b.png)")
    (reports / "rooms" / "README.md").write_text("[t](t.md) and ![b](../b.png), [part](#part)")
    names = {str(path.relative_to(tmp_path)) for path in linked_files(reports)}
    assert names == {"reports/rooms/a.png", "reports/rooms/t.md", "reports/b.png"}


def test_a_number_is_the_value_of_a_column_or_what_a_rule_makes_of_it() -> None:
    table = pd.DataFrame({"mute": ["zero", "mean"], "omega": [0.1631, -0.0001]})
    one = Number("", "omega", "a.csv", "mute == 'zero'", "100", ".1f")
    assert one.text(lambda name: table) == "16.3"
    counted = Number("count", "", "a.csv", "omega < 0", "", "word")
    assert counted.text(lambda name: table) == "one"


def test_a_number_and_a_block_are_written_anew(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("mute,omega\nzero,0.1631\n")
    block = "<!-- numbers\nzero = omega of a.csv where mute == 'zero' as x100 .1f\n-->"
    page = fill_page(f"It costs 1<!-- zero --> points.\n{block}", tmp_path)
    assert page.splitlines()[0] == "It costs 16.3<!-- zero --> points."
    page = fill_page("<!-- t:begin -->old<!-- t:end -->", tmp_path, {"t": "new"})
    assert page == "<!-- t:begin -->\nnew\n<!-- t:end -->"


def test_a_plain_table_has_three_digits_and_words() -> None:
    frame = pd.DataFrame({"case": ["a"], "seconds": [0.12345], "met": [False]})
    assert plain_table(frame).splitlines() == [
        "| case   |   seconds | met    |",
        "|:-------|----------:|:-------|",
        "| a      |     0.123 | **no** |",
    ]
