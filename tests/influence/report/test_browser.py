"""The page in Chromium: silent, usable by keyboard, and true to the files."""

from __future__ import annotations

import csv
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from influence.display import display_of
from influence.report.page import write_page
from influence.report.sheet import Column, read_sheets
from tests.influence.report.runs import NASTY, page_run

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    f"--{name}"
    for name in ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                 "disable-background-networking", "disable-component-update")
]  # fmt: skip
PATIENCE = 120_000  # milliseconds: machines that run tests are busy

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)}"),
]

Table = list[list[str]]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = page_run(tmp_path_factory.mktemp("page") / "run", NASTY)
    write_page([run], run / "page.html")
    return run


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose names mean something to scripts, with a carriage return and an infinite omega."""
    run = page_run(tmp_path_factory.mktemp("strange") / "run", gallery=False)
    names = {"jrn-cat1": "a\rb", "jrn-cat5": "x" * 200, "depth": "__proto__",
             "mean_iou": "constructor", "zero": "toString\r"}  # fmt: skip
    for name in ("influence", "performance", "interactions", "distance"):
        table = pd.read_csv(run / f"{name}.csv").replace(names)
        if name == "influence":
            table.loc[0, ["omega", "omega_low", "omega_high"]] = math.inf
        table.to_csv(run / f"{name}.csv", index=False, quoting=csv.QUOTE_ALL)
    write_page([run], run / "page.html")
    return run


class Visit:
    """A visit to the page, with everything that it said and asked for."""

    def __init__(self, browser: Browser, run: Path, **options: Any) -> None:
        self.context = browser.new_context(accept_downloads=True, **options)
        self.page: Page = self.context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.said: list[str] = []
        self.asked: list[str] = []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("dialog", lambda dialog: self.said.append(dialog.message))
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.goto((run / "page.html").as_uri())

    def see(self, place: str) -> None:
        """Scroll to a part of the page, which is filled when it comes near."""
        self.page.locator(place).scroll_into_view_if_needed()

    def draw(self, *names: str) -> None:
        for name in names or ("performance", "matrix", "mutes", "levels"):
            self.see(f"#chart-{name}")
            self.page.wait_for_selector(f"#chart-{name} .plot svg")

    def open_table(self, name: str) -> str:
        place = f"#sheet-{name}"
        self.see(place)
        if self.page.locator(place).get_attribute("open") is None:
            self.page.locator(f"{place} > summary").click()
        self.page.wait_for_selector(f"{place} tbody tr")
        return place

    def rows(self, place: str) -> Table:
        """Return the cells of the rows that a table shows."""
        cells: Table = self.page.eval_on_selector_all(
            f"{place} tbody tr", "rows => rows.map(row => [...row.cells].map(c => c.textContent))"
        )
        return cells

    def all_rows(self, place: str) -> Table:
        """Return the cells of all rows, turning the pages of a table without filters."""
        self.page.locator(f"{place} button[type=reset]").click()
        found = self.rows(place)
        while self.page.locator(f"{place} [data-step='1']").is_enabled():
            self.page.locator(f"{place} [data-step='1']").click()
            found += self.rows(place)
        return found

    def download(self, place: str, which: str, to: Path) -> Path:
        with self.page.expect_download() as waiting:
            self.page.locator(f"{place} [data-rows={which}]").click()
        to /= waiting.value.suggested_filename
        waiting.value.save_as(to)
        return to


@contextmanager
def silent_visit(browser: Browser, run: Path, **options: Any) -> Iterator[Visit]:
    """Visit a page; it has to stay silent, and to ask for nothing but itself."""
    visit = Visit(browser, run, **options)
    yield visit
    own = [url for url in visit.asked if not url.startswith(("data:", "blob:"))]
    assert own == [(run / "page.html").as_uri()]
    assert visit.said == []
    visit.context.close()


@pytest.fixture
def visit(browser: Browser, run: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with silent_visit(browser, run, **getattr(request, "param", {})) as visit:
        yield visit


def test_everything_is_drawn_in_silence(visit: Visit) -> None:
    visit.draw()
    panels = {"performance": 2, "matrix": 2, "mutes": 2, "levels": 1}  # none of sqr_rel
    for name, count in panels.items():
        assert visit.page.locator(f"#chart-{name} .plot svg").count() == count
    for name in ("verdicts", "influence", "performance", "interactions", "distance"):
        assert visit.rows(visit.open_table(name))


def shown(column: Column, row: pd.Series) -> str:
    """Write a cell as a table of the page has to show it."""
    text = str(row.get(column.key, ""))
    display = display_of(str(row.get("metric", "")))
    if column.kind == "metric":
        return display.label
    if column.kind == "unit":
        unit = str(row.get("unit", ""))
        return display.gain_unit(unit) if column.of == "gain" else display.unit or unit
    if column.kind == "p":
        return "< 0.001" if float(text) < 0.001 else f"{float(text):.3f}"
    if column.kind == "flag":
        return "yes" if text == "True" else ""
    if column.kind == "number":
        return f"{float(text) * column.factor:.{column.digits}f}"
    if column.kind == "name":
        return text
    sign, factor, digits = "", display.factor, display.digits
    if column.kind == "gain":
        sign, factor, digits = "+", display.gain, display.gain_digits
    numbers = [
        f"{float(row[key]) * factor:{sign}.{digits}f}" for key in (column.key, *(column.ends or ()))
    ]
    numbers = [number.replace("-", "−") for number in numbers]
    return numbers[0] if len(numbers) == 1 else f"{numbers[0]} [{numbers[1]}, {numbers[2]}]"


@pytest.mark.parametrize("name", ["influence", "performance", "distance", "verdicts"])
def test_every_shown_cell_is_that_of_the_file(visit: Visit, run: Path, name: str) -> None:
    (sheet,) = [sheet for sheet in read_sheets([run]) if sheet.name == name]
    units = pd.read_csv(run / "influence.csv").groupby("metric")["unit"].first().fillna("")
    frame = sheet.texts.assign(unit=sheet.texts["metric"].map(units)) if "metric" in sheet.texts \
        else sheet.texts  # fmt: skip
    expected = [[shown(column, row) for column in sheet.columns] for _, row in frame.iterrows()]
    assert visit.all_rows(visit.open_table(name)) == expected


def test_sorting(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} select[name=metric]").select_option("rms")
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["metric"] == "rms") & (frame["level"] == "all")]
    heading = visit.page.locator(f"{place} th", has_text="influence ω")
    for direction, ascending in (("ascending", True), ("descending", False)):
        heading.get_by_role("button").click()
        assert heading.get_attribute("aria-sort") == direction
        found = [row[6].split(" ")[0].replace("−", "-") for row in visit.rows(place)]
        ordered = frame["omega"].sort_values(ascending=ascending)
        assert found == [f"{omega:+.4f}" for omega in ordered[:25]]
    visit.page.locator(f"{place} th button", has_text="network").click()
    assert heading.get_attribute("aria-sort") == "none"


def test_filters_say_how_many_rows_they_find(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    frame = pd.read_csv(run / "influence.csv")
    status = visit.page.locator(f"{place} .status")
    whole = int((frame["level"] == "all").sum())
    assert status.get_attribute("role") == "status"
    assert status.text_content() == f"Rows 1 to 25 of {whole} found, of {len(frame)} in this table."
    visit.page.locator(f"{place} select[name=mute]").select_option("mean")
    visit.page.locator(f"{place} input[type=search]").fill("=1+1 RMS")
    rows = visit.rows(place)
    assert {(row[0], row[1], row[4]) for row in rows} == {("=1+1", "mean", "rms")}
    assert status.text_content() == f"Rows 1 to 2 of 2 found, of {len(frame)} in this table."
    visit.page.locator(f"{place} input[type=search]").fill("nothing of this name")
    assert status.text_content() == f"0 found, of {len(frame)} in this table."
    visit.page.locator(f"{place} button[type=reset]").click()
    found = f"Rows 1 to 25 of {len(frame)} found, of {len(frame)} in this table."
    assert status.text_content() == found


@pytest.mark.parametrize("name", ["influence", "interactions"])
def test_a_download_is_the_file(visit: Visit, run: Path, tmp_path: Path, name: str) -> None:
    path = visit.download(visit.open_table(name), "all", tmp_path)
    assert path.name == f"{name}.csv"
    assert path.read_bytes() == (run / f"{name}.csv").read_bytes()


def test_a_download_of_found_rows(visit: Visit, run: Path, tmp_path: Path) -> None:
    place = visit.open_table("influence")
    name = NASTY["jrn-cat60"]
    visit.page.locator(f"{place} select[name=network]").select_option(name)
    visit.page.locator(f"{place} th button").first.click()
    found = pd.read_csv(visit.download(place, "found", tmp_path))
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["network"] == name) & (frame["level"] == "all")]
    pd.testing.assert_frame_equal(found, frame.reset_index(drop=True))


def test_pointing_at_a_mark_shows_its_values(visit: Visit, run: Path) -> None:
    visit.draw()
    frame = pd.read_csv(run / "influence.csv")
    frame = frame[(frame["metric"] == "mean_iou") & (frame["level"] == "all")]
    frame = frame[(frame["source"] == "depth") & (frame["mute"] == "zero")]
    visit.see("#chart-performance")
    marks = visit.page.locator("#chart-performance .panel").first.locator(".mark-symbol path")
    assert marks.count() == len(frame)
    for place, (_, row) in enumerate(frame.iterrows()):
        marks.nth(place).hover(force=True)
        texts = visit.page.locator("#hover dd").all_text_contents()
        assert texts[0] == row["network"]
        omega = [f"{100 * row[key]:+.2f}" for key in ("omega", "omega_low", "omega_high")]
        said = f"{omega[0]} [{omega[1]}, {omega[2]}] percentage points".replace("-", "−")
        assert texts[1] == said
        assert texts[2] == f"{100 * row['full']:.2f}%"
    visit.page.mouse.move(0, 0)
    assert not visit.page.locator("#hover").is_visible()


PHONE = {"viewport": {"width": 390, "height": 844}}


@pytest.mark.parametrize("visit", [PHONE | {"has_touch": True}], indirect=True)
def test_a_tap_on_a_mark_shows_its_values(visit: Visit) -> None:
    visit.draw()
    visit.see("#chart-mutes")
    box = visit.page.locator("#hover")
    visit.page.locator("#chart-mutes .mark-symbol path").first.tap(force=True)
    assert box.is_visible()
    assert "percentage points" in (box.text_content() or "")
    visit.page.keyboard.press("Escape")
    assert not box.is_visible()


def test_marks_say_what_they_show(visit: Visit) -> None:
    visit.draw()
    mark = visit.page.locator("#chart-performance .mark-symbol path").first
    said = mark.get_attribute("aria-label") or ""
    assert said.startswith("<script>alert(1)</script>: influence of depth on semantic, mean IoU")
    assert said.endswith("percentage points")


def test_strange_names_are_drawn_and_found(browser: Browser, strange: Path) -> None:
    with silent_visit(browser, strange, viewport={"width": 1000, "height": 800}) as visit:
        charts = ("performance", "matrix", "mutes")
        visit.draw(*charts)
        for name in charts:
            assert visit.page.locator(f"#chart-{name} .plot svg").count() == 2
            assert visit.page.locator(f"#chart-{name} .plot .notice").count() == 0
        place = visit.open_table("influence")
        for key, name in (("network", "a\rb"), ("mute", "toString\r")):
            visit.page.locator(f"{place} button[type=reset]").click()
            visit.page.locator(f"{place} select[name={key}]").select_option(name)
            assert len(visit.rows(place)) > 5
        visit.page.locator(f"{place} button[type=reset]").click()
        assert "+∞ [+∞, +∞]" in visit.rows(place)[0]
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 1000


def test_what_is_typed_is_found(visit: Visit, run: Path) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} button[type=reset]").click()
    counts = {}
    for text in ("-0.", "−0.", "mean_iou", "mean IoU"):
        visit.page.locator(f"{place} input[type=search]").fill(text)
        counts[text] = visit.page.locator(f"{place} .status").text_content()
    assert counts["-0."] == counts["−0."] != counts["mean_iou"] == counts["mean IoU"]
    frame = pd.read_csv(run / "influence.csv")
    found = (frame["metric"] == "mean_iou").sum()
    assert (counts["mean_iou"] or "").startswith(f"Rows 1 to 25 of {found} found")


def test_the_last_page_keeps_the_keyboards_place(visit: Visit) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} [data-step='1']").focus()
    for _ in range(40):
        visit.page.keyboard.press("Enter")
    assert focused(visit)["text"] == "Next"
    assert visit.page.locator(f"{place} [data-step='1']").get_attribute("aria-disabled") == "true"
    assert visit.rows(place)


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_paper_is_light_and_has_everything(visit: Visit) -> None:
    visit.page.emulate_media(media="print")
    assert brightness(visit.page.evaluate("getComputedStyle(document.body).backgroundColor")) > 600
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.locator("#chart-levels .plot svg").wait_for()
    visit.page.locator(".card").first.wait_for()
    visit.page.locator("#sheet-distance tbody tr").first.wait_for()
    assert visit.page.locator("details:not([open])").count() == 0


def test_plots_follow_the_choices(visit: Visit, run: Path) -> None:
    visit.draw()
    axis = visit.page.locator("#chart-performance .panel").nth(1).locator(".role-axis-title")
    assert "100·rel(sqr)" in (axis.first.text_content() or "")
    visit.page.locator("#choices select[name='metric:depth']").select_option("rms")
    title = visit.page.locator("#chart-performance .role-axis-title", has_text="−rms, m")
    title.first.wait_for(state="attached")
    visit.page.locator("#chart-matrix a").click()
    assert visit.page.locator("#sheet-influence").get_attribute("open") is not None
    visit.page.locator("#sheet-influence > summary:focus").wait_for()
    assert {row[1] for row in visit.rows(visit.open_table("influence"))} == {"zero"}


def test_slider_by_keyboard(visit: Visit) -> None:
    visit.see("#gallery")
    card = visit.page.locator(".cards[data-side=helped] .card").first
    card.wait_for()
    slider, caption = card.get_by_role("slider"), card.locator(".stage figcaption")
    assert caption.text_content() == "with depth"
    slider.focus()
    for _ in range(10):
        visit.page.keyboard.press("ArrowRight")
    assert caption.text_content() == "without depth"
    assert slider.get_attribute("aria-valuetext") == "without depth"
    layers = card.locator("[data-layer]")
    assert [layer.evaluate("image => image.style.opacity") for layer in layers.all()] == [
        "1",
        "1",
        "0",
    ]
    visit.page.keyboard.press("End")
    assert caption.text_content() == "helped, hurt"
    assert layers.nth(2).evaluate("image => image.style.opacity") == "1"
    visit.page.keyboard.press("Home")
    assert caption.text_content() == "with depth"


def test_cards_are_ordered_by_omega_and_their_names_stay_text(visit: Visit) -> None:
    visit.see("#gallery")
    visit.page.locator(".card").first.wait_for()
    assert visit.page.locator(".cards[data-side=helped] h4").all_text_contents() == [
        "<b>helped</b> 1",
        "<b>helped</b> 2",
    ]
    assert visit.page.locator(".card .gain").first.text_content() == (
        "mean IoU 50.00% with depth, 25.00% without: ω +25.00, in percentage points."
    )
    assert visit.page.locator("#gallery .legend").text_content() == "<i>floor</i>"
    assert visit.page.locator("#gallery b, #gallery i").count() == 0
    for image in visit.page.locator(".card img").all():
        assert image.get_attribute("alt")
        assert image.evaluate("image => image.complete && image.naturalWidth") == 1


def test_names_stay_text(visit: Visit) -> None:
    visit.draw()
    names = {row[0] for row in visit.all_rows(visit.open_table("influence"))}
    assert names == set(NASTY.values())
    # The scripts of the page itself, its packets, and the plotting library.
    assert visit.page.locator("script").count() == 9 + 1
    labels = visit.page.locator("#chart-matrix .role-axis-label text").all_text_contents()
    assert {"<script>alert(1)</script>", "=1+1"} <= set(labels)


def focused(visit: Visit) -> dict[str, str]:
    found: dict[str, str] = visit.page.evaluate(
        "() => { const e = document.activeElement; return {tag: e.tagName.toLowerCase(), id: e.id,"
        " text: e.textContent.trim(), type: e.type ?? '', place: e.closest('section')?.id ?? '',"
        " outline: getComputedStyle(e).outlineStyle}; }"
    )
    return found


def test_keyboard_alone(visit: Visit, tmp_path: Path) -> None:
    visit.draw()
    visit.open_table("influence")
    visit.see("#gallery")
    visit.page.locator(".card").first.wait_for()
    visit.page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
    visit.page.locator("body").press("Tab")
    assert focused(visit)["text"] == "Skip to the summary"
    done = set()
    for _ in range(150):
        visit.page.keyboard.press("Tab")
        at = focused(visit)
        assert at["outline"] != "none", at
        step = (at["place"], at["tag"], at["type"])
        if at["id"] == "theme":
            visit.page.keyboard.press("Enter")
            assert visit.page.evaluate("document.documentElement.dataset.theme") == "dark"
            done.add("theme")
        elif step == ("plots", "select", "select-one") and "filter" not in done:
            visit.page.keyboard.press("ArrowDown")
            done.add("filter")
        elif step == ("gallery", "input", "range") and "slider" not in done:
            visit.page.keyboard.press("ArrowRight")
            assert visit.page.evaluate("document.activeElement.value") == "1"
            done.add("slider")
        elif (
            at["place"] == "tables" and at["tag"] == "summary" and at["text"].startswith("Verdicts")
        ):
            visit.page.keyboard.press("Enter")
            visit.page.wait_for_selector("#sheet-verdicts tbody tr")
            done.add("table")
        elif at["text"].startswith("influence ω"):
            visit.page.keyboard.press("Space")
            heading = visit.page.locator("#sheet-influence th[aria-sort=ascending]")
            assert heading.count() == 1
            done.add("sort")
        elif step == ("tables", "input", "search"):
            visit.page.keyboard.type("depth")
            done.add("search")
        elif at["text"].startswith("Download CSV") and "download" not in done:
            with visit.page.expect_download():
                visit.page.keyboard.press("Enter")
            done.add("download")
        if len(done) == 7:
            break
    assert done == {"theme", "filter", "slider", "table", "sort", "search", "download"}


@pytest.mark.parametrize("visit", [PHONE], indirect=True)
def test_a_phone_scrolls_no_page_sideways(visit: Visit) -> None:
    visit.draw()
    for name in ("verdicts", "influence", "performance", "interactions", "distance"):
        visit.open_table(name)
    visit.see("#provenance")
    visit.page.locator(".origin > summary").click()
    assert visit.page.evaluate("document.documentElement.scrollWidth") == 390
    scroll = visit.page.locator("#sheet-influence .scroll")
    assert scroll.evaluate("box => box.scrollWidth > box.clientWidth")


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_dark_and_light(visit: Visit) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    label = "document.querySelector('#chart-matrix .role-axis-label text').getAttribute('fill')"
    visit.draw()
    assert brightness(visit.page.evaluate(background)) < 150
    dark = visit.page.evaluate(label)
    visit.page.locator("#theme").click()
    assert brightness(visit.page.evaluate(background)) > 600
    assert visit.page.locator("#theme").text_content() == "Dark colours"
    labels = visit.page.locator(f"#chart-matrix .role-axis-label text:not([fill='{dark}'])")
    labels.first.wait_for(state="attached")


def test_what_can_be_used_has_a_name(visit: Visit) -> None:
    visit.draw()
    for name in ("verdicts", "influence", "performance", "interactions", "distance"):
        visit.open_table(name)
    visit.see("#gallery")
    visit.page.locator(".card").first.wait_for()
    session = visit.context.new_cdp_session(visit.page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    kinds = {"button", "combobox", "slider", "searchbox", "link", "table", "image", "region",
             "columnheader", "group", "DisclosureTriangle", "graphics-document"}  # fmt: skip
    named: dict[str, list[str]] = {}
    for node in nodes:
        kind = node.get("role", {}).get("value", "")
        if not node["ignored"] and kind in kinds:
            named.setdefault(kind, []).append(node.get("name", {}).get("value", "").strip())
    assert {kind for kind, names in named.items() if "" in names} <= {"group"}
    assert len(named["table"]) == 5
    assert len(named["slider"]) == 3
    assert {"Download CSV of all rows of Influence", "Dark colours"} <= set(named["button"])
