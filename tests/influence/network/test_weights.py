"""Weights beside code: keys, wrappers, hostile pickles, and names of networks."""

from __future__ import annotations

import io
import os
import pickle
import sys
from collections.abc import Iterator
from functools import partial
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


def bare():
    return torch.nn.Identity()


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


class Parts(nn.Module):
    """Layers, a normalisation with a counter, and a single number."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)
        self.scale = nn.Parameter(torch.tensor(2.0))


class Wrapper(nn.Module):
    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.model = module


def prefixed(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}{key}": value for key, value in module.state_dict().items()}


PREFIXES = ["", "module.", "model.", "_orig_mod.", "module._orig_mod.", "net.", "student.backbone."]


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_that_all_keys_share_do_not_matter(prefix: str, wrapped: bool) -> None:
    trained, module = Parts(), Wrapper(Parts()) if wrapped else Parts()
    load_weights(module, {"": prefixed(prefix, trained)})
    inner = module.model if isinstance(module, Wrapper) else module
    for key, value in trained.state_dict().items():
        assert torch.equal(inner.state_dict()[key], value), key


def test_wrappers_of_single_layers_do_not_matter() -> None:
    trained, module = Parts(), Parts()
    weights = {
        key.replace("layer.", "layer._orig_mod.").replace("norm.", "norm.module."): value
        for key, value in trained.state_dict().items()
    }
    load_weights(module, {"": weights})
    assert torch.equal(module.layer.weight, trained.layer.weight)


@pytest.mark.parametrize("wrap", [partial(torch.compile, backend="eager"), nn.DataParallel])
def test_a_wrapped_network_takes_plain_weights(wrap: Any) -> None:
    trained, module = layer(), layer()
    load_weights(wrap(module), {"": trained.state_dict()})
    assert torch.equal(module.weight, trained.weight)


def test_what_torch_accepts_is_accepted() -> None:
    module, trained = Parts(), Parts()
    weights = {k: v for k, v in trained.state_dict().items() if "num_batches" not in k}
    weights["scale"] = torch.tensor([3.0])
    assert str(Parts().load_state_dict(weights)) == "<All keys matched successfully>"
    load_weights(module, {"": weights})
    assert (module.scale.shape, module.scale.item()) == ((), 3.0)


def test_tied_weights_may_be_stored_once(tmp_path: Path) -> None:
    def tied() -> nn.Sequential:
        module = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
        module[1].weight = module[0].weight
        return module

    trained, module = tied(), tied()
    safetensors.torch.save_model(trained, str(tmp_path / "tied.safetensors"))
    data = (tmp_path / "tied.safetensors").read_bytes()
    assert len(read_safetensors(data)) == 1
    load(module, data, pickled=False)
    assert module[1].weight is module[0].weight
    assert torch.equal(module.get_parameter("0.weight"), trained.get_parameter("0.weight"))
    apart = nn.Sequential(nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False))
    with pytest.raises(InfluenceError, match="1 missing"):
        load(apart, data, pickled=False)


def test_keys_of_earlier_versions_are_renamed_as_torch_does() -> None:
    old, new = nn.Linear(3, 2), nn.Linear(3, 2)
    with pytest.warns(FutureWarning, match="weight_norm"):
        nn.utils.weight_norm(old)  # keys weight_g and weight_v
    nn.utils.parametrizations.weight_norm(new)
    load_weights(new, {"": prefixed("module.", old)})
    inputs = torch.rand(4, 3)
    torch.testing.assert_close(new(inputs), old(inputs))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_values_are_cast_as_torch_casts_them(dtype: torch.dtype) -> None:
    module, trained = layer(), layer()
    weights = {key: value.to(dtype) for key, value in trained.state_dict().items()}
    load_weights(module, {"": weights})
    assert module.weight.dtype == torch.float32
    assert torch.equal(module.weight, trained.weight.to(dtype).float())


def test_what_does_not_fit_is_set_against_what_was_wanted() -> None:
    entries = {
        "state_dict": {**weights("model."), "loss.weight": torch.ones(1)},
        "ema": {"steps": torch.ones(1)},
    }
    with pytest.raises(InfluenceError) as raised:
        load_weights(layer(), entries)
    message = str(raised.value)
    assert r"the network's 2 (weight, bias)" in message
    assert (
        "3 tensors in 'state_dict': model.* (2), loss.* (1); 1 tensors in 'ema': steps" in message
    )
    assert message.endswith("Name the part that is the network: weights_key='state_dict.model'")
    module = layer()
    assert load_weights(module, entries, "state_dict.model") == ""
    assert torch.equal(module.weight, weights()["weight"])


def test_counts_that_a_profiler_leaves_are_named() -> None:
    with pytest.raises(InfluenceError, match=r"1 unexpected: total_ops.*without the unexpected"):
        load_weights(layer(), {"": weights() | {"total_ops": torch.zeros(1)}})


def test_entries_with_the_same_values_need_no_note() -> None:
    entries = {"model": weights(), "ema": weights("module.")}
    assert load_weights(layer(), entries) == ""
    entries["ema"]["module.bias"] = torch.zeros(2)
    note = load_weights(layer(), entries)
    assert note.endswith("the entry 'model'; 'ema' would fit as well: weights_key='ema'")


def test_a_wrapper_can_be_named_instead_of_what_is_in_it() -> None:
    module, other = layer(), {key: value + 1 for key, value in weights().items()}
    load_weights(module, {"model": weights(), "ema.shadow": other}, "ema")
    assert torch.equal(module.bias, other["bias"])


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
        (
            "networks_of_a_user:bare",
            r"bare Identity.*JointNetwork\(Identity\(...\), inputs=\('input",
        ),
    ],
)
def test_names_of_nothing_are_refused(folder: Path, name: str, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        find_network(name)


@pytest.mark.filterwarnings(
    "ignore:torch.quantize_per_tensor", "ignore:Sparse CSR", "ignore:TypedStorage"
)
def test_quantised_and_sparse_tensors_are_read_as_numbers() -> None:
    weight = torch.tensor([[0.5, 0.0, 1.0], [0.0, 0.0, 0.25]])
    quantised = torch.quantize_per_tensor(weight, 0.25, 0, torch.qint8)
    for stored in (quantised, weight.to_sparse(), weight.to_sparse_csr()):
        module = layer()
        load(module, saved({"weight": stored, "bias": torch.zeros(2)}))
        assert torch.equal(module.weight, weight)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (torch.empty(2, 3, device="meta"), "'weight' has a shape, but no values"),
        (torch.ones(2, 3, dtype=torch.complex64), "'weight' holds complex numbers"),
        (torch.ones(1, 1).expand(2**20, 2**20), "1 of another shape: weight"),
    ],
)
def test_tensors_without_numbers_of_their_own_are_refused(weight: Tensor, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        load(layer(), saved({"weight": weight, "bias": torch.zeros(2)}))


def test_lazy_layers_take_no_more_values_than_the_file_holds() -> None:
    huge = {"weight": torch.ones(1, 1).expand(2**20, 2**20), "bias": torch.zeros(2**20)}
    with pytest.raises(InfluenceError, match="claims more values than the file holds"):
        load(nn.LazyLinear(2), saved(huge))
