"""Every number in the prose of a README is that of the file it comes from, or says what it is."""

from __future__ import annotations

import csv
import re
import shutil
from pathlib import Path

import pytest

from tests.readme_numbers import unexplained_numbers, wrong_numbers

ROOT = Path(__file__).parents[1]
PLACES = ("README.md", "reports/**/README.md", "experiments/*/README.md")
READMES = sorted(path for place in PLACES for path in ROOT.glob(place))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_there_are_readmes_with_quoted_numbers() -> None:
    quoting = [name(p) for p in READMES if "<!-- numbers\n" in p.read_text(encoding="utf-8")]
    assert {"README.md", "reports/rooms/README.md", "reports/nyuv2/README.md"} <= set(quoting)


@pytest.mark.parametrize("path", READMES, ids=name)
def test_every_quoted_number_is_that_of_its_file(path: Path) -> None:
    assert wrong_numbers(path) == []


@pytest.mark.parametrize("path", READMES, ids=name)
def test_every_other_number_is_of_a_kind_that_no_file_has(path: Path) -> None:
    assert unexplained_numbers(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It gains 16.3 points.", 1),
        ("It gains 16.3<!-- omega --> points, of 120<!-- given -->.", 0),
        ("It gains **2,000** and 1.2 to 1.4.", 3),
        ("`code = 16.3` and\n\n    indented 16\n\nand [a link](table_16.md)", 0),
        ("```sh\nmake 16\n```\nthen 16", 1),
        ("<!-- t:begin -->\n16.3\n<!-- t:end --> 16", 1),
        ("Fig. 7, Table 1 and equation (1) of arXiv 1702.08009, Figs. 5 and 6", 0),
        ("Laina et al. 2016, Eigen (2015), WACV 2023; 2000 sets", 1),
        ("Cat60, VGG-16, float16, NYU-Depth v2, the 40-class labels at 160x120, 8-bit", 0),
        ("95% intervals hold it 95% of the time, a test at 5% in 5%", 2),
        ("δ < 1.25² of 1.25", 1),
        ("ten times as much, half a point, and tens of times", 3),
        ("nine of the ten directions, with two inputs", 1),
        ("1. Export.\n2. Measure 3.", 1),
        ("seed 0 of 5", 1),
    ],
)
def test_what_counts_as_explained(text: str, expected: int) -> None:
    found = unexplained_numbers(text)
    assert len(found) == expected, found


PAGE = """Cat1 loses 16.3<!-- loss --> points, {two} of three, {low}<!-- low --> at least.

<!-- numbers
loss = omega of t.csv where network == "cat 1" and mute == "zero" and level != "all" as x100 .1f
two = count of t.csv where omega > 0 and source != target as word
low = min omega of t.csv where mute in ["zero", "mean"] as x-1 .2f
-->
"""
TABLE = """network,mute,source,target,level,omega
cat 1,zero,a,b,one,0.1631
cat 1,zero,b,b,all,0.5
cat 1,mean,a,b,one,0.012
"""


def copy(folder: Path, *, two: str = "two<!-- two -->", low: str = "−0.01") -> Path:
    (folder / "t.csv").write_text(TABLE)
    path = folder / "README.md"
    path.write_text(PAGE.format(two=two, low=low), encoding="utf-8")
    return path


def test_the_second_reader_finds_nothing_wrong_where_nothing_is(tmp_path: Path) -> None:
    assert wrong_numbers(copy(tmp_path)) == []


@pytest.mark.parametrize(
    ("prose", "expected"),
    [
        ({"two": "three<!-- two -->"}, ["two: 'three', and 'two' by the file"]),
        ({"low": "0.01"}, ["low: 0.01, and -0.012 in the file"]),
        ({"low": "−0.012"}, ["low: '−0.012' has 3 decimals, .2f says other"]),
        ({"two": "two <!-- two -->"}, ["two: no number before it"]),
    ],
)
def test_the_second_reader_finds_a_wrong_number(
    tmp_path: Path, prose: dict[str, str], expected: list[str]
) -> None:
    assert wrong_numbers(copy(tmp_path, **prose)) == expected


@pytest.mark.parametrize("changed", ["0.1631", "0.012"])
def test_the_second_reader_finds_a_changed_table(tmp_path: Path, changed: str) -> None:
    path = copy(tmp_path)
    (tmp_path / "t.csv").write_text(TABLE.replace(changed, f"0.9{changed[2:]}"))
    assert len(wrong_numbers(path)) == 1


@pytest.mark.parametrize("study", ["rooms", "nyuv2"])
def test_a_changed_number_of_a_study_is_found_in_its_readme(study: str, tmp_path: Path) -> None:
    """Change every omega and distance in a copy: what quotes one is wrong, and nothing else."""
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    folder = tmp_path / "reports" / study
    folder.mkdir(parents=True)
    for path in (ROOT / "reports" / study).glob("*.[cm][sd]*"):
        shutil.copy(path, folder)
    for table, column in (("influence", "omega"), ("distance", "distance")):
        path = folder / f"{table}.csv"
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(row | {column: 1.5 * float(row[column]) + 0.2} for row in rows)
    text = (folder / "README.md").read_text(encoding="utf-8")
    quoting = set(re.findall(r"^(\w+) = .*?(?:omega|distance) of ", text, re.MULTILINE))
    wrong = wrong_numbers(folder / "README.md")
    assert {line.partition(":")[0] for line in wrong} == quoting != set()
