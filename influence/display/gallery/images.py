"""Small images of maps: PNG files of few colours, whose pixels can be read back as numbers."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from numpy.typing import NDArray
from PIL import Image

from influence.display.colours import NO_TRUTH, class_colours, gain_colours, value_colours

__all__ = ["GAIN_COLOURS", "LONGEST", "VALUE_COLOURS", "gains_png", "labels_png", "picture_png",
           "values_png"]  # fmt: skip

LONGEST = 320
"""Pixels: of larger maps every second, third, ... pixel is shown, so that no side is longer."""

VALUE_COLOURS = tuple(value_colours(64))
GAIN_COLOURS = tuple(gain_colours(65))
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
    """Draw a map of values; pixel value = place in `VALUE_COLOURS`, which go from low to high.

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

    Pixel value = place in `GAIN_COLOURS`.

    Examples
    --------
    >>> image = Image.open(io.BytesIO(gains_png(np.array([[-1.0, 0.0, 1.0, np.nan]]), 1.0)))
    >>> np.asarray(image).tolist()
    [[0, 32, 64, 65]]
    """
    return _png(_levels(gains, -limit, limit, len(GAIN_COLOURS)), [*GAIN_COLOURS, NO_TRUTH])


def picture_png(picture: NDArray[Any]) -> bytes:
    """Draw what a sample looks like, in few colours: (height, width, 3), or one value a pixel.

    Bytes are shown as they are, labels in the colours of classes, and other values between their
    least and their greatest.

    Examples
    --------
    >>> Image.open(io.BytesIO(picture_png(np.zeros((4, 6, 3), np.uint8)))).size
    (6, 4)
    """
    if picture.dtype.kind == "i":
        return labels_png(picture, int(picture.max(initial=0)) + 1)
    if picture.ndim == 3:
        image = Image.fromarray(_bytes(picture)).reduce(_stride(picture))
        few = image.quantize(PICTURE_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        return _encoded(few)
    known = picture[np.isfinite(picture)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return values_png(picture, float(low), float(high))


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
