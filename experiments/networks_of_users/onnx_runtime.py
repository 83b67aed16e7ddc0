"""A model in ONNX, run by ONNX Runtime: two sensors, one number."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import influence
from experiments.networks_of_users.kind import Kind, Score
from influence import Run

__all__ = ["KIND", "data", "network"]

Arrays = dict[str, NDArray[np.float32]]


def network() -> Any:
    """Make a model as somebody else exported it, and open a session on it."""
    stream = np.random.default_rng(15)
    shapes = {"a": (3, 8), "b": (2, 8), "c": (8, 1)}
    weights = [
        numpy_helper.from_array(stream.normal(size=shape).astype(np.float32), name)
        for name, shape in shapes.items()
    ]
    nodes = [
        helper.make_node("MatMul", ["wind", "a"], ["wa"]),
        helper.make_node("MatMul", ["sun", "b"], ["sb"]),
        helper.make_node("Add", ["wa", "sb"], ["sum"]),
        helper.make_node("Tanh", ["sum"], ["bent"]),
        helper.make_node("MatMul", ["bent", "c"], ["power"]),
    ]
    inputs, outputs = (
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", w]) for n, w in part]
        for part in ([("wind", 3), ("sun", 2)], [("power", 1)])
    )
    graph = helper.make_graph(nodes, "power", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "power.onnx"
        onnx.save(made, path)
        return onnxruntime.InferenceSession(path.read_bytes())


def data(samples: int) -> list[tuple[Arrays, Arrays]]:
    """Return batches of arrays."""
    stream = np.random.default_rng(16)
    found = []
    for i in range(0, samples, 16):
        count = min(16, samples - i)
        wind, sun = (stream.normal(1, 1, (count, n)).astype(np.float32) for n in (3, 2))
        inputs = {"wind": wind, "sun": sun}
        found.append((inputs, {"power": inputs["wind"].sum(1, keepdims=True)}))
    return found


def user_code(network: Any, data: Any) -> Run:
    """Mute wind, then sun; the session is a function of arrays."""
    net = influence.JointNetwork(
        lambda wind, sun: network.run(["power"], {"wind": wind, "sun": sun}),
        ["wind", "sun"],
        ["power"],
        arrays=True,
    )
    return influence.measure(net, data)


def score(network: Any, data: Any, source: str, mute: str) -> Score:
    """Predict every hour."""
    square = absolute = 0.0
    count = 0
    every = {n: np.concatenate([x[n] for x, _ in data]) for n in ("wind", "sun")}
    means = {name: values.mean(0, dtype=np.float64) for name, values in every.items()}
    for inputs, targets in data:
        shown = dict(inputs)
        if source:
            value = means[source] if mute == "mean" else 0.0
            shown[source] = (np.zeros_like(inputs[source]) + value).astype(np.float32)
        error = network.run(["power"], shown)[0].astype(float) - targets["power"]
        square += float((error**2).sum())
        absolute += float(np.abs(error).sum())
        count += error.size
    return {("power", "mse"): -square / count, ("power", "mae"): -absolute / count}


KIND = Kind(
    "ONNX model, ONNX Runtime",
    ("onnxruntime",),
    network,
    data,
    user_code,
    score,
    inputs="wind (3), sun (2)",
    samples=100,
    note="a session that is open already; a file is read by --ckpt power.onnx",
)
