"""ONNX models: facts, types, and files that reach outside of their folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from influence.network.joint_network import JointNetwork, Modality

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

FLOAT, INT64, DOUBLE = (getattr(onnx.TensorProto, name) for name in ("FLOAT", "INT64", "DOUBLE"))
TABLE = np.arange(12, dtype="float32").reshape(4, 3)


def model(
    *, samples: Any = "n", weights: Any = None, kind: int = FLOAT, name: str = "values"
) -> Any:
    """Return y = values @ table + the rows of the table at ids."""
    helper = onnx.helper
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["rows"]),
        helper.make_node("Cast", [name], ["cast"], to=FLOAT),
        helper.make_node("Add", ["cast", "rows"], ["out/y"]),
        helper.make_node("Neg", ["out/y"], ["minus"]),
    ]
    value = helper.make_tensor_value_info
    inputs = [value("ids", INT64, [samples]), value(name, kind, [samples, 3])]
    outputs = [value("out/y", FLOAT, [samples, 3]), value("minus", FLOAT, [samples, 3])]
    table = onnx.numpy_helper.from_array(TABLE, "table") if weights is None else weights
    graph = helper.make_graph(nodes, "graph", inputs, outputs, [table])
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def stored(location: str) -> Any:
    """Return the table as a tensor whose values lie in another file."""
    tensor = onnx.numpy_helper.from_array(TABLE, "table")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=location)
    return tensor


def inputs(samples: int) -> dict[str, torch.Tensor]:
    stream = torch.Generator().manual_seed(samples)
    return {
        "ids": torch.randint(0, 4, (samples,), generator=stream),
        "values": torch.rand(samples, 3, generator=stream),
    }


def written(tmp_path: Path, **options: Any) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(model(**options).SerializeToString())
    return path


@pytest.mark.parametrize("samples", [1, 5])
def test_a_model_computes_what_its_nodes_say(tmp_path: Path, samples: int) -> None:
    net = load_checkpoint(written(tmp_path))
    assert [(m.name, m.shape) for m in net.inputs] == [("ids", ()), ("values", (3,))]
    assert (net.name, [o.name for o in net.outputs]) == ("net", ["out_y", "minus"])
    given = inputs(samples)
    expected = given["values"].numpy() + TABLE[given["ids"].numpy()]
    found = net(given)
    assert np.array_equal(found["out_y"].numpy(), expected)
    assert np.array_equal(found["minus"].numpy(), -expected)


def test_facts_of_a_network_name_and_order_the_inputs(tmp_path: Path) -> None:
    facts = JointNetwork(nn.Identity(), [Modality("values", "vector"), "ids"], ["minus"], seed=3)
    net = load_checkpoint(written(tmp_path), facts)
    given = inputs(4)
    assert (net.inputs[0].kind, net.seed, net.name) == ("vector", 3, "net")
    expected = -(given["values"].numpy() + TABLE[given["ids"].numpy()])
    assert np.array_equal(net(given)["minus"].numpy(), expected)
    other = JointNetwork(nn.Identity(), ["a", "b"], ["p", "q"])  # by place
    found = load_checkpoint(written(tmp_path), other)({"a": given["ids"], "b": given["values"]})
    assert np.array_equal(found["q"].numpy(), expected)
    with pytest.raises(InfluenceError, match="names the inputs a, but the ONNX model has ids, val"):
        load_checkpoint(written(tmp_path), JointNetwork(nn.Identity(), ["a"], ["p", "q"]))


@pytest.mark.parametrize("given", [torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("kind", [FLOAT, DOUBLE])
def test_the_precision_of_floats_is_no_matter(
    tmp_path: Path, given: torch.dtype, kind: int
) -> None:
    net = load_checkpoint(written(tmp_path, kind=kind))
    halves = {"ids": torch.tensor([1]), "values": torch.tensor([[0.5, 1.5, 2.0]], dtype=given)}
    assert net(halves)["out_y"].tolist() == [[3.5, 5.5, 7.0]]


def test_another_type_is_named_with_what_to_write(tmp_path: Path) -> None:
    net = load_checkpoint(written(tmp_path))
    given = inputs(2)
    with pytest.raises(InfluenceError, match=r"'ids' .* takes int64, got float32.*astype\('int64"):
        net(given | {"ids": given["ids"].float()})
    with pytest.raises(InfluenceError, match=r"'values' .* takes float32, got int64"):
        net(given | {"values": given["values"].long()})


def test_a_fixed_number_of_samples_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"'ids' .*fixed number of samples.*dynamic_axes="):
        load_checkpoint(written(tmp_path, samples=2))


def test_a_shape_that_does_not_fit_is_said(tmp_path: Path) -> None:
    net = load_checkpoint(written(tmp_path))
    with pytest.raises(
        InfluenceError, match=r"failed on inputs of the shapes .*'values': \(2, 5\)"
    ):
        net({"ids": torch.tensor([0, 1]), "values": torch.ones(2, 5)})


def test_values_in_a_file_beside_the_model_are_read_and_hashed(tmp_path: Path) -> None:
    path = written(tmp_path, weights=stored("table.bin"))
    (tmp_path / "table.bin").write_bytes(TABLE.tobytes())
    net = load_checkpoint(path)
    given = inputs(3)
    expected = given["values"].numpy() + TABLE[given["ids"].numpy()]
    assert np.array_equal(net(given)["out_y"].numpy(), expected)
    (tmp_path / "table.bin").write_bytes((TABLE + 1).tobytes())
    assert load_checkpoint(path).sha256 != net.sha256


@pytest.mark.parametrize("how", ["up", "absolute", "link", "the folder"])
def test_no_file_outside_of_the_folder_is_read(tmp_path: Path, how: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(TABLE.tobytes())
    (folder / "link").symlink_to(tmp_path / "secret")
    names = {
        "up": "../secret",
        "absolute": str(tmp_path / "secret"),
        "link": "link",
        "the folder": "",
    }
    with pytest.raises(InfluenceError, match=r"not in its folder\. It was not read; do not trust"):
        load_checkpoint(written(folder, weights=stored(names[how])))


def test_files_that_inner_graphs_name_are_checked_too(tmp_path: Path) -> None:
    helper = onnx.helper
    constant = helper.make_node("Constant", [], ["t"], value=stored("../secret"))
    value = helper.make_tensor_value_info
    branch = helper.make_graph([constant], "branch", [], [value("t", FLOAT, [4, 3])])
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    graph = helper.make_graph(
        nodes, "graph", [value("c", onnx.TensorProto.BOOL, ["n"])], [value("y", FLOAT, ["n", 3])]
    )
    (tmp_path / "net.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    with pytest.raises(InfluenceError, match=r"'\.\./secret', which is not in its folder"):
        load_checkpoint(tmp_path / "net.onnx")


def test_a_model_that_the_runtime_does_not_open_is_said(tmp_path: Path) -> None:
    broken = model()
    broken.graph.node[0].op_type = "NoSuchOperator"
    (tmp_path / "net.onnx").write_bytes(broken.SerializeToString())
    with pytest.raises(InfluenceError, match=r"ONNX Runtime cannot open it: .*NoSuchOperator"):
        load_checkpoint(tmp_path / "net.onnx")
