"""Checkpoints: there and back, and what is said of files that are something else."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.checkpoints import export_checkpoint, load_checkpoint, refill_checkpoint
from influence.network.joint_network import JointNetwork, Modality, Output
from tests.influence.network.programs.archives import (
    Small,
    honest_file,
    members_of,
    pack,
    small_inputs,
    tampered,
)
from tests.toy import toy, toy_arrays


class MultiScale(nn.Module):
    """Like the reference network: branches at several sizes, one of them resized to the others."""

    def __init__(self) -> None:
        super().__init__()
        self.near = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU())
        self.far = nn.Sequential(nn.Conv2d(4, 6, 3, padding=1), nn.ReLU(inplace=True))
        self.depth = nn.Conv2d(12, 1, 1)
        self.semantic = nn.Conv2d(12, 3, 1)

    def forward(self, depth: Tensor, semantic: Tensor) -> tuple[Tensor, Tensor]:
        x = torch.cat([depth, semantic], dim=1)
        shrunk = nn.functional.interpolate(x, scale_factor=0.25, mode="area")
        far = nn.functional.interpolate(
            self.far(shrunk), size=x.shape[-2:], mode="bilinear", align_corners=False
        )
        y = torch.cat([self.near(x), far], dim=1)
        return self.depth(y).clamp(1e-3, 10.0), self.semantic(y).softmax(dim=1)


def multi_scale() -> JointNetwork:
    torch.manual_seed(0)
    return JointNetwork(
        MultiScale(),
        inputs=[
            Modality("depth", "depth", unit="m", mean=(2.5,), std=(1.0,)),
            Modality("semantic", "probabilities", mean=(0.2, 0.3, 0.5)),
        ],
        outputs=[
            Output("depth", "depth"),
            Output("semantic", "probabilities", ("floor", "wall", "thing")),
        ],
        name="multi-scale",
        seed=7,
        trained_on="nothing",
        notes="a note",
    )


def images(samples: int, height: int, width: int) -> dict[str, Tensor]:
    stream = torch.Generator().manual_seed(samples + height)
    return {
        "depth": 10 * torch.rand(samples, 1, height, width, generator=stream),
        "semantic": torch.rand(samples, 3, height, width, generator=stream).softmax(dim=1),
    }


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "multi-scale.pt2"
    net = multi_scale()
    net.module.train()
    net.module.get_submodule("far").eval()
    export_checkpoint(net, path, images(2, 16, 24))
    assert net.module.training
    assert net.module.get_submodule("near.1").training
    assert not net.module.get_submodule("far").training
    return path


@pytest.mark.parametrize(
    ("samples", "height", "width"), [(2, 16, 24), (1, 16, 24), (5, 33, 21), (1, 8, 8)]
)
def test_an_exported_network_is_equal_to_the_bit(
    exported: Path, samples: int, height: int, width: int
) -> None:
    net = multi_scale().to("cpu")
    found = load_checkpoint(exported)
    inputs = images(samples, height, width)
    with torch.inference_mode():
        expected, got = net(inputs), found(inputs)
    assert list(got) == ["depth", "semantic"]
    for name, value in expected.items():
        assert torch.equal(got[name], value), name


def test_facts_survive_and_shapes_are_filled_in(exported: Path) -> None:
    expected = multi_scale().facts()
    found = load_checkpoint(exported)
    assert [m.shape for m in found.inputs] == [(1, None, None), (3, None, None)]
    for modality, shape in zip(expected["inputs"], [(1, None, None), (3, None, None)], strict=True):
        modality["shape"] = shape
    assert found.facts() == expected
    assert found.sha256 == hashlib.sha256(exported.read_bytes()).hexdigest()


def test_stated_shapes_fix_every_axis_but_the_samples(tmp_path: Path) -> None:
    free = multi_scale()
    stated = [
        replace(modality, shape=(channels, 16, 24))
        for modality, channels in zip(free.inputs, (1, 3), strict=True)
    ]
    net = JointNetwork(free.module.eval(), inputs=stated, outputs=free.outputs)
    inputs = {"depth": torch.rand(5, 1, 16, 24), "semantic": torch.rand(5, 3, 16, 24)}
    export_checkpoint(net, tmp_path / "net.pt2", {name: x[:2] for name, x in inputs.items()})
    found = load_checkpoint(tmp_path / "net.pt2")
    assert [m.shape for m in found.inputs] == [(1, 16, 24), (3, 16, 24)]
    for name, values in found(inputs).items():
        torch.testing.assert_close(values, net(inputs)[name])
    with pytest.raises(InfluenceError, match="16"):
        found({name: torch.rand(5, x.shape[1], 32, 24) for name, x in inputs.items()})


def test_the_network_is_in_evaluation_mode_and_learns_nothing(exported: Path) -> None:
    module = load_checkpoint(exported).module
    assert not any(part.training for part in module.modules())
    assert not any(parameter.requires_grad for parameter in module.parameters())


def test_two_exports_are_the_same_to_the_byte(exported: Path, tmp_path: Path) -> None:
    export_checkpoint(multi_scale(), tmp_path / "again.pt2", images(2, 16, 24))
    assert (tmp_path / "again.pt2").read_bytes() == exported.read_bytes()


def test_the_file_names_nothing_of_this_machine(exported: Path) -> None:
    members = members_of(exported.read_bytes())
    assert members["data/sample_inputs/model.pt"] == b""
    for name, content in members.items():
        assert b"PK\x03\x04" not in content, name
        assert b".py" not in content, name
        assert str(Path.home()).encode() not in content, name


def test_an_input_of_another_shape_is_named(exported: Path) -> None:
    inputs = images(2, 8, 12)
    with pytest.raises(InfluenceError, match=r"input 'semantic' .* shape \(2, 1, 8, 12\)"):
        load_checkpoint(exported)(inputs | {"semantic": inputs["depth"]})


def test_torch_reads_the_file_too(exported: Path) -> None:
    program = torch.export.load(io.BytesIO(exported.read_bytes())).module()
    inputs = images(3, 20, 12)
    with torch.no_grad():
        expected = program(*inputs.values())
        found = load_checkpoint(exported)(inputs)
    assert torch.equal(found["depth"], expected[0])
    assert torch.equal(found["semantic"], expected[1])


def test_a_loaded_network_is_exported_with_other_facts(exported: Path, tmp_path: Path) -> None:
    net = load_checkpoint(exported)
    net.name = "renamed"
    export_checkpoint(net, tmp_path / "renamed.pt2", images(2, 16, 24))
    found = load_checkpoint(tmp_path / "renamed.pt2")
    assert found.name == "renamed"
    inputs = images(3, 9, 30)
    assert torch.equal(found(inputs)["depth"], net(inputs)["depth"])


class Keywords(nn.Module):
    def forward(self, *, y: Tensor, x: Tensor) -> dict[str, Tensor]:
        return {"unused": x, "difference": x - 2 * y, "product": x * y}


class OneMapping(nn.Module):
    def forward(self, inputs: dict[str, Tensor]) -> list[Tensor]:
        return [inputs["x"] * inputs["y"], inputs["x"] - 2 * inputs["y"]]


class OneTuple(nn.Module):
    def forward(self, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        x, y = inputs
        return x * y, x - 2 * y


class Channels(nn.Module):
    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        x, y = inputs[:, :3], inputs[:, 3:]
        return x * y, x - 2 * y


@pytest.mark.parametrize(
    ("module", "call"),
    [
        (Keywords(), "keyword"),
        (OneMapping(), "mapping"),
        (OneTuple(), "tuple"),
        (Channels(), "channels"),
    ],
)
def test_every_call_convention_survives(module: nn.Module, call: Any, tmp_path: Path) -> None:
    net = JointNetwork(module, ("x", "y"), ("product", "difference"), call=call)
    inputs = {"y": torch.rand(4, 3), "x": torch.rand(4, 3)}
    export_checkpoint(net, tmp_path / "net.pt2", {n: v[:1] for n, v in inputs.items()})
    found = load_checkpoint(tmp_path / "net.pt2")(inputs)
    assert torch.equal(found["product"], inputs["x"] * inputs["y"])
    assert torch.equal(found["difference"], inputs["x"] - 2 * inputs["y"])


class Refuses(nn.Module):
    """A network that cannot be exported, in several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if self.how == "fixed batch":
            return (x + y).view(2, 3)
        if self.how == "random":
            return x + torch.rand_like(y)
        if self.how == "depends on values" and x.sum() > 0:
            return y
        if self.how == "unlisted":
            return x.as_strided((x.shape[0], 3), (3, 1)) + y
        return x + y


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("fixed batch", "one number of samples only"),
        ("random", "random numbers"),
        ("depends on values", "torch cannot export it"),
        ("unlisted", "as_strided.default', which is not on the list"),
    ],
)
def test_what_cannot_be_exported_leaves_no_file(how: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "net.pt2"
    path.write_text("earlier")
    net = JointNetwork(Refuses(how), ("x", "y"), ("z",), name="stubborn")
    with pytest.raises(InfluenceError, match=f"'stubborn'.*{message}"):
        export_checkpoint(net, path, {"x": torch.rand(2, 3), "y": torch.rand(2, 3)})
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_an_export_needs_every_example_and_a_suffix(tmp_path: Path) -> None:
    net = multi_scale()
    with pytest.raises(InfluenceError, match=r"no example for .* expected the input 'semantic'"):
        export_checkpoint(net, tmp_path / "net.pt2", {"depth": torch.rand(1, 1, 8, 8)})
    with pytest.raises(InfluenceError, match=r"ends in \.pt2"):
        export_checkpoint(net, tmp_path / "net.pt", images(1, 8, 8))


def test_facts_have_to_be_plain(tmp_path: Path) -> None:
    net = JointNetwork(Refuses(""), ("x", "y"), ("z",), notes=Path("a path"))  # type: ignore[arg-type]
    with pytest.raises(InfluenceError, match="facts"):
        export_checkpoint(net, tmp_path / "n.pt2", {"x": torch.ones(2, 3), "y": torch.ones(2, 3)})


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".safetensors"])
def test_weights_are_loaded_into_a_copy_of_the_network(suffix: str, tmp_path: Path) -> None:
    trained, net = multi_scale(), multi_scale()
    with torch.no_grad():
        for parameter in net.module.parameters():
            parameter.zero_()
    path = tmp_path / f"run-3{suffix}"
    if suffix == ".safetensors":
        safetensors.torch.save_file(trained.module.state_dict(), path)
    else:
        torch.save(trained.module.state_dict(), path)
    found = load_checkpoint(path, net)
    assert (found.name, found.seed, found.inputs) == ("run-3", 7, net.inputs)
    assert found.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    inputs = images(2, 8, 12)
    assert torch.equal(found(inputs)["depth"], trained.to("cpu")(inputs)["depth"])
    assert not any(parameter.any() for parameter in net.module.parameters())


