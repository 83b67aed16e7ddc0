"""Sources of HDF5 files: virtual, external and linked data are found, wherever they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from influence.errors import InfluenceError
from influence.runtime.reading.hdf5_sources import find_sources


def virtual(file: h5py.File, rows: int = 6, source: str = "source.h5") -> None:
    layout = h5py.VirtualLayout((6, 2), "f8")
    layout[:rows] = h5py.VirtualSource(source, "x", (6, 2))[:rows]
    file.create_virtual_dataset("inputs/x", layout)


def external(file: h5py.File, size: int = 96) -> None:
    place = str(Path(file.filename).parent / "raw")
    file.create_dataset("inputs/x", (6, 2), "f8", external=[(place, 0, size)])


def through_two_links(file: h5py.File) -> None:
    file["there"] = h5py.ExternalLink("source.h5", "/")
    file["inputs/x"] = h5py.SoftLink("/there/x")


def in_a_group(file: h5py.File) -> None:
    file["inputs/p/values"] = h5py.ExternalLink("source.h5", "x")


def of_all(file: h5py.File) -> None:
    file["inputs"] = h5py.ExternalLink("source.h5", "/")


def sources_of(folder: Path, make: Callable[[h5py.File], object]) -> list[tuple[str, str, str]]:
    with h5py.File(folder / "source.h5", "w") as file:
        file["x"] = np.ones((6, 2))
    (folder / "raw").write_bytes(bytes(96))
    with h5py.File(folder / "a.h5", "w") as file:
        make(file)
    with h5py.File(folder / "a.h5", "r") as file:
        found = find_sources(file, ["inputs", "ids"])
        return [(source.where, source.kind, source.path.name) for source in found]


@pytest.mark.parametrize(
    ("make", "first"),
    [
        (virtual, ("inputs/x", "virtual", "source.h5")),
        (external, ("inputs/x", "external", "raw")),
        (through_two_links, ("inputs/x", "linked", "source.h5")),
        (in_a_group, ("inputs/p/values", "linked", "source.h5")),
        (of_all, ("inputs", "linked", "source.h5")),
    ],
)
def test_sources_are_found(
    tmp_path: Path, make: Callable[[h5py.File], object], first: tuple[str, str, str]
) -> None:
    assert sources_of(tmp_path, make)[0] == first


def inside(file: h5py.File) -> None:
    file["stock/x"] = np.ones(3)
    file["inputs/x"], file["inputs/y"] = h5py.SoftLink("/stock/x"), np.ones(3)
    file["inputs/self"] = file["inputs"]
    file["elsewhere"] = h5py.ExternalLink("source.h5", "x")  # which is not read


def test_links_within_the_file_and_what_is_not_read_are_no_sources(tmp_path: Path) -> None:
    assert sources_of(tmp_path, inside) == []


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: virtual(f, 4), "its virtual sources fill 8 of its 12 values"),
        (lambda f: virtual(f, source="gone.h5"), r"gone\.h5: no such source of inputs/x"),
        (lambda f: virtual(f, source="a.h5"), "has no dataset 'x'"),
        (lambda f: external(f, 200), "its source .*raw is too short: expected 200 bytes"),
        (lambda f: f.__setitem__("ids", h5py.SoftLink("/gone")), "ids: its link to /gone leads no"),
        (lambda f: f.__setitem__("ids", h5py.ExternalLink("b.h5", "x")), "ids: .*another file, b"),
    ],
)
def test_sources_that_lack_values_are_refused(
    tmp_path: Path, make: Callable[[h5py.File], object], message: str
) -> None:
    with pytest.raises(InfluenceError, match=message):
        sources_of(tmp_path, make)


def test_variables_that_move_sources_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HDF5_VDS_PREFIX", "/elsewhere")
    with pytest.raises(InfluenceError, match="which HDF5_VDS_PREFIX in the environment moves"):
        sources_of(tmp_path, virtual)
