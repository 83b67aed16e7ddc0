"""Every README says what its files say: whatever digit changes in it is put right again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.figures.pages import blocks_of_pages
from experiments.publishing.pages import MARK, check_page, fill_page, page_paths

REPORTS = Path(__file__).parents[1] / "reports"
PAGES = page_paths(REPORTS)
TABLE = r"(?s)(?<=:begin -->).*?(?=<!-- \w+:end)"


@pytest.fixture(scope="module")
def blocks() -> dict[Path, dict[str, str]]:
    return blocks_of_pages(REPORTS)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(REPORTS.parent)))
def test_a_readme_is_what_its_files_make_of_it(
    path: Path, blocks: dict[Path, dict[str, str]]
) -> None:
    assert check_page(path, blocks[path]) == ""
    text = path.read_text(encoding="utf-8")
    assert set(re.findall(r"<!-- (\w+):begin -->", text)) == blocks[path].keys()

    def change(match: re.Match[str]) -> str:
        number, comment = re.fullmatch(r"(.*?)(<!-- \w+ -->)?", match[0], re.S).groups("")  # type: ignore[union-attr]
        if comment == "<!-- given -->":
            return match[0]
        return re.sub(r"\d", lambda digit: str(9 - int(digit[0])), number) + comment

    changed = re.sub(f"{TABLE}|{MARK.pattern}", change, text)
    assert fill_page(changed, path.parent, blocks[path]) == text