def with_facts(change: Any) -> bytes:
    return tampered(change, "extra/influence.json")


def renamed(key: str, *names: str) -> bytes:
    return with_facts(lambda facts: facts.update({key: [{"name": name} for name in names]}))


def scripted() -> bytes:
    buffer = io.BytesIO()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(Small()), buffer)
    return buffer.getvalue()


BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty": (lambda: b"", "is empty"),
    "picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(200), "no checkpoint of a known kind"),
    "pickle": (lambda: _saved_weights(), "a file of weights needs the network"),
    "torchscript": (scripted, "TorchScript, which is code.*trust=True"),
    "no facts": (lambda: honest_file(facts=False), "has no influence.json"),
    "fixed batch": (
        lambda: honest_file(free_batch=False),
        "input 'x' was exported with a fixed number",
    ),
    "inputs": (lambda: renamed("inputs", "x"), "names the inputs x, but the program has 2"),
    "outputs": (lambda: renamed("outputs", "z", "w"), "outputs z, w, but the program has 1"),
    "kind": (
        lambda: with_facts(lambda facts: facts["inputs"][0].update(kind="smell")),
        "unknown input kind 'smell'",
    ),
    "call": (lambda: with_facts(lambda facts: facts.update(call="channels")), "names the inputs"),
    "shape": (
        lambda: with_facts(lambda facts: facts["inputs"][0].update(shape=[5])),
        r"input 'x' the shape \(5,\), but the program takes \(3,\)",
    ),
    "terminal": (lambda: pack(members_of(honest_file()) | {"\x1b[2J": b""}), r"\?\[2J|x1b"),
}


