"""Visits: a page in Chromium, with what it says and asks for."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
ARGUMENTS = [
    f"--{name}"
    for name in ("no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
                 "disable-background-networking", "disable-component-update")
]  # fmt: skip
PATIENCE = 120_000  # milliseconds: machines that run tests are busy

CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)

IN_CHROMIUM = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"no Chromium: none of {', '.join(NAMES)}"),
]
"""Marks of the tests that visit a page."""

Table = list[list[str]]


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


def focused(visit: Visit) -> dict[str, str]:
    found: dict[str, str] = visit.page.evaluate(
        "() => { const e = document.activeElement; return {tag: e.tagName.toLowerCase(), id: e.id,"
        " text: e.textContent.trim(), type: e.type ?? '', place: e.closest('section')?.id ?? '',"
        " outline: getComputedStyle(e).outlineStyle}; }"
    )
    return found
