"""What stands in a figure, asked of its artists."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

__all__ = ["crowded", "intervals", "points"]


def points(axes: Axes) -> list[tuple[float, float]]:
    """Return the points of a panel, in data coordinates."""
    found = [
        np.column_stack([np.asarray(part, dtype=float) for part in line.get_data()])
        for line in axes.lines
        if line.get_marker() not in ("None", "|")
    ]
    return [(x, y) for x, y in np.concatenate(found) if np.isfinite([x, y]).all()]


def intervals(axes: Axes) -> list[tuple[float, float]]:
    """Return the ends of all horizontal lines of a panel."""
    segments = [s for lines in axes.collections for s in lines.get_segments()]  # type: ignore[attr-defined]
    whole = [segment for segment in segments if segment.ndim == 2 and np.isfinite(segment).all()]
    return [(float(start), float(end)) for start, end in (segment[:, 0] for segment in whole)]


def crowded(figure: Figure) -> list[tuple[str, str]]:
    """Return pairs of texts that cover each other, and texts that leave the page."""
    figure.draw_without_rendering()
    texts = [text for legend in figure.legends for text in legend.texts]
    for axes in figure.axes:
        ticks = [
            label
            for axis in (axes.xaxis, axes.yaxis)
            for place, label in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=False)
            if min(axis.get_view_interval()) <= place <= max(axis.get_view_interval())
        ]
        texts += [*axes.texts, *ticks, axes.title, axes.xaxis.label, axes.yaxis.label]
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    page = figure.bbox.padded(1)
    outside = [
        (name, "leaves the page")
        for name, box in boxes
        if box.x0 < page.x0 or box.x1 > page.x1 or box.y0 < page.y0 or box.y1 > page.y1
    ]
    over = [(a, b) for (a, one), (b, two) in combinations(boxes, 2) if one.overlaps(two)]
    return outside + over
