"""Writing evaluation files: data sets of named inputs and targets in HDF5."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import ArrayLike, NDArray

from influence.data.dataset import check_unique, no_group, plain_groups
from influence.data.evaluation_file import FORMAT, VERSION
from influence.data.stored_values import NUMBERS
from influence.errors import InfluenceError
from influence.runtime.files import write_hdf5

__all__ = ["write_evaluation_file"]

SHORT = 256
"""Texts of at most this many bytes are stored in as many bytes each, and packed."""

CHUNK = 2**16
"""The number of bytes of which a chunk consists at least, if a sample is smaller."""


def write_evaluation_file(
    path: str | os.PathLike[str],
    inputs: Mapping[str, ArrayLike],
    targets: Mapping[str, ArrayLike],
    *,
    ids: Sequence[str] | None = None,
    groups: ArrayLike | None = None,
    images: ArrayLike | None = None,
    name: str = "",
    attributes: Mapping[str, Mapping[str, Any]] | None = None,
) -> None:
    """Write an evaluation file, compressed, in chunks of whole samples with checksums.

    Parameters
    ----------
    path
        The HDF5 file; appears whole or not at all.
    inputs, targets
        Name -> array with samples first; or a list with one array or text a sample, whose arrays
        may differ in their first length, such as points. The type of the values is kept. Integer
        targets without a ``scale`` are labels. There may be no targets.
    ids
        One unique name a sample; by default its index.
    groups
        One value a sample. Samples of one group are not independent, such as frames of a scene.
    images
        RGB pictures of the samples, uint8, (samples, height, width, 3).
    name
        The name of the data set in tables; by default that of the file.
    attributes
        Dataset -> attributes, such as ``{"targets/semantic": {"ignore": 255}}``; see
        `influence.data.dataset.Field`. The attribute ``shared`` of an input says that it is one
        value for all samples, such as camera intrinsics:
        ``{"inputs/intrinsics": {"shared": True}}``.

    Raises
    ------
    InfluenceError
        If an array does not hold numbers with samples first, if the numbers of samples differ, if
        ids repeat, if a sample has no group, or if attributes are given for a dataset that does
        not exist.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "set.h5"
    >>> depth = np.ones((4, 1, 6, 8), dtype=np.float32)
    >>> write_evaluation_file(path, inputs={"depth": depth}, targets={"depth": depth[:, 0]})
    >>> path.exists()
    True
    """
    attributes = attributes or {}
    shared = {n for n in inputs if attributes.get(f"inputs/{n}", {}).get("shared")}
    own = {n: x for n, x in inputs.items() if n not in shared}
    datasets = {f"inputs/{n}": _as_stored(x, f"inputs/{n}") for n, x in own.items()}
    datasets |= {f"targets/{n}": _as_stored(x, f"targets/{n}") for n, x in targets.items()}
    if images is not None:
        datasets["images/rgb"] = _as_stored(images, "images/rgb")
    for key in [*datasets, *(f"inputs/{n}" for n in shared)]:
        _check_name(key)
    labels: dict[str, NDArray[Any]] = {}
    if ids is not None:
        labels["ids"] = _as_texts([str(i) for i in ids], "ids")
        check_unique(labels["ids"].tolist(), path)
    if groups is not None:
        labels["groups"] = _as_groups(groups)
    lengths = {n: len(x) for n, x in {**datasets, **labels}.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise InfluenceError(f"expected the same number of samples, above 0, got {lengths}")
    if strange := sorted(set(attributes) - set(datasets) - {f"inputs/{n}" for n in shared}):
        raise InfluenceError(f"attributes for {strange}, but the datasets are {sorted(datasets)}")
    if "\0" in name or not _is_unicode(name):
        raise InfluenceError(
            f"name: {name!r} holds a NUL or half a character, which a file cannot hold. Take it out"
        )
    with write_hdf5(path) as file:
        file.attrs.update(format=FORMAT, version=VERSION, name=name)
        for key, values in datasets.items():
            if isinstance(values, list) and not isinstance(values[0], str):
                dataset = _create(file, f"{key}/values", np.concatenate(values))
                _create(file, f"{key}/offsets", np.cumsum([0, *map(len, values)]))
            else:
                dataset = _create(file, key, np.asarray(values))
            try:
                dataset.attrs.update(attributes.get(key, {}))
            except (TypeError, ValueError) as error:
                raise InfluenceError(
                    f"{key}: expected texts without NUL, numbers or lists of them as attributes, "
                    f"got {attributes[key]} ({error})"
                ) from error
        for key, array in labels.items():
            _create(file, key, array)
        for name in shared:
            value = np.asarray(inputs[name])
            if isinstance(inputs[name], str):
                _as_texts([str(inputs[name])], f"shared/{name}")
            elif value.dtype.kind not in NUMBERS:
                raise InfluenceError(
                    f"shared/{name} holds {value.dtype}, expected numbers or a text"
                )
            if value.ndim:
                _create(file, f"shared/{name}", value)
            else:
                file.create_dataset(f"shared/{name}", data=inputs[name], track_times=False)


def _create(file: h5py.File, key: str, array: NDArray[Any]) -> h5py.Dataset:
    """Write an array in chunks of samples, with a checksum of each."""
    array, dtype = _texts_as_stored(array) if array.dtype.kind in "UO" else (array, array.dtype)
    each = max(array.nbytes // max(len(array), 1), 1)
    rows = 1 if key.startswith("images/") else max(1, min(len(array), CHUNK // each))
    return file.create_dataset(
        key,
        data=array,
        dtype=dtype,
        chunks=(rows, *array.shape[1:]) if array.size else None,
        compression="gzip" if array.size else None,
        shuffle=True if array.size else None,
        fletcher32=bool(array.size) and array.dtype.kind != "O",
        track_times=False,
    )


def _texts_as_stored(texts: NDArray[Any]) -> tuple[NDArray[Any], np.dtype[Any]]:
    """Return texts of one length where they are short, since HDF5 gives no others a checksum."""
    encoded = [text.encode() for text in texts.tolist()]
    longest = max(map(len, encoded))
    if not 0 < longest <= SHORT:
        return texts.astype(object), h5py.string_dtype()
    dtype = h5py.string_dtype(length=longest)
    return np.array(encoded, dtype), dtype


def _check_name(key: str) -> None:
    part, _, name = key.partition("/")
    if not name.strip(".") or "/" in name or "\0" in name or not _is_unicode(name):
        raise InfluenceError(
            f"{part} cannot be called {name!r}: names are not empty, consist of more than dots, "
            "and hold neither a slash nor a NUL. Choose another name"
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _as_texts(texts: Sequence[str], key: str) -> NDArray[Any]:
    for i, text in enumerate(texts):
        if "\0" in text or not _is_unicode(text):
            raise InfluenceError(
                f"{key}: that of sample {i}, {text[:60]!r}, holds a NUL or half a character, which "
                "a file cannot hold. Take it out"
            )
    return np.array(texts, dtype=object)


def _as_groups(groups: ArrayLike) -> NDArray[Any]:
    """Check that every sample has a group, all of them texts or all of them numbers."""
    values: Any = groups
    if not isinstance(values, (list, tuple)):  # of which numpy makes texts, also of None and NaN
        array = np.asarray(values)
        if array.dtype.kind not in "UO":
            return _as_numbers(array)
        values = array.tolist()
    values = plain_groups(values)
    if values and isinstance(values[0], str):
        return _as_texts(values, "groups")
    return np.array(values)


def _as_numbers(groups: NDArray[Any]) -> NDArray[Any]:
    if groups.dtype.kind not in NUMBERS or groups.ndim != 1:
        raise InfluenceError(
            f"groups hold {groups.dtype} in the shape {groups.shape}, expected one text or number "
            "a sample"
        )
    if (missing := np.flatnonzero(groups != groups)).size:
        raise no_group(int(missing[0]), groups[missing[0]].item())
    return groups


def _as_stored(values: Any, key: str) -> NDArray[Any] | list[Any]:
    """Check values, and return them as one array, or as a list of arrays or texts."""
    if isinstance(values, (list, tuple)) and len(values) and not np.isscalar(values[0]):
        arrays = [np.asarray(value) for value in values]
        if len({array.shape for array in arrays}) > 1 or {a.ndim for a in arrays} == {0}:
            for array in arrays:
                _check_array(key, array, ragged=True)
            if len({(array.shape[1:], array.dtype) for array in arrays}) > 1:
                raise InfluenceError(
                    f"{key}: expected arrays that differ in their first length only, got shapes "
                    f"such as {arrays[0].shape} and "
                    f"{next(a.shape for a in arrays if a.shape != arrays[0].shape)}"
                )
            return arrays
        values = np.stack(arrays)
    if isinstance(values, (list, tuple)) and all(isinstance(value, str) for value in values):
        return list(map(str, _as_texts(values, key)))  # of which numpy would lose a NUL at the end
    array = np.asarray(values)
    if array.dtype.kind in "UO" and array.ndim == 1 and all(isinstance(x, str) for x in array):
        return list(map(str, _as_texts(array.tolist(), key)))
    _check_array(key, array)
    return array


def _check_array(key: str, array: NDArray[Any], *, ragged: bool = False) -> None:
    if array.ndim < 1:
        raise InfluenceError(f"{key} has no axis of samples, got one number")
    if array.dtype.kind not in NUMBERS:
        raise InfluenceError(f"{key} holds {array.dtype}, expected numbers")
    if 0 in array.shape[1:] and not ragged:
        raise InfluenceError(f"{key} has the shape {array.shape}: its samples hold no values")
