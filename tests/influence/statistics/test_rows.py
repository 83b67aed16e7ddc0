"""Rows by condition, and the file that keeps them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from influence.data.dataset import group_numbers
from influence.errors import InfluenceError
from influence.plan.conditions import NO_MUTE, Condition
from influence.plan.setups import FULL
from influence.statistics.rows import RowKey, Rows, read_rows, write_rows


def test_groups_are_numbered_as_they_appear() -> None:
    assert group_numbers(np.array([b"b", b"a", b"b"]), 3).tolist() == [0, 1, 0]
    assert group_numbers(None, 3).tolist() == [0, 1, 2]


def test_file_holds_every_array_under_its_names(tmp_path: Path) -> None:
    full, muted = Condition(NO_MUTE, FULL), Condition("zero", frozenset({"x"}))
    values = {RowKey(c, "y", "errors"): np.full((2, 3), i) for i, c in enumerate((muted, full))}
    rows = Rows(["a", "b"], np.arange(2), values)
    assert rows.conditions() == [full, muted]
    assert rows[muted, "y", "errors"][0, 0] == 0
    write_rows(tmp_path / "rows.h5", {"net/1": rows, "ids": rows})
    with h5py.File(tmp_path / "rows.h5") as file:
        assert [file[f"rows/{i}"].attrs["network"] for i in (0, 1)] == ["net/1", "ids"]
        assert file["rows/0/full/y/errors"][0, 0] == 1
        assert file["rows/1/zero(x)/y/errors"].shape == (2, 3)
        assert file["ids"].asstr()[...].tolist() == ["a", "b"]
        assert file["groups"][...].tolist() == [0, 1]


CONDITIONS = (
    Condition(NO_MUTE, FULL),
    Condition("constant:1e+05", frozenset({"x"})),
    Condition("shuffle:groups", frozenset({"x", "edge:scale1.depth"})),
    Condition("zero", frozenset({"a (raw)"})),
)
LEVELS = ("all", "depth:0.5-2", "group:kitchen/2", "class:wall@left")


def some_rows(seed: int = 0) -> Rows:
    numbers = np.random.default_rng(seed)
    keys = [RowKey(c, "y", "errors", level) for c in CONDITIONS for level in LEVELS]
    return Rows(
        ["b", "a", "ü"], np.array([0, 1, 0]), {key: numbers.normal(size=(3, 2)) for key in keys}
    )


def test_what_was_written_is_read_to_the_bit(tmp_path: Path) -> None:
    written = {f"net/{i}": some_rows(i) for i in range(11)}  # as text, 10 comes before 2
    write_rows(tmp_path / "rows.h5", written)
    found = read_rows(tmp_path / "rows.h5")
    assert list(found) == list(written)
    for name, rows in written.items():
        assert list(found[name].ids) == rows.ids
        assert np.array_equal(found[name].groups, rows.groups)
        assert found[name].values.keys() == rows.values.keys()
        assert all(np.array_equal(found[name].values[k], v) for k, v in rows.values.items())


def test_units_are_written_where_there_are_any(tmp_path: Path) -> None:
    for units in (None, np.array([0, 1, 1])):
        rows = replace(some_rows(), units=units)
        write_rows(tmp_path / "rows.h5", {"net": rows})
        found = read_rows(tmp_path / "rows.h5")["net"]
        assert np.array_equal(found.drawn_together, rows.groups if units is None else units)
        assert np.array_equal(found.groups, rows.groups)


def replaced(name: str, data: Any) -> Callable[[h5py.File], None]:
    """Return what replaces a dataset of a file."""

    def spoil(file: h5py.File) -> None:
        del file[name]
        file[name] = data

    return spoil


def removed(name: str) -> Callable[[h5py.File], None]:
    """Return what removes something from a file."""
    return lambda file: file.__delitem__(name)


def bomb(file: h5py.File) -> None:
    """Declare terabytes of rows that take no space."""
    del file["rows/0/full/y/errors"]
    file.create_dataset("rows/0/full/y/errors", (3, 2**38), np.float64, chunks=(1, 2**16))


FULL_ROWS = "rows/0/full/y/errors"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (removed("ids"), "ids"),
        (removed("groups"), "groups"),
        (removed("rows"), "rows"),
        (removed(FULL_ROWS), "without rows of the same shape with nothing muted"),
        (replaced("ids", [1, 2, 3]), "expected the rows"),
        (replaced("groups", [0, 0]), r"groups of shape \(2,\)"),
        (replaced("groups", [0, 2, 0]), "groups that are not numbered"),
        (lambda file: file.create_dataset("units", data=[0, 2, 2]), "units that are not numbered"),
        (lambda file: file.create_dataset("units", data=[0, 1, 2**45]), "units that are not"),
        (replaced("groups", [0, -1, 0]), "groups that are not numbered"),
        (replaced(FULL_ROWS, np.ones((3, 5))), "without rows of the same shape"),
        (replaced(FULL_ROWS, np.ones((2, 2))), r"shape \(2, 2\)"),
        (replaced(FULL_ROWS, np.ones(3)), "not finite numbers"),
        (replaced(FULL_ROWS, np.ones((3, 2), dtype=np.float32)), "type float32"),
        (replaced(FULL_ROWS, np.array([["a", "b"]] * 3, dtype="S1")), "type "),
        (replaced(FULL_ROWS, np.full((3, 2), np.nan)), "not finite numbers"),
        (lambda file: file["rows/0"].move("full", "empty"), "rows under the name 'empty/y/errors"),
        (lambda file: file["rows/0"].attrs.clear(), "network"),
        (lambda file: file["rows"].move("0", "first"), "expected the rows"),
        (lambda file: file.copy("rows/0", "rows/1"), "two networks of one name"),
        (bomb, "which the file does not hold"),
    ],
)
def test_a_foreign_file_is_refused(
    tmp_path: Path, spoil: Callable[[h5py.File], None], message: str
) -> None:
    path = tmp_path / "rows.h5"
    write_rows(path, {"net": some_rows()})
    with h5py.File(path, "a") as file:
        spoil(file)
    with pytest.raises(InfluenceError, match=message) as error:
        read_rows(path)
    assert str(path) in str(error.value)


def test_a_link_out_of_the_file_is_not_followed(tmp_path: Path) -> None:
    write_rows(tmp_path / "other.h5", {"net": some_rows()})
    write_rows(tmp_path / "rows.h5", {"net": some_rows()})
    with h5py.File(tmp_path / "rows.h5", "a") as file:
        del file[FULL_ROWS]
        file[FULL_ROWS] = h5py.ExternalLink("other.h5", FULL_ROWS)
    with pytest.raises(InfluenceError, match="without rows of the same shape with nothing muted"):
        read_rows(tmp_path / "rows.h5")


@pytest.mark.parametrize("length", [0, 100, 3000])
def test_a_truncated_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "rows.h5"
    write_rows(path, {"net": some_rows()})
    assert path.stat().st_size > 3000
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(InfluenceError, match="expected the rows that influence measure writes"):
        read_rows(path)


def test_a_missing_file_says_that_streams_keep_none(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="a streamed run keeps none"):
        read_rows(tmp_path / "rows.h5")