def _saved_weights() -> bytes:
    buffer = io.BytesIO()
    torch.save(Small().state_dict(), buffer)
    return buffer.getvalue()


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_named_with_its_fault(name: str, tmp_path: Path) -> None:
    make, message = BAD_FILES[name]
    path = tmp_path / "bad.pt2"
    path.write_bytes(make())
    with pytest.raises(InfluenceError, match=message) as raised:
        load_checkpoint(path)
    assert str(path) in str(raised.value)
    assert str(raised.value).isprintable()


def test_a_missing_file_and_a_folder_without_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=r"missing\.pt2: no such checkpoint"):
        load_checkpoint(tmp_path / "missing.pt2")
    with pytest.raises(InfluenceError, match=r"a folder without \.safetensors"):
        load_checkpoint(tmp_path, multi_scale())


@pytest.mark.parametrize("name", ["a.ckpt", "a.bin", "a.tar", "a.safetensors", "weights"])
def test_content_counts_and_not_the_suffix(tmp_path: Path, name: str) -> None:
    trained = Small()
    torch.save(trained.state_dict(), tmp_path / name)
    found = load_checkpoint(tmp_path / name, JointNetwork(Small(), ("x", "y"), ("z",)))
    assert found.name == Path(name).stem
    assert torch.equal(found(small_inputs(3))["z"], trained(*small_inputs(3).values()))


