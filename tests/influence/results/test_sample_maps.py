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


@pytest.mark.parametrize(
    ("known", "least", "most"),
    [((-1.0, 1.0), -1, 1), (None, 0, 1), (None, 0, 255), (None, -3, 9)],
)
def test_pictures_are_shown_from_0_to_1(
    known: tuple[float, float] | None, least: float, most: float
) -> None:
    truth = np.linspace(least, most, 2 * 3 * 4 * 5).reshape(2, 3, 4, 5)
    maps = SampleMaps("net", "x", "y", "zero", ("1", "2"), truth, truth + 99, truth, range=known)
    assert maps.of_pictures
    assert maps.drawable
    shown = maps.shown("truth")
    assert shown.shape == (2, 4, 5, 3)
    expected = (np.moveaxis(truth, 1, -1) - least) / (most - least)
    np.testing.assert_allclose(shown, expected, atol=1e-12)
    assert maps.shown("full").max() == 1.0
    np.testing.assert_allclose(maps.shown("gain"), -99.0)


@pytest.mark.parametrize(
    ("shape", "drawable"), [((4,), False), ((4, 5), True), ((1, 4, 5), True), ((2, 4, 5), False)]
)
def test_what_has_rows_and_columns_can_be_drawn(shape: tuple[int, ...], drawable: bool) -> None:
    values = np.zeros((1, *shape))
    maps = SampleMaps("net", "x", "y", "zero", ("1",), values, values, values)
    assert maps.drawable is drawable
    assert not maps.of_pictures
