"""The page: read by another parser, its numbers are those of the files and its names stay text."""

from __future__ import annotations

import gzip
import re
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence.display.report.page import make_page, pack_json, pack_text, write_page
from influence.errors import InfluenceError, visible
from tests.influence.display.report.reader import Reader, read_page
from tests.influence.display.report.runs import NASTY, page_run

REPORTS = Path(__file__).parents[4] / "reports"

TABLES = ("influence", "performance", "interactions", "distance")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return page_run(tmp_path_factory.mktemp("page") / "r<u>n & more", NASTY)


@pytest.fixture(scope="module")
def text(run: Path) -> str:
    return make_page([run], title="</title><script>alert(2)</script>")


@pytest.fixture(scope="module")
def page(text: str) -> Reader:
    return read_page(text)


@pytest.mark.parametrize("name", TABLES)
def test_carries_every_cell_of_the_files(run: Path, page: Reader, name: str) -> None:
    written = pd.read_csv(run / f"{name}.csv", dtype="str", keep_default_na=False).map(visible)
    pd.testing.assert_frame_equal(page.table(name), written)


def test_names_stay_text(page: Reader, text: str) -> None:
    scripts = [tag.attributes.get("type", "") for tag in page.named("script")]
    tables = ["application/gzip"] * 5
    assert scripts == ["application/json", *tables, "application/gzip", "application/gzip", ""]
    assert page.named("title")[0].text == "</title><script>alert(2)</script>"
    assert page.named("h1")[0].text == "</title><script>alert(2)</script>"
    options = {tag.text for tag in page.named("option")}
    names = set(map(visible, NASTY.values()))
    assert names <= options
    assert {tag.attributes["value"] for tag in page.named("option")} >= names
    assert not re.search("[\x1b\u2028\u202e]", text)
    assert "r<u>n & more" in {tag.text for tag in page.named("h3")}
    assert not page.named("u")
    assert not page.named("b")
    assert "\u2028" not in page.named("script", id="facts")[0].text
    assert "alert(1)" not in re.sub(
        r"&lt;script&gt;alert\(1\)|\\u003cscript\\u003ealert\(1\)", "", text
    )


