"""Names lie inside the axes and cover neither markers nor each other."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from influence.display.plots.labels import MARKER, write_labels


def _placed(points: NDArray[np.float64]) -> tuple[Figure, list[Annotation]]:
    figure = Figure(figsize=(3.3, 2.4))
    axes = figure.subplots()
    axes.plot(*points.T, "o")
    axes.margins(0.15)
    figure.draw_without_rendering()
    names = [f"network-{place}" for place in range(len(points))]
    return figure, write_labels(axes, points, names)


@pytest.mark.parametrize("seed", range(5))
def test_names_overlap_nothing(seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(7, 2))
    figure, labels = _placed(points)
    axes = figure.axes[0]
    boxes = [label.get_window_extent() for label in labels]
    reach = MARKER * figure.dpi / 72 * 0.99
    markers = [
        Bbox([centre - reach, centre + reach]) for centre in axes.transData.transform(points)
    ]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))
    assert not any(box.overlaps(marker) for box in boxes for marker in markers)
    assert all(axes.bbox.padded(0.01).containsx(box.x0) for box in boxes)
    assert all(axes.bbox.padded(0.01).containsx(box.x1) for box in boxes)


def test_points_in_one_place_still_get_names_apart() -> None:
    _, labels = _placed(np.zeros((4, 2)))
    boxes = [label.get_window_extent() for label in labels]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


def test_a_name_keeps_off_a_line() -> None:
    figure = Figure(figsize=(3.3, 2.4))
    axes = figure.subplots()
    axes.set(xlim=(0, 2), ylim=(0, 2))
    figure.draw_without_rendering()
    bar = np.array([[1.0, 1.0], [2.0, 1.0]])  # to the right, where the name would go
    (label,) = write_labels(axes, np.array([[1.0, 1.0]]), ["name"], lines=[bar])
    box = label.get_window_extent()
    ends = axes.transData.transform(bar)
    assert box.x1 < ends[0, 0] or box.y0 > ends[0, 1] or box.y1 < ends[0, 1]


def test_a_point_without_a_name_is_kept_free() -> None:
    figure = Figure(figsize=(3.3, 2.4))
    axes = figure.subplots()
    axes.set(xlim=(0, 1), ylim=(0, 1))
    points = np.array([[0.5, 0.5], [0.52, 0.5]])
    (label,) = write_labels(axes, points, ["first", ""])
    second = axes.transData.transform(points)[1]
    assert label.get_text() == "first"
    assert not label.get_window_extent().contains(*second)
