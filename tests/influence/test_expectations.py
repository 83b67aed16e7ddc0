"""Expectations: which texts are read, and which are refused."""

from __future__ import annotations

import pytest

from influence.errors import InfluenceError
from influence.expectations import Expectation, parse_expectation, read_expectations


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("d:rms=0.5+-0.1", Expectation("d", "rms", 0.5, 0.1)),
        ("d:rms=0.5±0.1", Expectation("d", "rms", 0.5, 0.1)),
        ("d:rms=-5e-1 +- 1e-1", Expectation("d", "rms", -0.5, 0.1)),
        ("d:rms=1e+2+-0", Expectation("d", "rms", 100.0, 0.0)),
        ("net/d:rms=1+-2", Expectation("d", "rms", 1.0, 2.0, "net")),
        ("a/b:c/d:rms=1+-2", Expectation("d", "rms", 1.0, 2.0, "a/b:c")),
        ("d:mine:loudness=1+-2", Expectation("d", "mine:loudness", 1.0, 2.0)),
    ],
)
def test_the_form_of_an_expectation(text: str, expected: Expectation) -> None:
    assert parse_expectation(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "d", "d:rms", "d:rms=1", "d:rms=1+-", "d:rms=+-1", "d=1+-2", ":rms=1+-2", "d:=1+-2",
     "d:rms=one+-2", "d:rms=1+-two", "d:rms=1-+2", "/d:rms=1+-2", "d:rms=1+-2+-3"],
)  # fmt: skip
def test_another_form_is_refused(text: str) -> None:
    with pytest.raises(InfluenceError, match=r"expected output:metric=value\+-tolerance, such as"):
        parse_expectation(text)


@pytest.mark.parametrize("text", ["nan+-1", "inf+-1", "1+-nan", "1+-inf", "1+--1"])
def test_numbers_must_make_sense(text: str) -> None:
    with pytest.raises(InfluenceError, match="finite score of 'd' and a tolerance of 0 or more"):
        parse_expectation(f"d:rms={text}")


def test_one_text_or_several_texts_and_records() -> None:
    known = Expectation("d", "rms", 0.5, 0.1)
    assert read_expectations("d:rms=0.5+-0.1") == [known]
    assert read_expectations(["d:rms=0.5+-0.1", known]) == [known, known]
    assert read_expectations([]) == []