def test_policy_forbids_all_but_the_scripts_that_are_there(page: Reader) -> None:
    (policy,) = [
        tag.attributes["content"]
        for tag in page.named("meta")
        if tag.attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["img-src"] == "data:"
    assert set(rules) == {
        "default-src",
        "img-src",
        "base-uri",
        "form-action",
        "style-src",
        "script-src",
    }
    own = page.named("script")[-1].text
    assert hashed(own) in rules["script-src"].split()
    assert rules["style-src"].split() == [hashed(page.named("style")[0].text)]
    assert not re.search(r"unsafe|http|\*", policy)


def hashed(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def test_asks_no_server_for_anything(text: str, page: Reader) -> None:
    addresses = [
        tag.attributes[name]
        for tag in page.tags
        for name in ("src", "href", "action", "srcset", "data")
        if name in tag.attributes
    ]
    assert addresses
    assert all(address.startswith(("#", "data:")) for address in addresses)
    assert "innerHTML" not in text
    assert "url(" not in page.named("style")[0].text


def test_every_control_has_a_name(page: Reader) -> None:
    ids = [tag.attributes["id"] for tag in page.tags if "id" in tag.attributes]
    assert len(ids) == len(set(ids))
    for tag in page.tags:
        for name in ("aria-labelledby",):
            assert tag.attributes.get(name, ids[0]) in ids
        if tag.attributes.get("href", "").startswith("#"):
            assert tag.attributes["href"][1:] in ids
    assert all(tag.text.strip() for tag in page.named("button"))
    labels = "".join(tag.text for tag in page.named("label"))
    assert "find" in labels
    assert all(tag.attributes["scope"] == "col" for tag in page.named("th"))
    assert len(page.named("caption")) == len(page.named("table")) == 5


def test_the_same_files_give_the_same_page(run: Path, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        write_page([run], tmp_path / name)
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_what_a_run_lacks_is_left_out(tmp_path: Path) -> None:
    run = page_run(tmp_path / "run", gallery=False)
    for name in ("performance.csv", "interactions.csv", "distance.csv", "run.json"):
        (run / name).unlink()
    page = read_page(make_page([run]))
    assert [tag.attributes["id"] for tag in page.named("details") if "id" in tag.attributes] == [
        "sheet-verdicts",
        "sheet-influence",
    ]
    assert not page.named("section", id="gallery")
    assert "This folder has no run.json" in page.named("section", id="provenance")[0].text
    assert page.named("h1")[0].text == "Influence: rooms"


def test_parts_of_samples_are_drawn_where_there_are_some(tmp_path: Path) -> None:
    run = page_run(tmp_path / "run")
    drawn = [
        tag.attributes["data-chart"]
        for tag in read_page(make_page([run])).named("figure", **{"class": "chart"})
    ]
    assert drawn == ["performance", "matrix", "mutes", "levels"]
    frame = pd.read_csv(run / "influence.csv")
    frame[frame["level"] == "all"].to_csv(run / "influence.csv", index=False)
    drawn = [
        tag.attributes["data-chart"]
        for tag in read_page(make_page([run])).named("figure", **{"class": "chart"})
    ]
    assert drawn == ["performance", "matrix", "mutes"]


def test_pictures_can_be_left_out(tmp_path: Path) -> None:
    run = page_run(tmp_path / "run")
    assert read_page(make_page([run])).named("section", id="gallery")
    assert not read_page(make_page([run], gallery=False)).named("section", id="gallery")


def test_several_runs_are_shown_together(tmp_path: Path) -> None:
    names = {"jrn-cat1": "other"}
    runs = [page_run(tmp_path / "a"), tmp_path / "b"]
    page_run(runs[1])
    for name in TABLES:
        frame = pd.read_csv(runs[1] / f"{name}.csv")
        frame = frame[frame["network"] == "jrn-cat1"].assign(network=names["jrn-cat1"])
        frame.to_csv(runs[1] / f"{name}.csv", index=False)
    page = read_page(make_page(runs))
    found = [len(pd.read_csv(run / "influence.csv")) for run in runs]
    assert len(page.table("influence")) == sum(found)
    assert len(page.named("details", **{"class": "origin"})) == 2


@pytest.mark.parametrize(
    ("remove", "message"),
    [
        ("influence.csv", "expected a table that influence measure wrote"),
        ("gallery/0001.png", "expected the image 0001.png"),
    ],
)
def test_a_missing_file_is_a_clear_error(tmp_path: Path, remove: str, message: str) -> None:
    run = page_run(tmp_path / "run")
    out = tmp_path / "page.html"
    out.write_text("earlier")
    (run / remove).unlink()
    with pytest.raises(InfluenceError, match=message):
        write_page([run], out)
    assert out.read_text() == "earlier"


@pytest.mark.parametrize(("study", "megabytes"), [("rooms", 5), ("nyuv2", 3), ("sweep", 3)])
def test_committed_studies_make_small_pages(study: str, megabytes: int) -> None:
    page = make_page([REPORTS / study])
    assert len(page.encode()) < megabytes * 1e6
    table = read_page(page).table("influence")
    written = pd.read_csv(REPORTS / study / "influence.csv", dtype="str", keep_default_na=False)
    pd.testing.assert_frame_equal(table, written)


def test_a_score_that_nobody_explains_is_refused(tmp_path: Path) -> None:
    run = page_run(tmp_path)
    table = run / "gallery" / "gallery.csv"
    table.write_text(table.read_text().replace("mean_iou", "mean_oui"))
    with pytest.raises(InfluenceError, match="unknown metric 'mean_oui': did you mean 'mean_iou'"):
        make_page([run])


def test_half_a_letter_is_written_as_its_number(tmp_path: Path) -> None:
    run = page_run(tmp_path)
    (run / "run.json").write_text('{"host": "\\ud800"}')
    write_page([run], tmp_path / "page.html", title="a\udcff")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<title>a\\udcff</title>" in page
    assert "<dd>\\ud800</dd>" in page


@given(st.text())
def test_a_packet_gives_back_its_text(text: str) -> None:
    packed = pack_text(text)
    assert re.fullmatch(r"[A-Za-z0-9+/=]+", packed)
    assert gzip.decompress(b64decode(packed)).decode() == text


def test_a_nan_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        pack_json([float("nan")])