def test_a_folder_is_one_checkpoint_also_in_shards(tmp_path: Path) -> None:
    trained, net = multi_scale(), multi_scale()
    with torch.no_grad():
        for parameter in net.module.parameters():
            parameter.zero_()
    weights = trained.module.state_dict()
    one, shards = tmp_path / "one", tmp_path / "shards"
    for folder in (one, shards):
        folder.mkdir()
        (folder / "config.json").write_text('{"auto_map": {"AutoModel": "evil.py"}}')
    safetensors.torch.save_file(weights, one / "model.safetensors")
    names = {key: f"model-{i % 2 + 1}-of-2.safetensors" for i, key in enumerate(weights)}
    for name in set(names.values()):
        part = {key: value for key, value in weights.items() if names[key] == name}
        safetensors.torch.save_file(part, shards / name)
    (shards / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}))
    inputs, expected = images(2, 8, 12), trained.to("cpu")(images(2, 8, 12))
    for folder in (one, shards):
        found = load_checkpoint(folder, net)
        assert found.name == folder.name
        assert torch.equal(found(inputs)["depth"], expected["depth"])
    # One file in a folder is the same checkpoint as the file by itself.
    alone = load_checkpoint(one / "model.safetensors", net)
    assert alone.sha256 == load_checkpoint(one, net).sha256
    parts = [(shards / f"model-{i}-of-2.safetensors").read_bytes() for i in (1, 2)]
    digest = hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts))
    assert load_checkpoint(shards, net).sha256 == digest.hexdigest()


def test_a_folder_with_shards_and_no_index_is_ambiguous(tmp_path: Path) -> None:
    for name in ("a", "b"):
        safetensors.torch.save_file({name: torch.ones(1)}, tmp_path / f"{name}.safetensors")
    with pytest.raises(InfluenceError, match=r"a\.safetensors, b\.safetensors belong together"):
        load_checkpoint(tmp_path, multi_scale())


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "/tmp/x.safetensors", "a\\b.safetensors"]
)
def test_an_index_that_leaves_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file({"weight": torch.ones(1)}, tmp_path / "outside.safetensors")
    folder = tmp_path / "hostile"
    folder.mkdir()
    index = json.dumps({"weight_map": {"weight": name}})
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InfluenceError, match="do not trust this folder"):
        load_checkpoint(folder, multi_scale())


def test_code_that_a_configuration_names_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"auto_map": {"AutoModel": "evil--Model"}, "trust_remote_code": true}'
    )
    (tmp_path / "evil.py").write_text(f"open({str(tmp_path / 'made')!r}, 'w')")
    safetensors.torch.save_file(Small().state_dict(), tmp_path / "model.safetensors")
    load_checkpoint(tmp_path, JointNetwork(Small(), ("x", "y"), ("z",)))
    assert not (tmp_path / "made").exists()


def test_torchscript_is_loaded_only_if_trusted(tmp_path: Path) -> None:
    path = tmp_path / "net.ts"
    trained = Small()
    with pytest.warns(DeprecationWarning, match="torch.jit"):
        torch.jit.save(torch.jit.script(trained), path)
    facts = JointNetwork(Small(), ("x", "y"), ("z",))
    with pytest.raises(InfluenceError, match=r"it is TorchScript.*not loaded.*trust=True"):
        load_checkpoint(path, facts)
    with pytest.raises(InfluenceError, match=r"does not name its inputs.*network='module:factory'"):
        load_checkpoint(path, trust=True)
    found = load_checkpoint(path, facts, trust=True)
    assert torch.equal(found(small_inputs(3))["z"], trained(*small_inputs(3).values()))
    assert (found.name, isinstance(found.module, torch.jit.ScriptModule)) == ("net", True)


