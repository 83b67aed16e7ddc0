"""Quoted numbers: written from the file that they name, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.figures.quotes import Quote, fill_quotes, read_quotes, write_quotes
from influence.errors import InfluenceError

TABLE = """network,mute,muted parts,n
a b,zero,0.16346,654
a b,mean,-0.0456,654
c,zero,1234.5,654
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(TABLE)
    (tmp_path / "study.toml").write_text("[joint]\nrate = 0.001\nfolds = 3\n")
    return tmp_path


def page(prose: str, *definitions: str) -> str:
    return f"{prose}\n\n<!-- numbers\n" + "".join(f"{line}\n" for line in definitions) + "-->\n"


@pytest.mark.parametrize(
    ("definition", "expected"),
    [
        ('"muted parts" of t.csv where network="a b" mute=zero as x100 .1f', "16.3"),
        ('"muted parts" of t.csv where network="a b" mute=zero as +.2f', "+0.16"),
        ('"muted parts" of t.csv where mute=mean as x100 .2f', "−4.56"),
        ('"muted parts" of t.csv where mute=mean as x-100 .2f', "4.56"),
        ('max "muted parts" of t.csv as ,.0f', "1,234"),
        ('min "muted parts" of t.csv where mute=zero as .3f', "0.163"),
        ("every n of t.csv", "654"),
        ("count of t.csv where mute=zero as word", "two"),
        ("count of t.csv as Word", "Three"),
        ("count of t.csv where n<0 as word", "none"),
        ("distinct network of t.csv", "2"),
        ("network of t.csv where n=654\n    mute=mean", "a b"),
        ("joint.folds of study.toml as word", "three"),
        ("joint.rate of study.toml as .3f", "0.001"),
        ("joint.folds of study.toml", "3"),
    ],
)
def test_a_number_is_written_from_its_file(folder: Path, definition: str, expected: str) -> None:
    text = page("Old: 1<!-- it -->, end.", f"it = {definition}")
    filled = fill_quotes(text, folder)
    assert filled == text.replace("1<!--", f"{expected}<!--")


@pytest.mark.parametrize("old", ["16.3", "−16.3", "-16", "+2,000", "Nine", "x-ray", "0.5-1"])
@pytest.mark.parametrize("before", ["", "is ", "(", "**", "±", "to "])
def test_what_stands_before_the_comment_is_replaced_as_a_whole(
    folder: Path, old: str, before: str
) -> None:
    text = page(f"{before}{old}<!-- it --> points; 17<!-- given --> others, 18.", "it = n of t.csv")
    definition = "it = every n of t.csv"
    filled = fill_quotes(text.replace("it = n of t.csv", definition), folder)
    assert filled == page(
        f"{before}654<!-- it --> points; 17<!-- given --> others, 18.", definition
    )
    assert fill_quotes(filled, folder) == filled


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
        fill_quotes(page(text, "it = every n of t.csv"), folder)


@pytest.mark.parametrize(
    ("definition", "message"),
    [
        ("n of t.csv", "number 'it': expected one row, found 3"),
        ("min n of t.csv", "number 'it': expected a format"),
        ("max n of t.csv as .q", "number 'it': 654.0 cannot be written as .q"),
        ("max n of t.csv as word", "number 'it': 654.0 cannot be written as word"),
        ('min "muted parts" of t.csv as x100 word', "cannot be written as x100 word"),
        ("max n of t.csv as x1e999 word", "cannot be written as x1e999 word"),
        ("max n of t.csv as xx .0f", "cannot be written as xx .0f"),
        ("n of nowhere.csv", "number 'it': .*nowhere.csv: expected a CSV"),
        ("joint.rate of study.toml", "expected a format"),
        ("joint of study.toml as .1f", "cannot be written as .1f"),
        ("joint.fold of study.toml", "unknown key 'fold': did you mean 'folds'"),
        ("n t.csv", "expected NAME = .RULE. COLUMN of FILE"),
        ("count n of t.csv", "expected NAME ="),
        ("most n of t.csv", "expected NAME ="),
        ("of t.csv", "expected NAME ="),
        ("n of t.csv whre n=1", "expected NAME ="),
        ('n of t.csv where "n=1', "expected NAME ="),
        ("n of t.csv where n=654\nit = every n of t.csv", "number 'it' is defined twice"),
    ],
)
def test_what_cannot_be_understood_is_told(folder: Path, definition: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        fill_quotes(page("9<!-- it -->", f"it = {definition}"), folder)


def test_definitions_may_go_on_in_the_next_line() -> None:
    text = page("", "a = min x of t.csv where", "    b=1 c=2", "  as .1f", "d = count of u.csv")
    assert read_quotes(text) == {
        "a": Quote("min", "x", "t.csv", ("b=1", "c=2"), (".1f",)),
        "d": Quote("count", "", "u.csv"),
    }


def test_a_file_is_written_whole_or_not_at_all(folder: Path) -> None:
    path = folder / "README.md"
    path.write_text("No number of ours, 5 in all.\n")
    assert not write_quotes(path)
    path.write_text(page("9<!-- it --> images", "it = every n of t.csv"), encoding="utf-8")
    assert write_quotes(path)
    text = path.read_text(encoding="utf-8")
    assert text.startswith("654<!-- it --> images\n")
    (folder / "t.csv").write_text(TABLE.replace("654\nc", "655\nc"))
    with pytest.raises(
        InfluenceError, match=r"README\.md: number 'it': expected rows of one value"
    ):
        write_quotes(path)
    assert path.read_text(encoding="utf-8") == text


def test_a_file_nested_without_end_is_told(folder: Path) -> None:
    (folder / "deep.json").write_text("[" * 100_000)
    with pytest.raises(InfluenceError, match=r"deep.json: expected a CSV, TOML or JSON file"):
        fill_quotes(page("9<!-- it -->", "it = a of deep.json"), folder)
