"""Contents: kinds of files told by what other programs wrote."""

from __future__ import annotations

import io
import pickle
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import pytest
import safetensors.torch
import torch
from torch import nn

from influence.errors import InfluenceError
from influence.network.contents import content_of
from tests.influence.network.programs.archives import honest_file


def saved(*, zipped: bool = True) -> bytes:
    buffer = io.BytesIO()
    torch.save({"k": torch.ones(2)}, buffer, _use_new_zipfile_serialization=zipped)
    return buffer.getvalue()


def scripted() -> bytes:
    buffer = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(nn.Flatten()), buffer)
    return buffer.getvalue()


def long_header() -> bytes:
    """Return a file of safetensors whose first byte is that of a pickle."""
    sizes = (safetensors.torch.save({f"{'k' * n}": torch.ones(1)}) for n in range(1, 300))
    return next(data for data in sizes if data.startswith(b"\x80"))


def onnx_model() -> bytes:
    onnx = pytest.importorskip("onnx")
    tensor = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [tensor("x", onnx.TensorProto.FLOAT, ["n", 2])],
        [tensor("y", onnx.TensorProto.FLOAT, ["n", 2])],
    )
    data: bytes = onnx.helper.make_model(graph).SerializeToString()
    return data


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (honest_file, "program"),
        (scripted, "script"),
        (saved, "pickle"),
        (lambda: saved(zipped=False), "pickle"),
        (lambda: pickle.dumps({}, protocol=4), "pickle"),
        (lambda: safetensors.torch.save({"k": torch.ones(2)}), "safetensors"),
        (long_header, "safetensors"),
        (onnx_model, "onnx"),
    ],
)
def test_files_of_other_programs_are_told_apart(make: Callable[[], bytes], expected: str) -> None:
    assert content_of(make()) == expected


def zipped() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("a.npy", b"")
    return buffer.getvalue()


def tar() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def hdf5() -> bytes:
    buffer = io.BytesIO()
    with h5py.File(buffer, "w"):
        pass
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: b"", "is empty"),
        (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "no checkpoint of a known kind, or cut off"),
        (lambda: saved()[:-100], "an archive that is cut off"),
        (zipped, r"an archive of a\.npy"),
        (tar, "no checkpoint of a known kind"),
        (hdf5, "an HDF5 file"),
        (lambda: onnx_model()[:-1], "no checkpoint of a known kind, or cut off"),
        (lambda: b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (lambda: b"<!DOCTYPE html>", "a page or another text"),
    ],
)
def test_other_files_are_named(make: Callable[[], bytes], message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        content_of(make())


def test_no_file_of_the_project_is_taken_for_a_checkpoint() -> None:
    for path in Path(__file__).parent.rglob("*.py"):
        with pytest.raises(InfluenceError):
            content_of(path.read_bytes() or b" ")
