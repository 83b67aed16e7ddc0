"""Rows by condition, and the file that keeps them."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from influence.rows import NO_MUTE, Condition, RowKey, Rows, group_numbers, write_rows
from influence.setups import FULL


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
