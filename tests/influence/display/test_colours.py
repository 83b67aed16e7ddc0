"""The colours of maps can be told apart, with any kind of colour vision."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from influence.display.colours import (
    HELPED,
    HURT,
    NEITHER,
    NO_TRUTH,
    class_colours,
    gain_colours,
    gain_limit,
    value_colours,
)
from influence.results.sample_maps import SampleMaps

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
    lightness = [seen(colour, "normal")[0] for colour in value_colours(64)]
    assert np.all(np.diff(lightness) > 0)
    colours = gain_colours(65)
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
