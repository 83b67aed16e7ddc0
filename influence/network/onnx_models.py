"""ONNX: a model run by ONNX Runtime as a function of arrays, with names, shapes and types."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from influence.errors import InfluenceError
from influence.runtime.reading.regular_files import check_regular

__all__ = ["OnnxModel", "Port", "read_onnx"]

_DTYPES = {
    **{"float": "float32", "double": "float64", "float16": "float16", "bool": "bool"},
    **{f"{sign}int{bits}": f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}
"""The NumPy type of each element type in ONNX Runtime's names, such as ``tensor(float)``."""


@dataclass(frozen=True)
class Port:
    """An input or output of a model.

    Parameters
    ----------
    name
        Its name in the file.
    dtype
        Its NumPy type; empty if NumPy has none.
    shape
        With the samples first, `None` for a free length.
    """

    name: str
    dtype: str
    shape: tuple[int | None, ...]


class OnnxModel:
    """A model of ONNX Runtime on the CPU: takes one array an input, in order; returns a list.

    Parameters
    ----------
    session
        An `onnxruntime.InferenceSession`.
    files
        The further files from which it took values.

    Attributes
    ----------
    inputs, outputs : tuple of Port
        What it takes and returns, in the order of the file.
    """

    def __init__(self, session: Any, files: tuple[Path, ...] = ()) -> None:
        self.session, self.files = session, files
        self.inputs = tuple(map(_port, session.get_inputs()))
        self.outputs = tuple(map(_port, session.get_outputs()))

    def __call__(self, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
        """Run the model; floating-point numbers are cast to the precision that it takes."""
        if len(arrays) != len(self.inputs):
            raise InfluenceError(
                f"the ONNX model takes {len(self.inputs)} inputs, got {len(arrays)}. Declare its "
                f"inputs: {', '.join(port.name for port in self.inputs)}"
            )
        feed = {
            port.name: _cast(array, port) for port, array in zip(self.inputs, arrays, strict=True)
        }
        try:
            found: list[NDArray[Any]] = self.session.run([p.name for p in self.outputs], feed)
        except Exception as error:  # its exceptions have no base class of their own
            shapes = {name: array.shape for name, array in feed.items()}
            reason = str(error).strip().partition("\n")[0]
            raise InfluenceError(
                f"the ONNX model failed on inputs of the shapes {shapes}: {reason}"
            ) from error
        return found


def _port(node: Any) -> Port:
    kind = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(n if isinstance(n, int) and n > 0 else None for n in node.shape or ())
    return Port(node.name, _DTYPES.get(kind, ""), shape)


def _cast(array: NDArray[Any], port: Port) -> NDArray[Any]:
    if array.dtype == port.dtype:
        return np.ascontiguousarray(array)
    if port.dtype and np.dtype(port.dtype).kind == "f" and array.dtype.kind == "f":
        return np.ascontiguousarray(array, dtype=port.dtype)
    raise InfluenceError(
        f"input {port.name!r} of the ONNX model takes {port.dtype or 'no numbers'}, got "
        f"{array.dtype}. Give the data of this input as {port.dtype}: "
        f"array.astype({port.dtype!r})"
    )


def read_onnx(path: Path, data: bytes) -> OnnxModel:
    """Open an ONNX model, which is data: a graph of listed operators, without code of its own.

    Parameters
    ----------
    path, data
        The file and its content. Values that the model keeps in further files are read from the
        file's folder, and from nowhere else.

    Raises
    ------
    InfluenceError
        If ONNX Runtime is not installed, the file is broken, or it names a file outside of its
        folder.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise InfluenceError(
            f"it is an ONNX model, which needs {error.name}: pip install 'cross-influence[onnx]'"
        ) from error
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has several kinds
        raise InfluenceError(f"it is not an ONNX model, or cut off: {error}") from error
    external = sorted(set(_external_files(model)))
    for name in external:
        _check_inside(path.parent, name)
        check_regular(path.parent / name)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = torch.get_num_threads()
    source = str(path) if external else data
    try:
        session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base class of their own
        reason = str(error).strip().partition("\n")[0]
        raise InfluenceError(f"ONNX Runtime cannot open it: {reason}") from error
    try:
        return OnnxModel(session, tuple(path.parent / name for name in external))
    except UnicodeDecodeError as error:
        raise InfluenceError(f"a name in the ONNX model is no UTF-8: {error}") from error


def _external_files(message: Any) -> Iterator[str]:
    """Yield the files that the tensors anywhere in a protobuf message name."""
    for field, value in message.ListFields():
        if field.name == "external_data":
            yield from (entry.value for entry in value if entry.key == "location")
        elif field.message_type:
            for item in [value] if hasattr(value, "ListFields") else value:
                yield from _external_files(item)


def _check_inside(folder: Path, name: str) -> None:
    root = folder.resolve()
    if root not in (root / name).resolve().parents:
        raise InfluenceError(
            f"it keeps values in the file {name!r}, which is not in its folder. It was not read; "
            "do not trust this model"
        )
