"""The commands, on rooms of a few pixels."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from experiments.rooms import render as renderer
from experiments.rooms.commands import COUNTS, scenes


def test_render_asks_for_both_splits(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[Path, str, int, int]] = []

    def note(root: Path, split: str, count: int, *, processes: int) -> None:
        asked.append((root, split, count, processes))

    monkeypatch.setattr(renderer, "render_split", note)
    arguments = ["render", "--root", str(tmp_path), "--processes", "3"]
    result = CliRunner().invoke(scenes, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    assert asked == [(tmp_path, split, count, 3) for split, count in COUNTS.items()]


def test_sheet_shows_the_first_rooms(tmp_path: Path) -> None:
    renderer.render_split(tmp_path, "test", 2, size=(12, 16), processes=1)
    out = tmp_path / "sheet.png"
    arguments = ["sheet", "--root", str(tmp_path), "--count", "9", "--out", str(out)]
    result = CliRunner().invoke(scenes, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    with Image.open(out) as sheet:
        assert sheet.size == (2 * (3 * 16 + 4), 12 + 4)
