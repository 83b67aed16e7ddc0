"""`run.json` is checked once, whatever it holds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from influence.errors import InfluenceError
from influence.results.info import read_info


def test_what_a_run_writes_is_read_as_it_is(tmp_path: Path) -> None:
    info = {"measured": {"networks": [{"name": "a", "seed": None}], "seed": 3, "further": [1]},
            "notes": {"a": ["x"]}, "seconds": {"evaluate": 0.5}, "host": "\udcff"}  # fmt: skip
    (tmp_path / "run.json").write_text(json.dumps(info))
    assert read_info(tmp_path) == info


@pytest.mark.parametrize(
    ("info", "expected"),
    [
        ([], "input should be a valid dictionary"),
        ({"measured": None}, "measured: input should be a valid dictionary"),
        ({"measured": {"networks": None}}, "measured: networks: input should be a valid list"),
        ({"measured": {"networks": [1]}}, "measured: networks: 0: input should be a valid dict"),
        ({"measured": {"networks": [{"name": 3}]}}, "name: input should be a valid string"),
        ({"measured": {"networks": [{"seed": 2**70}]}}, "seed: input should be less than"),
        ({"measured": {"seed": -1}}, "measured: seed: input should be greater than or equal to 0"),
        ({"measured": {"draws": 0}}, "measured: draws: input should be greater than"),
        ({"measured": {"draws": True}}, "measured: draws: input should be a valid integer"),
        ({"measured": {"confidence": float("inf")}}, "measured: confidence: input should be less"),
        ({"measured": {"confidence": float("nan")}}, "measured: confidence: input should be"),
        ({"measured": {"stream": "no"}}, "measured: stream: input should be a valid boolean"),
        ({"notes": {"a": "x"}}, "notes: a: input should be a valid list"),
        ({"learned": {"a": [1]}}, "learned: a: input should be a valid dictionary"),
        ({"samples": 1}, "samples: input should be a valid boolean"),
    ],
)
def test_what_no_run_writes_is_refused(tmp_path: Path, info: Any, expected: str) -> None:
    (tmp_path / "run.json").write_text(json.dumps(info))
    with pytest.raises(InfluenceError, match=expected) as error:
        read_info(tmp_path)
    assert "run.json" in str(error.value)


@pytest.mark.parametrize("depth", [60, 900, 100_000])
def test_deep_nesting_is_refused(tmp_path: Path, depth: int) -> None:
    (tmp_path / "run.json").write_text('{"a": ' + "[" * depth + "]" * depth + "}")
    with pytest.raises(InfluenceError, match=r"readable run\.json"):
        read_info(tmp_path)


def test_numbers_of_any_length_and_pipes_are_refused_or_read(tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text('{"measured": {"draws": ' + "9" * 5000 + "}}")
    with pytest.raises(InfluenceError, match=r"readable run\.json"):
        read_info(tmp_path)
    (tmp_path / "run.json").write_text('{"measured": {"draws": ' + "9" * 400 + "}}")
    with pytest.raises(InfluenceError, match="draws: input should be less than"):
        read_info(tmp_path)
    (tmp_path / "run.json").unlink()
    os.mkfifo(tmp_path / "run.json")
    with pytest.raises(InfluenceError, match="a pipe or a device"):
        read_info(tmp_path)