def test_the_first_entry_that_fits_is_taken_and_said(tmp_path: Path) -> None:
    path = tmp_path / "run.pth"
    trained = Small().state_dict()
    averaged = {key: value + 1 for key, value in trained.items()}
    torch.save({"ema": averaged, "model": trained}, path)
    net = JointNetwork(Small(), ("x", "y"), ("z",))
    with pytest.warns(UserWarning, match=r"entry 'model'; 'ema' would fit.*weights_key='ema'"):
        found = load_checkpoint(path, net)
    assert "weights_key='ema'" in found.notes
    for key, expected in trained.items():
        assert torch.equal(found.module.state_dict()[key], expected)
    chosen = load_checkpoint(path, net, weights_key="ema")
    for key, expected in averaged.items():
        assert torch.equal(chosen.module.state_dict()[key], expected)
    with pytest.raises(InfluenceError, match=r"unknown entry of the checkpoint 'emma'.*'ema'"):
        load_checkpoint(path, net, weights_key="emma")


def test_a_program_without_facts_takes_those_of_a_network(tmp_path: Path) -> None:
    path = tmp_path / "plain.pt2"
    path.write_bytes(honest_file(facts=False))
    facts = JointNetwork(nn.Identity(), (Modality("x", "vector"), "y"), ("z",), seed=4)
    found = load_checkpoint(path, facts)
    assert (found.name, found.seed, found.inputs[0].kind) == ("plain", 4, "vector")
    expected = torch.export.load(path).module()(*small_inputs(3).values())
    assert torch.equal(found(small_inputs(3))["z"], expected)


def compiled(module: nn.Module) -> nn.Module:
    module.compile(backend="eager")
    return module


WRAPPED: dict[str, Callable[[nn.Module], Any]] = {
    "compiled": lambda module: torch.compile(module, backend="eager"),
    "compiled in place": compiled,
    "parallel": nn.DataParallel,
    "both": lambda module: torch.compile(nn.DataParallel(module), backend="eager"),
}


@pytest.mark.parametrize("how", WRAPPED)
def test_the_module_inside_a_wrapper_is_exported(how: str, tmp_path: Path) -> None:
    trained = Small()
    expected = trained(*small_inputs(3).values())
    module = WRAPPED[how](trained)
    net = JointNetwork(module, ("x", "y"), ("z",))
    export_checkpoint(net, tmp_path / "net.pt2", small_inputs(2))
    assert torch.equal(load_checkpoint(tmp_path / "net.pt2")(small_inputs(3))["z"], expected)
    assert net.module is module
    assert (getattr(module, "_compiled_call_impl", None) is not None) == (
        how == "compiled in place"
    )


class Measures(nn.Module):
    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return (x + y).reshape(len(x), -1)


def test_a_network_that_asks_for_the_length_is_exported(tmp_path: Path) -> None:
    net = JointNetwork(Measures(), ("x", "y"), ("z",))
    examples = {name: torch.rand(2, 3, 4) for name in ("x", "y")}
    export_checkpoint(net, tmp_path / "net.pt2", examples)
    inputs = {name: torch.rand(5, 3, 4) for name in ("x", "y")}
    found = load_checkpoint(tmp_path / "net.pt2")(inputs)["z"]
    assert torch.equal(found, (inputs["x"] + inputs["y"]).flatten(1))


class Chunks(nn.Module):
    """The channels of both inputs side by side, in two halves: torch could leave them free."""

    def forward(self, left: Tensor, right: Tensor) -> tuple[Tensor, ...]:
        return torch.cat([left, right], 1).chunk(2, dim=1)


@pytest.mark.parametrize(("kind", "channels"), [("image", 4), ("depth", 4), ("other", None)])
def test_channels_stay_as_in_the_example(kind: str, channels: int | None, tmp_path: Path) -> None:
    inputs = [Modality(name, kind) for name in ("left", "right")]
    net = JointNetwork(Chunks(), inputs, ("p", "q"))
    examples = {name: torch.rand(2, 4, 6, 8) for name in ("left", "right")}
    export_checkpoint(net, tmp_path / "net.pt2", examples)
    shapes = [modality.shape for modality in load_checkpoint(tmp_path / "net.pt2").inputs]
    assert shapes == 2 * [(channels, None, None)]


