"""The file of sample maps, and gains in closed form."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.results.sample_maps import SampleMaps, write_maps


def values() -> SampleMaps:
    truth = np.array([[[1.0, np.nan, 3.0]], [[2.0, 2.0, 2.0]]])
    full = np.array([[[1.5, 0.0, 3.0]], [[2.0, 3.0, 1.0]]])
    muted = np.array([[[0.0, 9.0, 5.0]], [[2.5, 2.0, 4.0]]])
    return SampleMaps("net", "x", "y", "mean", ("a", "b"), truth, full, muted, unit="m",
                      pictures=np.zeros((2, 4, 4, 3), np.uint8), facts={"seed": 7})  # fmt: skip


def test_gain_of_values_is_the_error_that_is_saved() -> None:
    maps = values()
    expected = [[[0.5, np.nan, 2.0]], [[0.5, -1.0, 1.0]]]
    np.testing.assert_array_equal(maps.gain, expected)
    assert maps.omega.tolist() == pytest.approx([1.25, 0.5 / 3])


def test_gain_of_labels_is_one_where_only_the_full_prediction_is_right() -> None:
    truth, full, muted = (
        np.array([[row]]) for row in ([2, 2, 2, 2, -1], [2, 2, 0, 1, 2], [2, 0, 2, 0, 0])
    )
    maps = SampleMaps("net", "x", "y", "zero", ("a",), truth, full, muted)
    np.testing.assert_array_equal(maps.gain, [[[0, 1, -1, 0, np.nan]]])
    assert maps.omega.tolist() == [0.0]


def test_the_file_holds_it_all_and_is_the_same_again(tmp_path: Path) -> None:
    maps = values()
    for name in ("one.h5", "other.h5"):
        write_maps(tmp_path / name, maps)
    assert (tmp_path / "one.h5").read_bytes() == (tmp_path / "other.h5").read_bytes()
    with h5py.File(tmp_path / "one.h5") as file:
        for name in ("truth", "full", "muted", "gain", "omega", "pictures"):
            np.testing.assert_array_equal(file[name][...], getattr(maps, name))
        assert [i.decode() for i in file["ids"]] == ["a", "b"]
        kept = {name: file.attrs[name] for name in ("network", "source", "target", "mute", "unit")}
        assert kept == {"network": "net", "source": "x", "target": "y", "mute": "mean", "unit": "m"}
        assert (file.attrs["metric"], file.attrs["seed"]) == ("mae", 7)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfluenceError, match="could not write"):
        write_maps(tmp_path / "file" / "maps.h5", values())
