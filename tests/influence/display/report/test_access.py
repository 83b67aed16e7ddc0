"""The page in Chromium by keyboard, finger, paper, light and dark, and with strange names."""

from __future__ import annotations

import csv
import math
from pathlib import Path

import pandas as pd
import pytest
from playwright.sync_api import Browser

from influence.display.report.page import write_page
from tests.influence.display.report.runs import page_run
from tests.influence.display.report.visits import IN_CHROMIUM, Visit, focused, silent_visit

pytestmark = IN_CHROMIUM


PHONE = {"viewport": {"width": 390, "height": 844}}


def brightness(colour: str) -> int:
    return sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(","))


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


def test_the_last_page_keeps_the_keyboards_place(visit: Visit) -> None:
    place = visit.open_table("influence")
    visit.page.locator(f"{place} [data-step='1']").focus()
    for _ in range(40):
        visit.page.keyboard.press("Enter")
    assert focused(visit)["text"] == "Next"
    assert visit.page.locator(f"{place} [data-step='1']").get_attribute("aria-disabled") == "true"
    assert visit.rows(place)


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


@pytest.mark.parametrize("visit", [{"color_scheme": "dark"}], indirect=True)
def test_paper_is_light_and_has_everything(visit: Visit) -> None:
    visit.page.emulate_media(media="print")
    assert brightness(visit.page.evaluate("getComputedStyle(document.body).backgroundColor")) > 600
    visit.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    visit.page.locator("#chart-levels .plot svg").wait_for()
    visit.page.locator(".card").first.wait_for()
    visit.page.locator("#sheet-distance tbody tr").first.wait_for()
    assert visit.page.locator("details:not([open])").count() == 0


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


@pytest.fixture(scope="module")
def strange(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose names mean something to scripts, with a carriage return and an infinite omega."""
    run = page_run(tmp_path_factory.mktemp("strange") / "run", gallery=False)
    names = {"jrn-cat1": "a\rb", "jrn-cat5": "x" * 200, "depth": "__proto__",
             "mean_iou": "constructor", "zero": "toString\r"}  # fmt: skip
    for name in ("influence", "performance", "interactions", "distance"):
        table = pd.read_csv(run / f"{name}.csv").replace(names)
        if name == "influence":
            table.loc[0, ["full", "omega", "omega_low", "omega_high"]] = math.inf
        table.to_csv(run / f"{name}.csv", index=False, quoting=csv.QUOTE_ALL)
    write_page([run], run / "page.html")
    return run


def test_strange_names_are_drawn_and_found(browser: Browser, strange: Path) -> None:
    with silent_visit(browser, strange, viewport={"width": 1000, "height": 800}) as visit:
        charts = ("performance", "matrix", "mutes")
        visit.draw(*charts)
        for name in charts:
            assert visit.page.locator(f"#chart-{name} .plot svg").count() == 2
            assert visit.page.locator(f"#chart-{name} .plot .notice").count() == 0
        place = visit.open_table("influence")
        for key, name in (("network", r"a\x0db"), ("mute", r"toString\x0d")):
            visit.page.locator(f"{place} button[type=reset]").click()
            visit.page.locator(f"{place} select[name={key}]").select_option(name)
            assert len(visit.rows(place)) > 5
        visit.page.locator(f"{place} button[type=reset]").click()
        assert "+∞ [+∞, +∞]" in visit.rows(place)[0]
        assert visit.page.evaluate("document.documentElement.scrollWidth") == 1000
