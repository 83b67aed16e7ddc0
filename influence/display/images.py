"""Images of maps: their colours, and PNG files whose pixels can be read back as numbers.

The colours are the same in figures and in galleries, and are distinct with any kind of colour
vision.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from typing import Any

import matplotlib
import numpy as np
import seaborn
from matplotlib.colors import LinearSegmentedColormap, to_hex, to_rgb
from numpy.typing import NDArray
from PIL import Image

from influence.results.sample_maps import SampleMaps

__all__ = [
    "GAIN",
    "GAIN_COLOURS",
    "HELPED",
    "HURT",
    "LONGEST",
    "NEITHER",
    "NO_TRUTH",
    "VALUE_COLOURS",
    "class_colours",
    "colour_bytes",
    "gain_limit",
    "gains_png",
    "labels_png",
    "picture_png",
    "values_png",
]

HURT, NEITHER, HELPED, NO_TRUTH = "#d55e00", "#f7f7f7", "#0173b2", "#b0b0b0"
GAIN = LinearSegmentedColormap.from_list("gain", [HURT, NEITHER, HELPED], N=65)
"""Vermilion to blue: distinct with any kind of colour vision."""

MUTED = (
    "#ddcc77", "#88ccee", "#332288", "#cc6677", "#117733", "#882255", "#44aa99", "#999933",
    "#aa4499",
)  # fmt: skip
"""The scheme 'muted' of Paul Tol, Colour Schemes, SRON/EPS/TN/09-002, in another order."""

MOST = 99.0
"""Percentile of the absolute gains at which their scale ends, so that few pixels do not set it."""


def class_colours(count: int) -> list[str]:
    """Return one colour per class.

    >>> class_colours(2)
    ['#ddcc77', '#88ccee']
    >>> len(set(class_colours(40)))
    40
    """
    if count <= len(MUTED):
        return list(MUTED[:count])
    return list(seaborn.color_palette("husl", count, desat=0.8).as_hex())


def gain_limit(maps: Iterable[SampleMaps]) -> float:
    """Return the gain of the strongest colour, for all maps of one output.

    It is 1 for labels. For values it is the 99th percentile of the absolute gains.

    >>> one = np.zeros((1, 1, 1))
    >>> gain_limit([SampleMaps("net", "x", "y", "zero", ("a",), one, one, one + 2)])
    2.0
    """
    found = list(maps)
    if all(some.of_labels for some in found):
        return 1.0
    sizes = np.concatenate([np.abs(some.shown("gain")).ravel() for some in found])
    return float(f"{np.nanpercentile(sizes, MOST):.3g}") or 1.0  # the same on any machine


LONGEST = 320
"""Most pixels on a side: larger maps show every second, third, ... pixel."""

VALUE_COLOURS = tuple(map(to_hex, matplotlib.colormaps["viridis"](np.linspace(0, 1, 64))))
"""The colours of values, from low to high; so few make small files."""
GAIN_COLOURS = tuple(map(to_hex, GAIN(np.linspace(0, 1, 65))))
"""The colours of gains, from hurt most to helped most."""
PICTURE_COLOURS = 128
MOST_LABELS = 255


def labels_png(labels: NDArray[Any], count: int) -> bytes:
    """Draw a map of labels below `count`, grey below zero; pixel value = label.

    Classes share colours if there are more than 255.

    Examples
    --------
    >>> image = Image.open(io.BytesIO(labels_png(np.array([[0, 1, -1]]), 2)))
    >>> np.asarray(image).tolist()
    [[0, 1, 2]]
    """
    colours = class_colours(min(count, MOST_LABELS))
    steps = np.where(labels < 0, len(colours), labels % len(colours))
    return _png(steps, [*colours, NO_TRUTH])


def values_png(values: NDArray[Any], low: float, high: float) -> bytes:
    """Draw a map of values; pixel value = index in `VALUE_COLOURS`, from low to high.

    Values beyond the ends are shown as the ends, those that are not finite as without truth.

    Examples
    --------
    >>> image = Image.open(io.BytesIO(values_png(np.array([[1.0, 3.0, 9.0, np.nan]]), 1, 3)))
    >>> np.asarray(image).tolist()
    [[0, 63, 63, 64]]
    """
    return _png(_levels(values, low, high, len(VALUE_COLOURS)), [*VALUE_COLOURS, NO_TRUTH])


def gains_png(gains: NDArray[Any], limit: float) -> bytes:
    """Draw where a source hurts (to -`limit`) and helps (to `limit`); without truth it is grey.

    Pixel value = index in `GAIN_COLOURS`.

    Examples
    --------
    >>> image = Image.open(io.BytesIO(gains_png(np.array([[-1.0, 0.0, 1.0, np.nan]]), 1.0)))
    >>> np.asarray(image).tolist()
    [[0, 32, 64, 65]]
    """
    return _png(_levels(gains, -limit, limit, len(GAIN_COLOURS)), [*GAIN_COLOURS, NO_TRUTH])


def picture_png(picture: NDArray[Any]) -> bytes:
    """Draw the picture of a sample in few colours.

    `picture` has shape (height, width, 3), or (height, width) with one value per pixel. Bytes are
    shown as they are, labels in the colours of classes, and other values on a scale from their
    least to their greatest.

    Examples
    --------
    >>> Image.open(io.BytesIO(picture_png(np.zeros((4, 6, 3), np.uint8)))).size
    (6, 4)
    """
    if picture.dtype.kind == "i" and picture.ndim == 2:
        return labels_png(picture, int(picture.max(initial=0)) + 1)
    if picture.ndim == 3:
        image = Image.fromarray(_bytes(picture)).reduce(_stride(picture))
        few = image.quantize(PICTURE_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        return _encoded(few)
    known = picture[np.isfinite(picture)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return values_png(picture, float(low), float(high))


def colour_bytes(shares: NDArray[Any]) -> NDArray[np.uint8]:
    """Return colours (..., 3) from 0 to 1 as bytes, grey where a channel is not known.

    >>> colour_bytes(np.array([[0.0, 0.5, 1.0], [0.0, np.nan, 1.0]])).tolist()
    [[0, 128, 255], [176, 176, 176]]
    """
    known = np.isfinite(shares).all(axis=-1, keepdims=True)
    grey = np.array([round(255 * part) for part in to_rgb(NO_TRUTH)])
    found: NDArray[np.uint8] = np.where(
        known, np.rint(255 * np.where(known, shares, 0.0)), grey
    ).astype(np.uint8)
    return found


def _bytes(picture: NDArray[Any]) -> NDArray[np.uint8]:
    if picture.dtype == np.uint8:
        return picture
    low, high = np.nanmin(picture), np.nanmax(picture)
    shares = (np.nan_to_num(picture, nan=low) - low) / ((high - low) or 1.0)
    pixels: NDArray[np.uint8] = np.rint(255 * shares).astype(np.uint8)
    return pixels


def _levels(values: NDArray[Any], low: float, high: float, count: int) -> NDArray[Any]:
    shares = np.clip((values - low) / ((high - low) or 1.0), 0.0, 1.0)
    known = np.isfinite(values)
    return np.where(known, np.rint(np.where(known, shares, 0.0) * (count - 1)), count)


def _stride(picture: NDArray[Any]) -> int:
    return int(-(-max(picture.shape[:2]) // LONGEST))


def _png(steps: NDArray[Any], colours: Sequence[str]) -> bytes:
    stride = _stride(steps)
    image = Image.fromarray(np.ascontiguousarray(steps[::stride, ::stride], dtype=np.uint8))
    image.putpalette([round(255 * part) for colour in colours for part in to_rgb(colour)])
    return _encoded(image)


def _encoded(image: Image.Image) -> bytes:
    packed = io.BytesIO()
    image.save(packed, "png", optimize=True)
    return packed.getvalue()
