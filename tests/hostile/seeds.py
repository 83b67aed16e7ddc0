"""The sound files from which hostile ones are made: small, and the same in every process."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from influence.cli import main
from influence.data.evaluation_writer import write_evaluation_file
from influence.measurement.pipeline import Checkpointing, measure
from influence.network.checkpoints import export_checkpoint, load_checkpoint
from influence.runtime.execution import Execution
from influence.statistics.bootstrap import Resampling
from tests.toy import Toy, toy, toy_arrays, write_toy_file

__all__ = ["FACTORY", "MEASURE", "write_seeds"]

FACTORY = "tests.toy:toy"
"""The network of the weights."""

MEASURE = ["--draws", "20", "--device", "cpu", "--mute", "zero",
           "--metric", "depth=rms", "--metric", "semantic=mean_iou"]  # fmt: skip
"""Options of a quick measurement."""


def write_seeds(folder: Path) -> None:
    """Write the sound files into a folder, by the commands that inputs are run by."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_networks(folder)
    _write_data(folder)
    data = ["--data", str(folder / "data.h5")]
    command = ["measure", str(folder / "net.pt2"), *data, *MEASURE]
    for name in ("run", "other"):
        _call([*command, "--interactions", "--by", "depth=2", "--out", str(folder / name)])
    _keep_shards(folder)
    _call(["gallery", str(folder / "run"), str(folder / "net.pt2"), *data, "--top", "1"])
    for path in folder.glob("*/run.json"):
        info = json.loads(path.read_text())
        # Times have other lengths in other processes, and positions of bytes are drawn.
        info["seconds"], info["samples_per_second"] = {"evaluate": 0.25}, 24.0
        path.write_text(json.dumps(info, indent=1) + "\n")
    _warm(folder)


def _write_networks(folder: Path) -> None:
    examples = {n: torch.from_numpy(x[:2]) for n, x in toy_arrays(6)["inputs"].items()}
    export_checkpoint(toy(), folder / "net.pt2", examples)
    weights = Toy().state_dict()
    torch.save(weights, folder / "weights.pt")
    torch.save({"epoch": 3, "state_dict": {f"module.{k}": v for k, v in weights.items()}},
               folder / "wrapped.pth")  # fmt: skip
    torch.save(weights, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    save_file(weights, folder / "weights.safetensors")
    parts = folder / "parts"
    parts.mkdir(exist_ok=True)
    (parts / "config.json").write_text(json.dumps({"model_type": "toy", "hidden_size": 4}))
    index = {}
    for number, (name, tensor) in enumerate(weights.items(), 1):
        index[name] = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: tensor}, parts / index[name])
    (parts / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": 592}, "weight_map": index})
    )
    _write_strange_weights(folder, weights)
    if find_spec("onnx"):
        _write_onnx(folder / "net.onnx")


def _write_onnx(path: Path) -> None:
    from onnx import TensorProto, ValueInfoProto, helper

    def port(name: str, channels: int) -> ValueInfoProto:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, 5, 6])

    kernel = [0.1 * i for i in range(16)]
    graph = helper.make_graph(
        [
            helper.make_node("Concat", ["depth", "semantic"], ["joined"], axis=1),
            helper.make_node("Conv", ["joined", "kernel"], ["mixed"], kernel_shape=[1, 1]),
            helper.make_node("Split", ["mixed", "sizes"], ["first", "rest"], axis=1),
            helper.make_node("Softplus", ["first"], ["near"]),
            helper.make_node("Softmax", ["rest"], ["likely"], axis=1),
        ],
        "toy",
        [port("depth", 1), port("semantic", 3)],
        [port("near", 1), port("likely", 3)],
        [helper.make_tensor("kernel", TensorProto.FLOAT, [4, 4, 1, 1], kernel),
         helper.make_tensor("sizes", TensorProto.INT64, [2], [1, 3])],
    )  # fmt: skip
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=9)
    path.write_bytes(model.SerializeToString())


def _write_strange_weights(folder: Path, weights: dict[str, torch.Tensor]) -> None:
    """Write weights of forms that are not plain: each file is sound, and no network's."""
    key, plain = next(iter(weights.items()))
    strange = {
        "meta": torch.empty(plain.shape, device="meta"),
        "sparse": plain.to_sparse(),
        "complex": plain.to(torch.complex64),
        "half": plain.half(),
        "integer": plain.long(),
        "nan": torch.full_like(plain, torch.nan),
        "empty": torch.empty(0, *plain.shape[1:]),
        "expanded": torch.zeros(1).expand(10**6, 10**6),
        "scalar": torch.tensor(1.0),
        "huge": torch.full_like(plain, 3e38),
        "quantised": torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8),
    }
    for name, tensor in strange.items():
        torch.save(weights | {key: tensor}, folder / f"strange-{name}.pt")


def _write_data(folder: Path) -> None:
    ids = [f"sample {i}" for i in range(6)]
    pictures = np.full((6, 5, 6, 3), 99, np.uint8)
    write_toy_file(
        folder / "data.h5", 6, ids=ids, groups=[0, 0, 1, 1, 2, 2], images=pictures, name="toy",
        attributes={"targets/semantic": {"ignore": 255, "classes": ["floor", "wall", "thing"]}},
    )  # fmt: skip
    stream = np.random.default_rng(0)
    write_evaluation_file(
        folder / "typed.h5",
        inputs={
            "points": [stream.uniform(size=(n, 3)) for n in (1, 2, 3)],
            "text": ["one", "two", "three"],
            "tokens": np.arange(6).reshape(3, 2),
            "intrinsics": np.eye(3),
        },
        targets={"label": np.arange(3), "quantised": np.arange(6, dtype=np.uint8).reshape(3, 2)},
        attributes={
            "inputs/intrinsics": {"shared": True},
            "targets/quantised": {"scale": 0.5, "offset": 1.0},
        },
    )


def _keep_shards(folder: Path) -> None:
    """Keep the shards of a measurement, which the command removes when all is written."""
    out = folder / "unfinished"
    measure(
        load_checkpoint(folder / "net.pt2"),
        folder / "data.h5",
        metrics={"depth": ["rms"], "semantic": ["mean_iou"]},
        mutes=["zero"],
        execution=Execution(device="cpu", batch_size=2),
        resampling=Resampling(draws=20),
        checkpointing=Checkpointing(out / "unfinished", target=out),
    )


def _warm(folder: Path) -> None:
    """Run every command once, so that all is imported before the first child."""
    run, net, data = (str(folder / name) for name in ("run", "net.pt2", "data.h5"))
    aside = folder / "warm"
    aside.mkdir(exist_ok=True)
    onnx = [["show", str(path)] for path in folder.glob("*.onnx")]
    for arguments in (
        ["show", net], ["show", data], *onnx, ["show", "metrics"], ["table", "omega", run],
        ["table", "seeds", run], ["plot", "matrix", run, "--out", str(aside / "a.png")],
        ["plot", "matrix", run, "--out", str(aside / "a.svg")],
        ["report", run, "--out", str(aside / "a.html")], ["compare", run, str(folder / "other")],
        ["power", run],
        ["maps", "--ckpt", net, "--data", data, "--source", "depth", "--target", "semantic",
         "--mute", "zero", "--id", "sample 0", "--out", str(aside / "a.h5")],
    ):  # fmt: skip
        _call(arguments)


def _call(arguments: list[str]) -> None:
    try:
        main(arguments, prog_name="influence")
    except SystemExit as end:
        if end.code:
            raise RuntimeError(f"influence {' '.join(arguments)}") from end
