"""Blocks in READMEs: only what stands between the markers changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.figures.readmes import fill_blocks, write_blocks
from influence.errors import InfluenceError

TEXT = "before <!-- a:begin -->old<!-- a:end --> between <!-- b:begin --><!-- b:end --> after"


def test_only_the_blocks_change_and_a_second_time_nothing() -> None:
    once = fill_blocks(TEXT, {"a": r"\1 \alpha", "b": "new\n"})
    assert once == (
        "before <!-- a:begin -->\n\\1 \\alpha\n<!-- a:end --> between "
        "<!-- b:begin -->\nnew\n<!-- b:end --> after"
    )
    assert fill_blocks(once, {"a": r"\1 \alpha", "b": "new\n"}) == once


@pytest.mark.parametrize("text", ["no marker", TEXT + TEXT, "<!-- a:begin --> never ends"])
def test_a_file_without_its_markers_is_an_error_and_stays(text: str, tmp_path: Path) -> None:
    path = tmp_path / "README.md"
    path.write_text(text)
    with pytest.raises(InfluenceError, match=r"README\.md: expected one block <!-- a:begin -->"):
        write_blocks(path, {"a": "new"})
    assert path.read_text() == text
