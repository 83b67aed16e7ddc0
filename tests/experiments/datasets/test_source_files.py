from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from experiments.datasets.source_files import (
    read_colours,
    read_label_table,
    read_labels,
    read_numbers,
    read_picture,
    read_text,
)
from influence.errors import InfluenceError


def save(pixels: np.ndarray, path: Path) -> Path:
    Image.fromarray(pixels).save(path)
    return path


def test_rows_come_first_and_the_upper_left_pixel_is_the_first(tmp_path: Path) -> None:
    numbers = np.arange(6, dtype=np.uint16).reshape(2, 3) * 10000
    np.testing.assert_array_equal(read_numbers(save(numbers, tmp_path / "a.png")), numbers)
    picture = Image.new("RGB", (3, 2))
    picture.putpixel((2, 0), (1, 2, 3))  # column 2 of row 0
    picture.save(tmp_path / "b.png")
    assert read_colours(tmp_path / "b.png")[0, 2].tolist() == [1, 2, 3]


def test_numbers_of_32_bits_that_fit_into_16_are_those_of_16(tmp_path: Path) -> None:
    numbers = np.array([[0, 65535]], dtype=np.int32)
    read = read_numbers(save(numbers, tmp_path / "a.tif"), bits=[16])
    assert read.dtype == np.uint16
    np.testing.assert_array_equal(read, numbers)


@pytest.mark.parametrize(
    ("pixels", "bits"),
    [
        (np.zeros((2, 3), np.uint8), [16]),
        (np.zeros((2, 3), np.uint16), [8]),
        (np.zeros((2, 3, 3), np.uint8), [8, 16]),
        (np.zeros((2, 3), np.float32), [8, 16]),
        (np.array([[-1, 7]], np.int32), [8, 16]),
        (np.array([[65536, 7]], np.int32), [8, 16]),
    ],
)
def test_numbers_of_another_form_are_refused(
    tmp_path: Path, pixels: np.ndarray, bits: list[int]
) -> None:
    path = save(pixels, tmp_path / "a.tif")
    with pytest.raises(InfluenceError, match=rf"expected one channel of .*{bits[-1]} bits, got"):
        read_numbers(path, bits=bits)


@pytest.mark.parametrize("mode", ["L", "RGBA", "I;16"])
def test_colours_have_three_channels(tmp_path: Path, mode: str) -> None:
    Image.new(mode, (3, 2)).save(tmp_path / "a.png")
    with pytest.raises(InfluenceError, match="expected three channels of 8 bits"):
        read_colours(tmp_path / "a.png")


def test_a_number_outside_the_table_is_named(tmp_path: Path) -> None:
    path = save(np.array([[0, 7], [41, 7]], np.uint16), tmp_path / "a.png")
    assert read_labels(path, {0: 255, 7: 3, 41: 4}).tolist() == [[255, 3], [4, 3]]
    with pytest.raises(InfluenceError, match=r"a\.png holds label 41, which is not in the table"):
        read_labels(path, {0: 255, 7: 3})


@pytest.mark.parametrize("damage", [b"", b"no picture", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "a.png").write_bytes(damage)
    with pytest.raises(InfluenceError, match=r"a\.png cannot be read as a picture"):
        read_picture(tmp_path / "a.png")


def test_a_damaged_picture_is_refused_wherever_the_damage_is(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = save(random.integers(0, 256, (8, 8), dtype=np.uint8), tmp_path / "a.png").read_bytes()
    refused = 0
    for place in range(len(whole)):
        cut = tmp_path / "cut.png"
        cut.write_bytes(whole[:place])
        flipped = tmp_path / "flipped.png"
        flipped.write_bytes(whole[:place] + bytes([whole[place] ^ 255]) + whole[place + 1 :])
        for path in (cut, flipped):
            try:
                read_picture(path)
            except InfluenceError:
                refused += 1
    assert refused > len(whole)  # of twice as many; the end of a file is not looked at


def test_a_picture_of_too_many_pixels_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(np.zeros((9, 9), np.uint8), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    with pytest.raises(InfluenceError, match="cannot be read as a picture"):
        read_picture(path)


def test_text_is_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Zürich\r\n".encode())
    assert read_text(tmp_path / "a.txt") == "Zürich\n"
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InfluenceError, match=r"a\.txt cannot be read as text"):
        read_text(tmp_path / "a.txt")
    with pytest.raises(InfluenceError, match=r"b\.txt is missing"):
        read_text(tmp_path / "b.txt")
    with pytest.raises(InfluenceError, match="cannot be read as text"):
        read_text(tmp_path)


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    Image.new("L", (3, 2)).save(tmp_path / "grey.png")
    assert read_picture(tmp_path / "grey.png").shape == (2, 3)
    Image.new("RGB", (3, 2), (9, 8, 7)).save(tmp_path / "colours.png")
    assert read_colours(tmp_path / "colours.png")[1, 2].tolist() == [9, 8, 7]
    Image.fromarray(np.array([[0, 40000]], dtype=np.uint16)).save(tmp_path / "depth.png")
    assert read_numbers(tmp_path / "depth.png", bits=[16]).tolist() == [[0, 40000]]
    Image.fromarray(np.array([[7, 0]], dtype=np.uint8)).save(tmp_path / "labels.png")
    assert read_labels(tmp_path / "labels.png", {0: 255, 7: 0}).tolist() == [[0, 255]]
    (tmp_path / "list.txt").write_text("scene0000_00", encoding="utf-8")
    assert read_text(tmp_path / "list.txt") == "scene0000_00"
    assert read_label_table("nyu40_maps.csv")[0]["name40"] == "wall"
