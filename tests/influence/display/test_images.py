"""Images of maps: pixels give the numbers back, and colours differ for any kind of vision."""

from __future__ import annotations

import io
from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from influence.display.images import (
    GAIN_COLOURS,
    HELPED,
    HURT,
    LONGEST,
    NEITHER,
    NO_TRUTH,
    VALUE_COLOURS,
    class_colours,
    gain_limit,
    gains_png,
    labels_png,
    picture_png,
    values_png,
)
from influence.results.sample_maps import SampleMaps

RANDOM = np.random.default_rng(0)


def rgb(png: bytes) -> NDArray[np.int64]:
    """Decode a file to colours, without its palette."""
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"), np.int64)


def steps(png: bytes, colours: list[str]) -> NDArray[np.int64]:
    """Find each pixel's place among colours, -1 for no truth."""
    table = {tuple(round(255 * c) for c in to_rgb(colour)): i for i, colour in enumerate(colours)}
    table[tuple(round(255 * c) for c in to_rgb(NO_TRUTH))] = -1
    pixels = rgb(png)
    return np.array([[table[tuple(pixel)] for pixel in row] for row in pixels.tolist()])


@pytest.mark.parametrize("count", [1, 2, 5, 17, 40])
def test_labels_are_read_back_from_their_colours(count: int) -> None:
    labels = RANDOM.integers(-1, count, (12, 16))
    png = labels_png(labels, count)
    assert steps(png, class_colours(count)).tolist() == labels.tolist()
    assert Image.open(io.BytesIO(png)).mode == "P"


def test_many_labels_share_colours() -> None:
    labels = np.array([[0, 254, 255, 999, -1]])
    shown = rgb(labels_png(labels, 1000))[0].tolist()
    assert shown[0] == shown[2]
    assert len({tuple(pixel) for pixel in shown}) == 4


def test_values_are_read_back_to_half_a_step() -> None:
    values = RANDOM.uniform(0.5, 4.5, (12, 16))
    values[0, :3] = np.nan, np.inf, -np.inf
    values[1, :2] = -9, 9
    found = steps(values_png(values, 1.0, 4.0), list(VALUE_COLOURS))
    assert found[0, :3].tolist() == [-1, -1, -1]
    assert found[1, :2].tolist() == [0, len(VALUE_COLOURS) - 1]
    read = 1.0 + 3.0 * found[2:] / (len(VALUE_COLOURS) - 1)
    half = 1.5 / (len(VALUE_COLOURS) - 1)
    np.testing.assert_allclose(read, values[2:].clip(1, 4), rtol=0, atol=half + 1e-12)


def test_gains_are_read_back_with_their_sign() -> None:
    gains = RANDOM.uniform(-0.3, 0.3, (12, 16))
    gains[0, 0], gains[0, 1], gains[0, 2] = np.nan, 0.0, -7.0
    found = steps(gains_png(gains, 0.2), list(GAIN_COLOURS))
    middle = len(GAIN_COLOURS) // 2
    assert found[0, :3].tolist() == [-1, middle, 0]
    read = 0.2 * (found[1:] / middle - 1)
    np.testing.assert_allclose(read, gains[1:].clip(-0.2, 0.2), rtol=0, atol=0.1 / middle + 1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0])
def test_a_map_of_one_value_can_be_drawn(value: float) -> None:
    assert steps(values_png(np.full((2, 3), value), value, value), list(VALUE_COLOURS)).max() == 0
    assert len(picture_png(np.full((2, 3), np.nan))) > 0
    assert rgb(picture_png(np.full((2, 3, 3), value))).max() == 0


def test_pictures_of_few_colours_stay_as_they_are() -> None:
    palette = RANDOM.integers(0, 256, (20, 3)).astype(np.uint8)
    picture = palette[RANDOM.integers(0, 20, (12, 16))]
    np.testing.assert_array_equal(rgb(picture_png(picture)), picture)
    smooth = np.linspace(0, 255, 12 * 16 * 3).reshape(12, 16, 3).astype(np.uint8)
    assert np.abs(rgb(picture_png(smooth)) - smooth).max() < 16


