"""Stored fields: attributes as various writers set them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from influence.data.stored_fields import read_field
from influence.errors import InfluenceError


def field_with(folder: Path, **attributes: Any) -> Any:
    with h5py.File(folder / "a.h5", "w") as file:
        file["x"] = np.zeros((2, 3), np.uint8)
        file["x"].attrs.update(attributes)
        return read_field(file["x"], "a.h5: x")


def test_numbers_may_be_arrays_of_one(tmp_path: Path) -> None:
    field = field_with(tmp_path, ignore=np.array([255]), scale=np.float32(0.5), mean=1.0)
    assert (field.ignore, field.scale, field.mean) == (255, 0.5, (1.0,))
    assert (field.shape, field.integer) == ((3,), True)


def test_texts_may_be_bytes(tmp_path: Path) -> None:
    field = field_with(tmp_path, unit=np.bytes_(b"m"), classes=np.array([b"a", b"b"]))
    assert (field.unit, field.classes) == ("m", ("a", "b"))


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"ignore": [1, 2]}, r"ignore: expected one number, got \[1, 2\]"),
        ({"offset": [[1.0, 2.0]]}, r"offset: expected one number, got \[\[1\.0, 2\.0\]\]"),
        ({"range": (3.0, 1.0)}, r"range: input should be \(low, high\)"),
    ],
)
def test_other_attributes_are_refused(
    tmp_path: Path, attributes: dict[str, Any], message: str
) -> None:
    with pytest.raises(InfluenceError, match=rf"a\.h5: x: {message}"):
        field_with(tmp_path, **attributes)
