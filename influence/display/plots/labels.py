"""Names beside points, which cover neither points nor each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.text import Annotation
from numpy.typing import NDArray

from influence.display.plots.style import legible

__all__ = ["write_labels"]

Array = NDArray[np.float64]

# Lengths in points (1/72 inch).
MARKER = 3.0  # radius that a marker keeps free
GAPS = (1.5, 3.0, 5.0, 8.0, 12.0, 17.0, 23.0)  # between a marker and its name
LEADER_FROM = 8.0  # at this gap a name needs a line to its point
ANGLES = np.deg2rad(np.arange(0, 360, 15))
HALO = withStroke(linewidth=1.5, foreground="white")  # keeps names legible on lines

# Costs, compared to 1 per point of gap. Lines are crossed only if there is no other room.
COVERS_NAME, LEAVES_AXES, COVERS_LINE = 1000.0, 1000.0, 1.0


def write_labels(
    axes: Axes, points: Array, names: Sequence[str], *, lines: Sequence[Array] = ()
) -> list[Annotation]:
    """Write each name beside its point, as near as it can be without covering anything.

    The search is greedy: one name after the other takes the cheapest position on rings around its
    point. It draws no random numbers, so that equal figures have equal labels.

    Parameters
    ----------
    axes
        Axes of a figure whose layout and limits are final.
    points
        Positions in data coordinates, shape (n, 2).
    names
        n names; a point whose name is empty is kept free, and nothing is written.
    lines
        Polylines in data coordinates, each of shape (m, 2), that names avoid if there is room
        (error bars, curves).

    Returns
    -------
    list of Annotation
        One for each name that is not empty.
    """
    pixels = axes.figure.dpi / 72  # per point
    frame = axes.bbox.get_points()
    centres = axes.transData.transform(points).reshape(-1, 2)
    taken = [_box(centre, np.full(2, 2 * MARKER * pixels)) for centre in centres]
    ink = np.concatenate([points[:0], *(_dots(axes.transData.transform(line)) for line in lines)])
    labels = []
    for point, centre, name in zip(points, centres, names, strict=True):
        if not name:
            continue
        label = axes.annotate(
            legible(name),
            (point[0], point[1]),
            xytext=(0.0, 0.0),
            textcoords="offset points",
            ha="center",
            va="center",
            zorder=5,
            path_effects=[HALO],
        )
        extent = label.get_window_extent()
        boxes = _boxes(centre, np.array([extent.width, extent.height]), pixels)
        gap, box = min(boxes, key=lambda at: at[0] + _cost(at[1], taken, ink, frame))
        offset = (box.mean(axis=0) - centre) / pixels
        label.set_position((offset[0], offset[1]))
        if gap >= LEADER_FROM:
            ends = axes.transData.inverted().transform([centre, np.clip(centre, *box)])
            axes.plot(*ends.T, color="0.3", linewidth=0.5, zorder=2)
        taken.append(box)
        labels.append(label)
    return labels


def _box(centre: Array, size: Array) -> Array:
    """Return a box: its lower left and its upper right corner."""
    return np.stack([centre - size / 2, centre + size / 2])


def _boxes(centre: Array, size: Array, pixels: float) -> Iterator[tuple[float, Array]]:
    """Yield gaps in points and boxes in pixels around a point."""
    for gap in GAPS:
        for angle in ANGLES:
            towards = np.array([np.cos(angle), np.sin(angle)])
            yield gap, _box(centre + towards * (size / 2 + (MARKER + gap) * pixels), size)


def _cost(box: Array, taken: Sequence[Array], ink: Array, frame: Array) -> float:
    covered = sum(bool((box[0] < other[1]).all() and (other[0] < box[1]).all()) for other in taken)
    crossed = ((ink > box[0]) & (ink < box[1])).all(axis=1).sum()
    leaves = bool((box[0] < frame[0]).any() or (box[1] > frame[1]).any())
    return float(covered * COVERS_NAME + leaves * LEAVES_AXES + crossed * COVERS_LINE)


def _dots(line: Array) -> Array:
    """Return points on a polyline, a pixel apart."""
    line = line[np.isfinite(line).all(axis=1)]
    pieces = [
        np.linspace(start, end, int(np.hypot(*(end - start))) + 1) for start, end in pairwise(line)
    ]
    return np.concatenate([line, *pieces])
