"""Writing evaluation files: checksums of everything, and reasons for what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pandas as pd
import pytest

from influence.data.evaluation_file import EvaluationFile
from influence.data.evaluation_writer import write_evaluation_file
from influence.errors import InfluenceError
from tests.toy import toy_arrays, write_toy_file


def test_everything_but_long_texts_has_checksums(tmp_path: Path) -> None:
    path = write_toy_file(
        tmp_path / "a.h5",
        inputs={
            "x": np.ones((13, 2)),
            "points": [np.ones((n, 3)) for n in range(13)],
            "words": ["hello", "\u00e9"] * 6 + [""],
            "text": ["long " * 100] * 13,
            "k": np.eye(3),
        },
        ids=[f"i{i}" for i in range(13)],
        groups=["a"] * 13,
        attributes={"inputs/k": {"shared": True}},
    )
    without = []
    with h5py.File(path) as file:
        file.visititems(
            lambda name, x: (
                without.append(name) if isinstance(x, h5py.Dataset) and not x.fletcher32 else None
            )
        )
    assert without == ["inputs/text"]
    data = EvaluationFile(path)
    batch = data.read(np.array([1, 12]))
    assert batch.inputs["words"] == ["\u00e9", ""]
    assert (data.ids[12], data.groups is not None and data.groups[0]) == ("i12", "a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ids": ["a"] * 13}, "'ids' must be unique"),
        ({"ids": ["a\0b", *"abcdefghijkl"]}, r"ids: that of sample 0, 'a\\x00b', holds a NUL"),
        ({"ids": [*"abcdefghijkl", "\ud800"]}, "ids: that of sample 12, .* half a character"),
        ({"groups": pd.Series(["a"] * 3 + [None] + ["b"] * 9)}, "groups: sample 3 has no group"),
        ({"groups": [1.0, float("nan"), *range(11)]}, "groups: sample 1 has no group, but nan"),
        ({"groups": np.array(["a", 2, *range(11)], object)}, "groups: expected all texts or all"),
        ({"groups": ["a", float("nan"), *"abcdefghijk"]}, "groups: sample 1 has no group, but nan"),
        ({"groups": ["1", 1, *"abcdefghijk"]}, "groups: expected all texts or all numbers"),
        ({"groups": [2**63, *range(12)]}, "groups: expected integers of 64 bits"),
        ({"name": "\ud800"}, "half a character"),
        ({"inputs": {"text": ["a\0", *"abcdefghijkl"]}}, "sample 0, .* holds a NUL"),
        ({"attributes": {"inputs/depth": {"unit": "m\0"}}}, "texts without NUL"),
        ({"groups": np.ones((13, 2))}, r"groups hold float64 in the shape \(13, 2\)"),
        ({"inputs": {".": np.ones(13)}}, "inputs cannot be called '.'"),
        ({"targets": {"a/b": np.ones(13)}}, "targets cannot be called 'a/b'"),
        ({"targets": {"a\0": np.ones(13)}}, r"targets cannot be called 'a\\x00'"),
        ({"inputs": {"": np.ones(13)}}, "inputs cannot be called ''"),
    ],
)
def test_the_reason_is_told_and_nothing_is_written(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        write_evaluation_file(tmp_path / "a.h5", **(toy_arrays() | changes))
    assert list(tmp_path.iterdir()) == []


def test_groups_of_numbers_in_an_array_of_objects_are_numbers(tmp_path: Path) -> None:
    path = write_toy_file(tmp_path / "a.h5", groups=np.arange(13).astype(object))
    groups = EvaluationFile(path).groups
    assert groups is not None
    assert groups.tolist() == list(range(13))
