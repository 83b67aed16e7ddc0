"""What acts on a terminal, or cannot be seen, is shown by its code; what readers write is not."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence.errors import InfluenceError, unknown, visible

ACTING = ["\x00", "\x07", "\x08", "\x1b", "\x7f", "\x85", "\x9b", "\u061c", "\u200b", "\u200e",
          "\u200f", "\u2028", "\u2029", "\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\ufeff",
          "\ud800", "\udcff", "\U000e0041", "\xad"]  # fmt: skip

WRITTEN = ["é", "e\u0301", "中文", "Ω → ω", "می\u200cخواهم", "क्\u200dष", "👩🏽\u200d💻",
           "👨\u200d👩\u200d👧\u200d👦", "❤\ufe0f\u200d🔥", "a\tb\nc\r\nd",
           "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f"]  # fmt: skip


@pytest.mark.parametrize("character", ACTING)
def test_what_acts_is_shown_by_its_code(character: str) -> None:
    shown = visible(f"a{character}b")
    assert shown.isprintable()
    assert f"{ord(character):x}" in shown
    assert visible(shown) == shown


@pytest.mark.parametrize("text", WRITTEN)
def test_what_people_write_stays(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize("text", ["a\u200db", "x\u200cy", "👩\u200dx", "a\rb"])
def test_joiners_and_returns_out_of_place_are_shown(text: str) -> None:
    assert visible(text) != text


@given(st.text())
def test_no_control_character_is_left(text: str) -> None:
    left = visible(text).replace("\r\n", "\n")
    kinds = {unicodedata.category(c) for c in left if c not in "\t\n"}
    assert not kinds & {"Cc", "Cs", "Zl", "Zp"}


def test_errors_are_visible() -> None:
    assert str(InfluenceError("a\x1b[2Jb")) == r"a\x1b[2Jb"
    assert "\u202e" not in str(unknown("mute", "zero", ["a\u202eb"]))
