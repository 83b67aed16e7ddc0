"""Programs: what they take, what they return, and what a malformed one says."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import random
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.programs.archive import with_text
from influence.network.programs.export import pack_program, trace_program
from influence.network.programs.program import Interface, read_program
from tests.influence.network.programs.archives import (
    MODEL,
    Small,
    honest_file,
    members_of,
    of_torch_2_6,
    of_torch_2_8,
    pack,
    small_inputs,
    tampered,
)


def test_the_program_computes_what_torch_reads() -> None:
    theirs = torch.export.load(io.BytesIO(honest_file())).module()
    ours = read_program(honest_file())
    inputs = small_inputs(5).values()
    assert torch.equal(ours(*inputs)[0], theirs(*inputs))


def test_a_copy_computes_the_same() -> None:
    program = read_program(honest_file())
    inputs = small_inputs().values()
    assert torch.equal(copy.deepcopy(program)(*inputs)[0], program(*inputs)[0])


class Everything(nn.Module):
    """Subgraphs, several results, sizes, devices, in-place operators, a tuple in a dictionary."""

    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(2, 4, 3, padding=1)
        self.register_buffer("shift", torch.tensor([[0.5], [1.5]]), persistent=False)

    def forward(self, image: Tensor, vector: Tensor) -> dict[str, Tensor]:
        with torch.no_grad():
            features = torch.relu_(self.layer(image))
        with torch.autocast("cpu", torch.bfloat16):
            product = vector @ self.shift
        first, second = torch.split(features, [1, 3], dim=1)
        pooled, index = nn.functional.max_pool2d(second, 2, return_indices=True)
        smaller = nn.functional.interpolate(
            first, size=(image.shape[-2] // 2, image.shape[-1] * 2 // 3), mode="bilinear"
        )
        ramp = torch.arange(image.shape[-1], device=image.device)
        best = vector.topk(1, dim=1).values
        return {
            "maps": smaller + pooled.mean() + index.sum(),
            "numbers": torch.cat([product.float(), best * ramp.sum()], dim=1),
        }


@pytest.fixture(scope="module")
def everything() -> tuple[Everything, bytes]:
    torch.manual_seed(0)
    module = Everything().eval()
    filters = module.layer.weight
    filters.data = filters.data.contiguous(memory_format=torch.channels_last)
    example = (torch.rand(2, 2, 8, 12), torch.rand(2, 2))
    return module, pack_program(trace_program(module, example), {"note.txt": "hello"})


@pytest.mark.parametrize(("samples", "height", "width"), [(1, 8, 12), (3, 10, 9), (2, 31, 44)])
def test_every_kind_of_node_is_rebuilt(
    everything: tuple[Everything, bytes], samples: int, height: int, width: int
) -> None:
    module, data = everything
    program = read_program(data)
    inputs = torch.rand(samples, 2, height, width), torch.rand(samples, 2)
    expected, found = module(*inputs), program(*inputs)
    assert list(found) == ["maps", "numbers"]
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert program.texts == {"note.txt": b"hello"}


def test_moving_the_program_moves_the_tensors_that_it_makes(
    everything: tuple[Everything, bytes],
) -> None:
    program = read_program(everything[1]).to("meta")
    found = program(torch.rand(2, 2, 8, 12, device="meta"), torch.rand(2, 2, device="meta"))
    assert {value.device.type for value in found.values()} == {"meta"}


def test_programs_run_in_mixed_precision(everything: tuple[Everything, bytes]) -> None:
    """torch writes assertions on types into the graph, which mixed precision would break."""
    module, data = everything
    inputs = torch.rand(2, 2, 8, 12), torch.rand(2, 2)
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = module(*inputs), read_program(data)(*inputs)
    assert torch.equal(found["maps"], expected["maps"])


def test_changing_the_type_leaves_the_device() -> None:
    inputs = small_inputs()
    doubled = read_program(honest_file()).double()
    found = doubled(*(value.double() for value in inputs.values()))[0]
    assert found.dtype == torch.float64
    assert torch.allclose(found.float(), read_program(honest_file())(*inputs.values())[0])


def test_nodes_say_in_which_module_they_were_called(everything: tuple[Everything, bytes]) -> None:
    program = read_program(everything[1])
    stacks = [
        list(node.meta["nn_module_stack"].values())
        for graph in program.modules()
        if isinstance(graph, torch.fx.GraphModule)
        for node in graph.graph.find_nodes(op="call_function", target=torch.ops.aten.conv2d.default)
    ]
    ((outer, inner),) = stacks
    assert outer[0] == ""
    assert inner == ("layer", "torch.nn.modules.conv.Conv2d")


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([(2, 3)], "expected 2 inputs, got 1"),
        ([(2, 4), (2, 2)], r"input 1 .* shape \(2, 4\), expected \(n <= 8, 3\)"),
        ([(2, 3, 1), (2, 2)], "input 1"),
        ([(2, 3), (3, 2)], r"input 2 .* expected \(n <= 8, 2\)"),
        ([(9, 3), (9, 2)], "n <= 8"),
    ],
)
def test_other_shapes_are_refused(shapes: list[tuple[int, ...]], message: str) -> None:
    interface = Interface((("n", 3), ("n", 2)), {"n": (2, 8)}, (None, None), (None,))
    interface.check([(1, 3), (1, 2)])
    interface.check([(8, 3), (8, 2)])
    with pytest.raises(InfluenceError, match=message):
        interface.check(shapes)


def test_a_program_checks_its_inputs() -> None:
    x, y = small_inputs().values()
    with pytest.raises(InfluenceError, match="input 1"):
        read_program(honest_file())(y, x)


def test_an_operator_that_fails_names_the_shapes() -> None:
    def change(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"][0]["target"] = "torch.ops.aten.mm.default"

    program = read_program(tampered(change))
    with pytest.raises(InfluenceError, match=r"failed on inputs of the shapes \[\(2, 3\)"):
        program(*small_inputs().values())


def _delete(model: Any) -> None:
    del model["graph_module"]["graph"]["nodes"][0]


def _argument(value: dict[str, Any]) -> Any:
    def change(model: Any) -> None:
        node = model["graph_module"]["graph"]["nodes"][0]
        node["inputs"][0]["arg"] = value

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda model: model.clear(), "malformed"),
        (lambda model: model.update(schema_version={"major": 9, "minor": 0}), "schema 9"),
        (_delete, "malformed"),
        (_argument({"as_custom_obj": {"name": "x", "class_fqn": "y"}}), "as_custom_obj"),
        (_argument({"as_operator": "torch.os.system"}), "as_operator"),
        (_argument({"as_int": "1; import os"}), "malformed"),
        (_argument({"as_int": True}), "malformed"),
        (_argument({"as_float": "1"}), "malformed"),
        (_argument({"as_tensor": {"name": "nobody"}}), "malformed"),
        (lambda model: model["graph_module"].update(module_call_graph=[]), "malformed"),
    ],
)
def test_a_malformed_graph_is_refused(change: Any, message: str) -> None:
    with pytest.raises(InfluenceError, match=message):
        read_program(tampered(change))


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", b"[" * 10**5, b'{"graph_module": []}'])
def test_a_graph_that_is_no_graph_is_refused(text: bytes) -> None:
    with pytest.raises(InfluenceError):
        read_program(pack(members_of(honest_file()) | {MODEL: text}))


def _places(content: Any) -> Iterator[tuple[Any, Any]]:
    items = content.items() if isinstance(content, dict) else enumerate(content)
    for key, value in list(items):
        yield content, key
        if isinstance(value, dict | list):
            yield from _places(value)


@pytest.mark.parametrize("seed", range(100))
def test_any_change_of_the_graph_gives_a_program_or_a_clear_error(seed: int) -> None:
    draw = random.Random(seed)

    def change(model: Any) -> None:
        holder, key = draw.choice(list(_places(model["graph_module"])))
        holder[key] = draw.choice([None, -1, True, 2**70, 0.5, "x", [], {}, {"as_int": 1}])

    with contextlib.suppress(InfluenceError):
        read_program(tampered(change))(*small_inputs().values())


def test_a_network_that_changes_its_state_is_refused() -> None:
    def change(model: Any) -> None:
        specs = model["graph_module"]["signature"]["output_specs"]
        specs[0] = {"buffer_mutation": {"arg": {"name": "z"}, "buffer_name": "n"}}

    with pytest.raises(InfluenceError, match="changes its own state"):
        read_program(tampered(change))


def test_results_that_are_no_tensors_are_refused() -> None:
    def change(model: Any) -> None:
        model["graph_module"]["graph"]["outputs"][0] = {"as_int": 1}

    with pytest.raises(InfluenceError, match="something else than tensors"):
        read_program(tampered(change))


def test_weights_are_rebuilt_as_they_were() -> None:
    torch.manual_seed(0)
    module = Small().eval()
    example = tuple(small_inputs().values())
    program = read_program(pack_program(trace_program(module, example), {}))
    saved = {tuple(p.shape): p for p in program.parameters()}
    for parameter in module.parameters():
        assert torch.equal(saved[tuple(parameter.shape)], parameter)
    assert json.loads(json.dumps(list(saved))) == [[2, 3], [2]]


class Attends(nn.Module):
    """Tokens and a sequence: embedding, attention under a mask, sizes that are computed with."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.query = nn.Embedding(20, 8), nn.Linear(8, 8)
        self.steps, self.head = nn.Conv1d(3, 8, 3, padding=1), nn.Linear(8, 4)
        mask = torch.tril(torch.ones(16, 16, dtype=torch.bool))
        self.mask: Tensor
        self.register_buffer("mask", mask, persistent=False)
        self.scale = torch.tensor([2.0])

    def forward(self, ids: Tensor, x: Tensor) -> Tensor:
        words, length = self.words(ids).unsqueeze(1), ids.shape[1]
        mask = self.mask[:length, :length]
        seen = nn.functional.scaled_dot_product_attention(
            self.query(words), words, words, attn_mask=mask
        )
        with torch.no_grad():
            pooled = seen.squeeze(1).mean(1)
        flat = x.reshape(x.shape[0], 3 * (x.shape[2] // 1)).sum(1, keepdim=True) * self.scale
        head: Tensor = self.head(pooled) + self.head(self.steps(x).amax(2)) + flat
        return head


@pytest.mark.parametrize("layout", [of_torch_2_6, of_torch_2_8])
def test_programs_of_earlier_versions_of_torch_are_read(layout: Callable[[bytes], bytes]) -> None:
    samples, length = torch.export.Dim("samples"), torch.export.Dim("length", max=12)
    module = Attends().eval()
    exported = torch.export.export(
        module,
        (torch.zeros(3, 7, dtype=torch.long), torch.rand(3, 3, 9)),
        dynamic_shapes=({0: samples, 1: length}, {0: samples, 2: torch.export.Dim("steps")}),
    )
    buffer = io.BytesIO()
    torch.export.save(exported, buffer, extra_files={"note.txt": "kept"})
    data = layout(buffer.getvalue())
    program = read_program(data)
    ids, x = torch.randint(0, 20, (5, 4)), torch.rand(5, 3, 6)
    with torch.no_grad():
        (found,) = program(ids, x)
        assert torch.equal(found, module(ids, x))
    assert program.texts["note.txt"] == b"kept"
    assert not any(parameter.requires_grad for parameter in program.parameters())
    assert sum(p.numel() for p in program.parameters()) == sum(
        p.numel() for p in module.parameters()
    )
    # Facts are written into them as into others.
    changed = read_program(with_text(data, "note.txt", "new"))
    assert changed.texts["note.txt"] == b"new"


@pytest.mark.parametrize("layout", [of_torch_2_6, of_torch_2_8])
def test_pickled_tensors_of_earlier_versions_hold_tensors_only(
    layout: Callable[[bytes], bytes],
) -> None:
    other = io.BytesIO()
    torch.save({"layer.weight": [1.0]}, other)
    members = {
        "data/weights/model.pt": other.getvalue(),
        "serialized_state_dict.pt": other.getvalue(),
    }
    buffer = io.BytesIO()
    written = io.BytesIO(layout(honest_file()))
    with zipfile.ZipFile(written) as old, zipfile.ZipFile(buffer, "w") as new:
        for info in old.infolist():
            inner = info.filename.partition("/")[2] or info.filename
            new.writestr(info, members.get(inner, old.read(info)))
    with pytest.raises(InfluenceError, match="its weights are something else than plain tensors"):
        read_program(buffer.getvalue())