def test_pictures_that_are_inputs() -> None:
    labels = RANDOM.integers(0, 3, (4, 6))
    assert steps(picture_png(labels), class_colours(3)).tolist() == labels.tolist()
    values = np.array([[2.0, 4.0, 3.0]])
    assert steps(picture_png(values), list(VALUE_COLOURS)).tolist() == [[0, 63, 32]]
    image = np.array([[[-1.0, 0.0, 1.0]]])
    assert rgb(picture_png(image)).tolist() == [[[0, 128, 255]]]


def test_large_maps_show_every_second_pixel_or_fewer() -> None:
    labels = RANDOM.integers(0, 5, (LONGEST + 1, 40))
    shown = steps(labels_png(labels, 5), class_colours(5))
    assert shown.tolist() == labels[::2, ::2].tolist()
    picture = np.zeros((40, 2 * LONGEST + 1, 3), np.uint8)
    assert Image.open(io.BytesIO(picture_png(picture))).size == (-(-(2 * LONGEST + 1) // 3), 14)


def test_the_same_map_is_the_same_file_and_small() -> None:
    labels = np.zeros((120, 160), int)
    labels[40:80, 50:100] = 1
    assert labels_png(labels, 5) == labels_png(labels.copy(), 5)
    assert len(labels_png(labels, 5)) < 500


VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "deuteranopia": [[0.3673, 0.8606, -0.228], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.969]],
    "tritanopia": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}  # fmt: skip
"""On linear RGB: Machado, Oliveira, Fernandes 2009, severity 1."""

XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def seen(colour: str, vision: str) -> np.ndarray:
    """Return CIE L*a*b* of a colour as it is seen."""
    plain = np.array(to_rgb(colour))
    linear = np.where(plain <= 0.04045, plain / 12.92, ((plain + 0.055) / 1.055) ** 2.4)
    xyz = XYZ @ np.clip(VISION[vision] @ linear, 0, 1) / XYZ.sum(axis=1)
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def nearest(colours: list[str], vision: str) -> float:
    points = [seen(colour, vision) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in combinations(points, 2))


@pytest.mark.parametrize("vision", VISION)
def test_classes_and_gains_are_told_apart(vision: str) -> None:
    # A difference of 2.3 is just seen; side by side in small maps more is needed.
    assert nearest([*class_colours(5), NO_TRUTH], vision) > 12
    assert nearest([HURT, NEITHER, HELPED, NO_TRUTH], vision) > 20


@pytest.mark.parametrize("count", [0, 1, 9, 10, 255])
def test_every_class_has_its_own_colour(count: int) -> None:
    assert len(class_colours(count)) == count
    assert len(set(class_colours(min(count, 40)))) == min(count, 40)
    assert class_colours(3) == class_colours(5)[:3]


def test_values_get_lighter_and_gains_meet_in_the_middle() -> None:
    lightness = [seen(colour, "normal")[0] for colour in VALUE_COLOURS]
    assert np.all(np.diff(lightness) > 0)
    assert (VALUE_COLOURS[0], VALUE_COLOURS[-1]) == ("#440154", "#fde725")
    colours = GAIN_COLOURS
    assert [colours[0], colours[32], colours[64]] == [HURT, NEITHER, HELPED]
    for half in (colours[:33], colours[:31:-1]):
        assert np.all(np.diff([seen(colour, "normal")[0] for colour in half]) > 0)


def test_the_limit_of_gains() -> None:
    truth = np.zeros((1, 10, 10))
    muted = np.arange(100.0).reshape(1, 10, 10)
    maps = SampleMaps("net", "x", "y", "zero", ("a",), truth, truth, muted)
    small = SampleMaps("net", "x", "y", "zero", ("a",), truth, truth, truth)
    assert gain_limit([maps]) == 98.0  # 98.01, the 99th percentile, to three digits
    assert gain_limit([small, maps]) == 97.0  # 97.01, of twice as many
    assert gain_limit([small]) == 1.0
    labels = truth.astype(int)
    assert gain_limit([SampleMaps("net", "x", "y", "zero", ("a",), labels, labels, labels)]) == 1.0
