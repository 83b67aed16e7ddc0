"""The colours of maps: classes, values, and where a source helps or hurts.

They are the same in figures and in galleries, and can be told apart with any kind of colour vision.
"""

from __future__ import annotations

from collections.abc import Iterable

import matplotlib
import numpy as np
import seaborn
from matplotlib.colors import Colormap, LinearSegmentedColormap, to_hex

from influence.results.sample_maps import SampleMaps

__all__ = [
    "GAIN",
    "HELPED",
    "HURT",
    "NEITHER",
    "NO_TRUTH",
    "class_colours",
    "gain_colours",
    "gain_limit",
    "value_colours",
]

HURT, NEITHER, HELPED, NO_TRUTH = "#d55e00", "#f7f7f7", "#0173b2", "#b0b0b0"
GAIN = LinearSegmentedColormap.from_list("gain", [HURT, NEITHER, HELPED], N=65)
"""Vermilion to blue: told apart with any kind of colour vision."""

MUTED = (
    "#ddcc77", "#88ccee", "#332288", "#cc6677", "#117733", "#882255", "#44aa99", "#999933",
    "#aa4499",
)  # fmt: skip
"""The scheme 'muted' of Paul Tol, Colour Schemes, SRON/EPS/TN/09-002, in another order."""

MOST = 99.0
"""The scale of gains ends at this percentile of their size, so that a few pixels do not set it."""


def class_colours(count: int) -> list[str]:
    """Return one colour a class.

    >>> class_colours(2)
    ['#ddcc77', '#88ccee']
    >>> len(set(class_colours(40)))
    40
    """
    if count <= len(MUTED):
        return list(MUTED[:count])
    return list(seaborn.color_palette("husl", count, desat=0.8).as_hex())


def value_colours(count: int) -> list[str]:
    """Return the colours of values, from low to high.

    >>> value_colours(2)
    ['#440154', '#fde725']
    """
    return _steps(matplotlib.colormaps["viridis"], count)


def gain_colours(count: int) -> list[str]:
    """Return the colours of gains, from hurt most to helped most.

    >>> gain_colours(3)
    ['#d55e00', '#f7f7f7', '#0173b2']
    """
    return _steps(GAIN, count)


def gain_limit(maps: Iterable[SampleMaps]) -> float:
    """Return the gain that has the strongest colour, one for all these maps of one output.

    It is 1 for labels, and for values a gain that one pixel in a hundred is beyond.

    >>> one = np.zeros((1, 1, 1))
    >>> gain_limit([SampleMaps("net", "x", "y", "zero", ("a",), one, one, one + 2)])
    2.0
    """
    found = list(maps)
    if all(some.of_labels for some in found):
        return 1.0
    sizes = np.concatenate([np.abs(some.gain).ravel() for some in found])
    return float(f"{np.nanpercentile(sizes, MOST):.3g}") or 1.0  # the same on any machine


def _steps(colours: Colormap, count: int) -> list[str]:
    return [to_hex(colours(step / (count - 1))) for step in range(count)]
