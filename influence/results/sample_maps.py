"""Sample maps: where in a sample a source helps and where it hurts, and the file of such maps."""

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
    """One output of some samples, with nothing muted and with one source muted.

    Parameters
    ----------
    network, source, target, mute
        What was run: the network, what was muted and by what, and the output.
    ids
        The names of the n samples.
    truth, full, muted
        Ground truth, -1 (labels) or NaN (values) where there is none; the prediction with nothing
        muted; that with the source muted. Shape (n, ...), that of the target.
    classes
        The names of the labels, as far as they are known.
    unit
        Of the values.
    pictures
        What the samples look like, (n, height, width) or (n, height, width, 3), if anything is
        known of it.
    pictured
        What the pictures show.
    given
        What the network was given of the target: the input of its name, in the form of the truth,
        if it has one.
    facts
        What else has to be known to make the same maps again, for the file.

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
    facts: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def of_labels(self) -> bool:
        """Whether the output is labels; otherwise it is values."""
        return self.truth.dtype.kind == "i"

    @property
    def gain(self) -> NDArray[np.float64]:
        """Where the source helps, above zero, and where it hurts, below; NaN without truth.

        Of labels, 1 where only the prediction with nothing muted is right, -1 where only the muted
        one is. Of values, by how much the absolute error is smaller with nothing muted.
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
        """The mean of each map: omega of the pixel accuracy, or of the mean absolute error."""
        omega: NDArray[np.float64] = np.nanmean(self.gain.reshape(len(self.ids), -1), axis=1)
        return omega


def write_maps(path: str | os.PathLike[str], maps: SampleMaps) -> None:
    """Write maps to an HDF5 file, which appears whole or not at all.

    It holds `ids`, `truth`, `full`, `muted`, `gain`, `omega` and, where they are known, `pictures`
    and `given`, samples first; its attributes say what was run.

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
        if (known := getattr(maps, name)) is not None:
            arrays[name] = known
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
