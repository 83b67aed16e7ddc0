"""Weights beside code: keys, wrappers, hostile pickles, and names of networks."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.network.state_dicts import find_entries, read_pickle, read_safetensors
from influence.network.weights import find_network, load_weights

FACTORY = """
import torch
from influence.network.joint_network import JointNetwork

NOT_A_NETWORK = 3
made = JointNetwork(torch.nn.Identity(), ("x",), ("y",), name="object")


def make():
    import beside  # a module in the same folder, imported late
    return JointNetwork(torch.nn.Linear(2, beside.WIDTH), ("x",), ("y",), name="factory")


def fail():
    raise RuntimeError("no such luck")
"""


def layer() -> nn.Linear:
    return nn.Linear(3, 2)


def saved(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def load(module: nn.Module, data: bytes, *, pickled: bool = True, key: str | None = None) -> str:
    """Load a file of weights into a module."""
    found = find_entries(read_pickle(data)) if pickled else {"": read_safetensors(data)}
    return load_weights(module, found, key)


def weights(prefix: str = "") -> dict[str, Tensor]:
    return {f"{prefix}weight": torch.arange(6.0).view(2, 3), f"{prefix}bias": torch.ones(2)}


@pytest.mark.parametrize(
    "content",
    [
        weights(),
        weights("module."),
        {"state_dict": weights(), "epoch": 3},
        {"model": weights("module."), "optimizer": {"lr": 0.1}},
    ],
)
def test_state_dicts_are_found(content: Any) -> None:
    module = layer()
    load(module, saved(content), pickled=True)
    assert torch.equal(module.weight, weights()["weight"])
    assert torch.equal(module.bias, torch.ones(2))


def test_safetensors_are_read() -> None:
    module = layer()
    load(module, safetensors.torch.save(weights("module.")), pickled=False)
    assert torch.equal(module.weight, weights()["weight"])


def test_half_precision_weights_are_widened() -> None:
    module = layer()
    halves = {name: value.half() for name, value in weights().items()}
    load(module, safetensors.torch.save(halves), pickled=False)
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, weights()["weight"])


def test_keys_that_do_not_match_are_listed() -> None:
    module = nn.Linear(4, 2)
    before = module.weight.clone()
    content = {"weight": torch.ones(2, 3), "head.bias": torch.ones(1)}
    with pytest.raises(InfluenceError) as raised:
        load(module, saved(content), pickled=True)
    message = str(raised.value)
    assert "1 missing: bias" in message
    assert "1 unexpected: head.bias" in message
    assert "weight (2, 3) instead of (2, 4)" in message
    assert torch.equal(module.weight, before)


def test_long_lists_of_keys_are_cut() -> None:
    content = {f"layer{i}": torch.ones(1) for i in range(9)} | weights()
    with pytest.raises(InfluenceError, match=r"9 unexpected: layer0, .*layer4, \.\.\."):
        load(layer(), saved(content), pickled=True)


class MakesFolder:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("new_format", [True, False])
def test_a_pickle_with_code_is_refused(tmp_path: Path, new_format: bool) -> None:
    buffer = io.BytesIO()
    content = {"weight": MakesFolder(tmp_path / "made")}
    torch.save(content, buffer, _use_new_zipfile_serialization=new_format)
    with pytest.raises(InfluenceError, match="holds code"):
        load(layer(), buffer.getvalue(), pickled=True)
    assert not (tmp_path / "made").exists()
    torch.load(io.BytesIO(buffer.getvalue()), weights_only=False)  # it would have been made
    assert (tmp_path / "made").exists()


def test_the_code_in_a_pickle_is_named() -> None:
    with pytest.raises(InfluenceError, match=r"torch\.nn\.modules\.linear\.Linear"):
        load(layer(), saved(layer()), pickled=True)


@pytest.mark.parametrize(
    ("data", "pickled", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(100), True, "not a state dict"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), False, "not a safetensors file"),
        (saved(weights())[:-200], True, "not a state dict that torch.save wrote, or cut off"),
        (safetensors.torch.save(weights())[:-8], False, "not a safetensors file, or cut off"),
        (pickle.dumps(weights(), protocol=4), True, "not a state dict"),
        (saved([1, 2]), True, "holds no state dict"),
        (saved({"weight": "text"}), True, "holds no state dict"),
    ],
)
def test_other_files_are_refused(data: bytes, pickled: bool, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        load(layer(), data, pickled=pickled)


def test_a_torchscript_archive_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scripted.pt"
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(layer()), path)
    with pytest.raises(InfluenceError, match="TorchScript"):
        load(layer(), path.read_bytes(), pickled=True)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with two modules."""
    (tmp_path / "networks_of_a_user.py").write_text(FACTORY)
    (tmp_path / "beside.py").write_text("WIDTH = 5")
    (tmp_path / "broken_network.py").write_text("import nothing_of_this_name")
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in ("networks_of_a_user", "beside", "broken_network"):
        sys.modules.pop(name, None)


def test_networks_are_found_by_name(folder: Path) -> None:
    made = find_network("networks_of_a_user:make")
    assert made.name == "factory"
    assert made({"x": torch.ones(1, 2)})["y"].shape == (1, 5)
    assert find_network("networks_of_a_user:made").name == "object"


def test_a_network_that_is_given_is_copied() -> None:
    net = JointNetwork(layer(), ("x",), ("y",))
    copied = find_network(net)
    assert copied is not net
    assert copied.module is not net.module
    assert torch.equal(copied.module.get_parameter("weight"), net.module.get_parameter("weight"))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("networks_of_a_user", "module:factory"),
        (":make", "module:factory"),
        ("no_such_module:make", "No module named 'no_such_module'"),
        ("broken_network:make", "nothing_of_this_name"),
        ("networks_of_a_user:maek", "has no attribute 'maek'"),
        ("networks_of_a_user:fail", "RuntimeError: no such luck"),
        ("networks_of_a_user:NOT_A_NETWORK", "is of type int, expected"),
        ("networks_of_a_user:torch", "is of type module, expected"),
    ],
)
def test_names_of_nothing_are_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        find_network(name)