def test_weights_without_a_network_say_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(_saved_weights())
    with pytest.raises(InfluenceError, match=r"weights\.pt.*network='module:factory'"):
        load_checkpoint(path)


def test_a_file_of_torch_export_with_facts_is_read(tmp_path: Path) -> None:
    path = tmp_path / "foreign.pt2"
    path.write_bytes(honest_file())
    found = load_checkpoint(path)
    assert found.name == "small"
    assert found(small_inputs(3))["z"].shape == (3, 2)
    assert json.loads(json.dumps(found.facts()))["outputs"][0]["name"] == "z"


@pytest.fixture
def exported_refilling(tmp_path: Path) -> Path:
    inputs = {name: torch.from_numpy(x[:2]) for name, x in toy_arrays()["inputs"].items()}
    export_checkpoint(toy(), tmp_path / "old.pt2", inputs)
    return tmp_path / "old.pt2"


def test_refilled_checkpoint_has_the_same_program_and_facts(
    exported_refilling: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new.pt2"
    refill_checkpoint(exported_refilling, new, {"semantic": (0.5, 0.25, 0.25), "depth": [2]})
    one, other = members_of(exported_refilling.read_bytes()), members_of(new.read_bytes())
    assert list(one) == list(other)
    assert [name for name in one if one[name] != other[name]] == ["extra/influence.json"]
    old, net = load_checkpoint(exported_refilling), load_checkpoint(new)
    facts = net.facts()
    assert [item.pop("optimal") for item in facts["inputs"]] == [(2.0,), (0.5, 0.25, 0.25)]
    expected = old.facts()
    assert [item.pop("optimal") for item in expected["inputs"]] == [None, None]
    assert facts == expected
    assert net.sha256 != old.sha256
    inputs = {name: torch.from_numpy(x[:3]) for name, x in toy_arrays()["inputs"].items()}
    torch.export.load(new)  # torch itself takes it
    for name, value in old(inputs).items():
        assert torch.equal(net(inputs)[name], value)


def test_unknown_facts_outlive_a_refill(tmp_path: Path) -> None:
    facts = {"inputs": [{"name": "x", "later": 1}, {"name": "y"}], "outputs": [{"name": "z"}]}
    text = json.dumps(facts | {"later": [2]}).encode()
    members = members_of(honest_file()) | {"extra/influence.json": text}
    (tmp_path / "old.pt2").write_bytes(pack(members))
    refill_checkpoint(tmp_path / "old.pt2", tmp_path / "new.pt2", {"x": [0.5]})
    found = json.loads(members_of((tmp_path / "new.pt2").read_bytes())["extra/influence.json"])
    assert found["later"] == [2]
    assert found["inputs"][0] == {"name": "x", "later": 1, "optimal": [0.5]}


@pytest.mark.parametrize(
    ("old", "new", "constants", "message"),
    [
        ("a.pt2", "a.pt2", {"x": [1.0]}, r"a\.pt2 exists and is not overwritten"),
        ("a.pt2", "b.pt", {"x": [1.0]}, r"ends in \.pt2, got .*b\.pt"),
        ("a.safetensors", "b.pt2", {"x": [1.0]}, "files of weights hold no facts"),
        ("gone.pt2", "b.pt2", {"x": [1.0]}, "no such checkpoint"),
        ("a.pt2", "b.pt2", {"xx": [1.0]}, "unknown input 'xx': did you mean 'x'"),
        ("a.pt2", "b.pt2", {"x": [float("nan")]}, "optimal: 0: input should be a finite number"),
    ],
)
def test_bad_refills_write_nothing(
    tmp_path: Path, old: str, new: str, constants: dict[str, list[float]], message: str
) -> None:
    (tmp_path / "a.pt2").write_bytes(honest_file())
    with pytest.raises(InfluenceError, match=message):
        refill_checkpoint(tmp_path / old, tmp_path / new, constants)
    assert [path.name for path in tmp_path.iterdir()] == ["a.pt2"]
    assert (tmp_path / "a.pt2").read_bytes() == honest_file()
