"""Text for consoles that lack letters, and for spreadsheets that run formulas."""

from __future__ import annotations

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from influence.runtime.text import ERRORS, guarded, on_one_line, shortened


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp1252", "utf-8"])
@given(text=st.text(alphabet=st.characters(exclude_categories=["Cs"])))
def test_every_encoding_writes_every_text(encoding: str, text: str) -> None:
    written = io.BytesIO()
    with io.TextIOWrapper(written, encoding=encoding, errors=ERRORS) as stream:
        stream.write(text)


def test_signs_are_spelled_and_letters_lose_their_marks() -> None:
    assert "ω(depth → rgb) − 1, café, 中".encode("ascii", ERRORS) == (
        b"omega(depth -> rgb) - 1, cafe, ?"
    )
    assert "\udcff".encode("utf-8", ERRORS) == rb"\udcff"
    assert "é ω".encode("cp1252", ERRORS).decode("cp1252") == "é omega"


@pytest.mark.parametrize(
    "cell", ["=1", "+a", "-a", "@x", "\tx", "\rx", "=cmd|' /C calc'!A0", "＝1"]
)
def test_formulas_are_guarded(cell: str) -> None:
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", ["-0.5", "+1", "-1e-5", "-.5", "-inf", "a=1", "", "depth"])
def test_numbers_and_other_texts_stay(cell: str) -> None:
    assert guarded(cell) == cell


def test_names_are_put_on_one_line_and_shortened() -> None:
    assert on_one_line("a\r\n b\x1b\tc") == r"a b\x1b c"
    assert shortened("ab" * 100, 9) == "abab…abab"
