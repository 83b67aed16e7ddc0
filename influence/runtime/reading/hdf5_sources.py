"""Sources of HDF5 files: further files from which datasets take their bytes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py

from influence.errors import InfluenceError
from influence.runtime.reading.hdf5 import check_dataset
from influence.runtime.reading.regular_files import check_regular

__all__ = ["Source", "find_sources"]

DEPTH = 4
"""So deep are groups, and so long are chains of virtual datasets, that are followed."""

_REDIRECTS = ("HDF5_VDS_PREFIX", "HDF5_EXT_PREFIX", "HDF5_EXTFILE_PREFIX")


@dataclass(frozen=True)
class Source:
    """A file from which part of an HDF5 file takes its bytes.

    Parameters
    ----------
    where
        The name of the dataset or group that takes them.
    kind
        How: ``virtual``, ``external`` or ``linked``.
    path
        The file.
    """

    where: str
    kind: str
    path: Path


def find_sources(file: h5py.File, names: Sequence[str]) -> Iterator[Source]:
    """Yield the sources of parts of a file, which a hash of the file alone does not cover.

    Each is checked, once it has been yielded, for being there and for holding all values: where a
    virtual dataset has no source, HDF5 silently gives its fill value.

    Parameters
    ----------
    file
        The open file.
    names
        The groups and datasets that are read; those that do not exist have no sources.

    Raises
    ------
    InfluenceError
        If a source is missing or incomplete, or a link leads nowhere.

    Examples
    --------
    >>> import io
    >>> file = h5py.File(io.BytesIO(), "w")
    >>> file["inputs/x"] = h5py.ExternalLink("other.h5", "x")
    >>> next(find_sources(file, ["inputs"])).path.name
    'other.h5'
    >>> list(find_sources(file, ["inputs"]))
    Traceback (most recent call last):
    influence.errors.InfluenceError: inputs/x: its link to another file, other.h5, leads nowhere. \
Put the file where the link points
    """
    for name in names:
        yield from _walk(file, name, name.strip("/"), file.filename, 0)


def _walk(group: h5py.Group, name: str, where: str, own: str, depth: int) -> Iterator[Source]:
    head, _, rest = name.partition("/")
    link = group.get(head, getlink=True)
    if link is None:
        return
    if leaves := isinstance(link, h5py.ExternalLink):
        yield Source(where, "linked", _beside(group, link.filename))
    try:
        found = group[head]
    except (KeyError, OSError) as error:
        if isinstance(link, h5py.HardLink):
            raise
        target = f"another file, {link.filename}," if leaves else link.path
        raise InfluenceError(
            f"{where}: its link to {target} leads nowhere. Put the file where the link points"
        ) from error
    if found.file.filename != own:
        own = found.file.filename
        check_regular(own)
        yield Source(where, "linked", Path(own))
    if rest:
        yield from _walk(found, rest, where, own, depth)
    elif isinstance(found, h5py.Group) and depth < DEPTH:
        for inner in found:
            yield from _walk(found, inner, f"{where}/{inner}", own, depth + 1)
    elif isinstance(found, h5py.Dataset):
        yield from _of_dataset(found, where, 0)


def _of_dataset(dataset: h5py.Dataset, where: str, depth: int) -> Iterator[Source]:
    """Yield the sources of a dataset, after a check of each."""
    if dataset.is_virtual or dataset.external:
        if moved := [name for name in _REDIRECTS if os.environ.get(name)]:
            raise InfluenceError(
                f"{where}: it takes values from other files, which {moved[0]} in the environment "
                "moves. Unset the variable"
            )
        if depth == DEPTH:
            raise InfluenceError(f"{where}: its virtual sources lead to further ones without end")
    if dataset.is_virtual:
        yield from _of_virtual(dataset, where, depth)
    before = 0
    for name, offset, size in dataset.external or ():
        path = Path(name)  # HDF5 looks in the working directory
        yield Source(where, "external", path)
        needed = dataset.nbytes - before if size == h5py.h5f.UNLIMITED else size
        before += needed
        if check_regular(path, f"source of {where}").size < offset + needed:
            raise InfluenceError(
                f"{where}: its source {path} is too short: expected {offset + needed} bytes. Copy "
                "it again"
            )


def _of_virtual(dataset: h5py.Dataset, where: str, depth: int) -> Iterator[Source]:
    filled = 0
    for space, name, inner, part in dataset.virtual_sources():
        filled += space.get_select_npoints()
        path = Path(dataset.file.filename) if name == "." else _beside(dataset, name)
        yield Source(where, "virtual", path)
        check_regular(path, f"source of {where}")
        with h5py.File(path, "r") as file:
            found = file.get(inner)
            if not isinstance(found, h5py.Dataset) or not _holds(found, part, space):
                raise InfluenceError(
                    f"{where}: its source {path} has no dataset {inner!r} of the shape that it "
                    "takes, so values are missing. Copy it again"
                )
            check_dataset(found, f"{path}: {inner}")
            yield from _of_dataset(found, where, depth + 1)
    if filled < dataset.size:
        raise InfluenceError(
            f"{where}: its virtual sources fill {filled} of its {dataset.size} values. Write all "
            "values into one file"
        )


def _beside(owner: h5py.Group | h5py.Dataset, name: str) -> Path:
    """Return the file of a name as HDF5 finds it: beside the file that names it, or else here."""
    folder = Path(owner.file.filename).parent
    return next((p for p in (folder / name, Path(name)) if p.exists()), folder / name)


def _holds(dataset: h5py.Dataset, part: h5py.h5s.SpaceID, space: h5py.h5s.SpaceID) -> bool:
    """Return whether a dataset has all places of a selection."""
    if part.get_select_type() == h5py.h5s.SEL_ALL:
        return bool(dataset.size == space.get_select_npoints())
    _, last = part.get_select_bounds()
    return len(last) == dataset.ndim and all(
        i < n for i, n in zip(last, dataset.shape, strict=True)
    )
