"""Progress without a terminal: about ten plain lines."""

from __future__ import annotations

import pytest

from influence.runtime.execution import progress_bar


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


def test_lines_of_a_stream_come_by_time(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([0.0, *(7.0 * step for step in range(1, 21))])  # 140 seconds
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress_bar(None) as advance:
        for _ in range(20):
            advance(4)
    lines = capsys.readouterr().err.splitlines()
    assert [line.partition("sample")[0] for line in lines] == ["20", "36", "52", "72"]
    assert "?" not in lines[-1].partition("[")[0]


def test_terminal_has_one_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    for total in (8, None):
        with progress_bar(total) as advance:
            advance(5)
            advance(3)
        last = capsys.readouterr().err.rstrip("\n").rpartition("\r")[2]
        assert ("8/8" if total else "8sample") in last
