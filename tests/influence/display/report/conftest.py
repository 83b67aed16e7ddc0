"""A browser, and the page of a run with everything that a page shows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from influence.display.report.page import write_page
from tests.influence.display.report.runs import NASTY, page_run
from tests.influence.display.report.visits import ARGUMENTS, CHROMIUM, Visit, silent_visit


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


@pytest.fixture
def visit(browser: Browser, run: Path, request: pytest.FixtureRequest) -> Iterator[Visit]:
    with silent_visit(browser, run, **getattr(request, "param", {})) as visit:
        yield visit
