"""Progress without a terminal: about ten plain lines."""

from __future__ import annotations

import pytest

from influence.progress import progress_bar


def test_lines_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(654) as advance:
        for _ in range(654):
            advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert "654/654" in lines[-1]
    assert "\r" not in "".join(lines)


def test_silence_where_it_is_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(5, show=False) as advance:
        advance(5)
    assert capsys.readouterr() == ("", "")
