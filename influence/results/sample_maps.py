"""Sample maps: the pixels of a sample at which a source helps or hurts, and the file of maps."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from influence.runtime.files import write_hdf5

__all__ = ["SampleMaps", "write_maps"]


@dataclass(frozen=True)
class SampleMaps:
    """Predictions of one output for some samples, with nothing muted and with one source muted.

    Parameters
    ----------
    network, source, target, mute
        The names of the network, the muted site, the output and the mute.
    ids
        The names of the n samples.
    truth, full, muted
        The ground truth, with -1 (labels) or NaN (values) at pixels without truth; the prediction
        with nothing muted; and the prediction with the source muted. All of shape (n, ...).
    classes
        The names of the labels; empty if labels have no names.
    unit
        The unit of the values.
    pictures
        Images of the samples, shown beside the maps, (n, height, width) or (n, height, width, 3).
    pictured
        The name of the input or image that the pictures show.
    given
        The input with the same name as the target, in the form of the truth; `None` without one.
    range
        The least and the greatest valid value, if they are declared.
    facts
        Additional attributes for the file, with which the same maps can be computed again.

    Examples
    --------
    >>> truth, full, muted = (np.array([x]) for x in ([1, 1, 0, -1], [1, 0, 0, 0], [0, 1, 0, 1]))
    >>> maps = SampleMaps("net", "depth", "semantic", "zero", ("0001",), truth, full, muted)
    >>> maps.gain.tolist(), maps.omega.tolist()
    ([[1.0, -1.0, 0.0, nan]], [0.0])
    """

    network: str
    source: str
    target: str
    mute: str
    ids: tuple[str, ...]
    truth: NDArray[Any]
    full: NDArray[Any]
    muted: NDArray[Any]
    classes: tuple[str, ...] = ()
    unit: str = ""
    pictures: NDArray[Any] | None = None
    pictured: str = ""
    given: NDArray[Any] | None = None
    range: tuple[float, float] | None = None
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def of_labels(self) -> bool:
        """Whether the output consists of labels; otherwise it consists of values."""
        return self.truth.dtype.kind == "i"

    @property
    def of_pictures(self) -> bool:
        """Whether the output consists of colour pictures, (n, 3, height, width)."""
        return not self.of_labels and self.truth.ndim == 4 and self.truth.shape[1] == 3

    @property
    def drawable(self) -> bool:
        """Whether samples have rows and columns of pixels, with one channel or three colours."""
        shape = self.truth.shape[1:]
        return len(shape) == 2 or self.of_pictures or (len(shape) == 3 and shape[0] == 1)

    def shown(self, name: str) -> NDArray[Any]:
        """Return an array as it is drawn, such as `truth` or `gain`.

        It is (n, height, width), or for colour pictures (n, height, width, 3) with values from 0 to
        1, NaN where there are none. The gain of a pixel is the mean over its channels.

        Examples
        --------
        >>> half = np.full((1, 3, 1, 1), 127.5)
        >>> maps = SampleMaps("net", "x", "y", "zero", ("1",), half, half, half, range=(0, 255))
        >>> maps.shown("full").tolist(), maps.shown("gain").tolist()
        ([[[[0.5, 0.5, 0.5]]]], [[[0.0]]])
        """
        found: NDArray[Any] = getattr(self, name)
        if found.ndim == 3:
            return found
        if name == "gain" or found.shape[1] == 1:
            return found.mean(axis=1) if name == "gain" else found[:, 0]
        low, high = self.range or _guess_range(self.truth)
        return np.clip((np.moveaxis(found, 1, -1) - low) / (high - low), 0.0, 1.0)

    @property
    def gain(self) -> NDArray[np.float64]:
        """The gain by the source at each pixel: positive if it helps, NaN without ground truth.

        For labels the gain is 1 if only the prediction with nothing muted is right, -1 if only the
        muted one is, and 0 otherwise. For values it is the decrease of the absolute error.
        """
        gain: NDArray[np.float64]
        if self.of_labels:
            gain = (self.full == self.truth) - (self.muted == self.truth).astype(np.float64)
            gain = np.where(self.truth < 0, np.nan, gain)
        else:
            gain = np.abs(self.muted - self.truth) - np.abs(self.full - self.truth)
        return gain

    @property
    def omega(self) -> NDArray[np.float64]:
        """The mean gain of each sample, (n,): omega of pixel accuracy or mean absolute error."""
        omega: NDArray[np.float64] = np.nanmean(self.gain.reshape(len(self.ids), -1), axis=1)
        return omega


def _guess_range(pictures: NDArray[Any]) -> tuple[float, float]:
    """Guess the range of pictures: 0 to 1, 0 to 255, or else from their least to their greatest."""
    known = pictures[np.isfinite(pictures)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    if low >= 0 and high <= 255:
        return (0.0, 1.0) if high <= 1 else (0.0, 255.0)
    return low, high if high > low else low + 1.0


def write_maps(path: str | os.PathLike[str], maps: SampleMaps) -> None:
    """Write maps to an HDF5 file; after an error no incomplete file is left.

    The datasets, with samples first, are `ids`, `truth`, `full`, `muted`, `gain`, `omega` and, if
    present, `pictures` and `given`; names and facts are attributes.

    Raises
    ------
    InfluenceError
        If the file cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> one = np.zeros((1, 2, 2))
    >>> path = Path(tempfile.mkdtemp()) / "maps.h5"
    >>> write_maps(path, SampleMaps("net", "x", "y", "zero", ("0001",), one, one, one + 1))
    >>> float(h5py.File(path)["omega"][0])
    1.0
    """
    arrays = {name: getattr(maps, name) for name in ("truth", "full", "muted", "gain", "omega")}
    for name in ("pictures", "given"):
        if (array := getattr(maps, name)) is not None:
            arrays[name] = array
    with write_hdf5(path) as file:
        file.attrs["format"] = "influence-maps"
        for name in ("network", "source", "target", "mute", "unit", "pictured"):
            file.attrs[name] = getattr(maps, name)
        file.attrs["metric"] = "pixel_accuracy" if maps.of_labels else "mae"
        file.attrs["classes"] = list(maps.classes)
        file.attrs.update(maps.facts)
        file.create_dataset("ids", data=list(maps.ids), dtype=h5py.string_dtype())
        for name, array in arrays.items():
            file.create_dataset(
                name, data=array, compression="gzip", shuffle=True, track_times=False
            )
