"""Files that make torch.export.load run code, write files or import modules, and do not here."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import sys
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from influence.errors import InfluenceError
from influence.network.checkpoints import load_checkpoint
from tests.influence.network.programs.archives import (
    honest_file,
    members_of,
    pack,
    small_inputs,
    tampered,
    with_member,
)

WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


class MakesFolder:
    """Pickled, it makes a folder when it is loaded."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.marker),)


def code(marker: Path) -> str:
    return f"__import__('os').mkdir('{marker}')"


def pickled(marker: Path, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(MakesFolder(marker), buffer, **options)
    return buffer.getvalue()


def sample_inputs(marker: Path) -> bytes:
    return with_member("data/sample_inputs/model.pt", pickled(marker))


def sample_inputs_in_the_old_format(marker: Path) -> bytes:
    old = pickled(marker, _use_new_zipfile_serialization=False)
    return with_member("data/sample_inputs/model.pt", old)


def weights(marker: Path) -> bytes:
    return _pickled_tensor(marker, "layer.weight", "weight_0", "data/weights", WEIGHTS)


def constants(marker: Path) -> bytes:
    return _pickled_tensor(marker, "scale", "tensor_0", "data/constants", CONSTANTS)


def _pickled_tensor(marker: Path, name: str, path: str, folder: str, config: str) -> bytes:
    members = members_of(honest_file())
    content = json.loads(members[config])
    content["config"][name] |= {"use_pickle": True, "path_name": path}
    changed = {config: json.dumps(content).encode(), f"{folder}/{path}": pickled(marker)}
    return pack(members | changed)


def opaque_constant(marker: Path) -> bytes:
    members = members_of(honest_file())
    content = json.loads(members[CONSTANTS])
    content["config"]["scale"] |= {"use_pickle": True, "path_name": "opaque_obj_0"}
    object_ = {"data/constants/opaque_obj_0": pickle.dumps(MakesFolder(marker))}
    return pack(members | {CONSTANTS: json.dumps(content).encode()} | object_)


def legacy_weights(marker: Path) -> bytes:
    return with_member("data/weights/model.pt", pickled(marker))


def legacy_constants(marker: Path) -> bytes:
    return with_member("data/constants/model.pt", pickled(marker))


def archive_of_torch_2_7(marker: Path) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("version", "8.20")
        program = members_of(honest_file())["models/model.json"]
        archive.writestr("serialized_exported_program.json", program)
        for part in ("state_dict", "constants", "example_inputs"):
            archive.writestr(f"serialized_{part}.pt", pickled(marker))
    return buffer.getvalue()


def tree_with_an_enumerator(marker: Path) -> bytes:
    context = json.dumps([{"__enum__": True, "fqn": f"{marker.name}:A", "name": "x"}])
    return _out_spec({"type": "builtins.dict", "context": context})


def tree_with_a_default_factory(marker: Path) -> bytes:
    context = {
        "default_factory_module": marker.name,
        "default_factory_name": "x",
        "dict_context": ["z"],
    }
    return _out_spec({"type": "collections.defaultdict", "context": context})


def _out_spec(tree: dict[str, Any]) -> bytes:
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}

    def change(model: Any) -> None:
        signature = model["graph_module"]["module_call_graph"][0]["signature"]
        signature["out_spec"] = json.dumps([1, tree | {"children_spec": [leaf]}])

    return tampered(change)


def keyword_of_an_operator(marker: Path) -> bytes:
    argument = {"as_int": 1}
    inputs = [{"name": f"a={code(marker)}, b", "arg": argument, "kind": 2}]
    return _call("torch.ops.higher_order.wrap_with_set_grad_enabled", inputs)


def operator_that_maps_a_file(marker: Path) -> bytes:
    arguments = {
        "filename": {"as_string": str(marker)},
        "shared": {"as_bool": True},
        "size": {"as_int": 4},
    }
    inputs = [{"name": name, "arg": arg, "kind": 1} for name, arg in arguments.items()]
    return _call("torch.ops.aten.from_file.default", inputs)


def _call(target: str, inputs: list[dict[str, Any]]) -> bytes:
    node: dict[str, Any] = {
        "target": target,
        "inputs": inputs,
        "outputs": [{"as_none": True}],
        "metadata": {},
        "is_hop_single_tensor_return": None,
        "name": "call",
    }

    def change(model: Any) -> None:
        model["graph_module"]["graph"]["nodes"].insert(0, node)

    return tampered(change)


def symbolic_size(marker: Path) -> bytes:
    def change(model: Any) -> None:
        for value in model["graph_module"]["graph"]["tensor_values"].values():
            for size in value["sizes"]:
                if "as_expr" in size:
                    expression = size["as_expr"]
                    expression["expr_str"] = f"{code(marker)} or {expression['expr_str']}"

    return tampered(change)


def guard(marker: Path) -> bytes:
    return tampered(lambda model: model["guards_code"].append(f"{code(marker)} is None"))


def name_of_an_input(marker: Path) -> bytes:
    name = f"y={code(marker)}"

    def change(model: Any) -> None:
        graph = model["graph_module"]["graph"]
        graph["tensor_values"][name] = graph["tensor_values"].pop("y")
        text = json.dumps(model).replace('{"name": "y"}', json.dumps({"name": name}))
        model |= json.loads(text)

    return tampered(change)


REFUSED = [
    sample_inputs,
    sample_inputs_in_the_old_format,
    weights,
    constants,
    opaque_constant,
    legacy_weights,
    legacy_constants,
    archive_of_torch_2_7,
    tree_with_an_enumerator,
    tree_with_a_default_factory,
    keyword_of_an_operator,
    operator_that_maps_a_file,
]
NOT_READ = [symbolic_size, guard, name_of_an_input]
Attack = Callable[[Path], bytes]


@pytest.fixture
def marker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """What a hostile file makes if it gets its way."""
    marker = tmp_path / "made_by_the_file"
    # Attacks that import a module need one whose import shows.
    (tmp_path / "made_by_the_file.py").write_text(f"import os; os.mkdir({str(marker)!r})")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield marker
    sys.modules.pop(marker.name, None)


def load_and_run(data: bytes, folder: Path) -> None:
    path = folder / "hostile.pt2"
    path.write_bytes(data)
    load_checkpoint(path)(small_inputs())


@pytest.mark.parametrize("attack", REFUSED)
def test_what_a_plain_network_does_not_need_is_refused(
    attack: Attack, marker: Path, tmp_path: Path
) -> None:
    with pytest.raises(InfluenceError, match=r"hostile\.pt2"):
        load_and_run(attack(marker), tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("attack", NOT_READ)
def test_what_torch_would_evaluate_is_not_read(
    attack: Attack, marker: Path, tmp_path: Path
) -> None:
    load_and_run(attack(marker), tmp_path)
    assert not marker.exists()


@pytest.mark.parametrize("attack", REFUSED + NOT_READ)
def test_the_attacks_work_on_torch(attack: Attack, marker: Path) -> None:
    """Otherwise the tests above would prove nothing."""
    with contextlib.suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.load(io.BytesIO(attack(marker)))
        program.module()(*small_inputs().values())
    assert marker.exists()


def test_the_honest_file_runs() -> None:
    program = torch.export.load(io.BytesIO(honest_file()))
    program.module()(*small_inputs().values())


@pytest.mark.parametrize(
    ("member", "kind"),
    [
        ("data/aotinductor/model/network.so", "compiled machine code"),
        ("data/executorch/network.pte", "compiled code"),
        ("data/constants/custom_obj_0", "a pickled object"),
        ("models/other.json", "a second network"),
        ("../outside", "unknown"),
    ],
)
def test_foreign_members_are_refused(member: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match=f"is {kind}"):
        load_and_run(with_member(member, b"anything"), tmp_path)


@pytest.mark.parametrize(
    "target",
    [
        "torch.os.system",
        "torch.load",
        "torch.hub.load",
        "torch.ops.load_library",
        "torch.ops.aten.save.default",
        "torch.ops.aten.set_.source_Storage",
        "torch.ops.aten._unsafe_index.Tensor",
        "torch.ops.higher_order.print",
        "torch.ops.higher_order.triton_kernel_wrapper_mutation",
        "_operator.attrgetter",
        "_operator.methodcaller",
        "math.__loader__.load_module",
        "#extension:operator",
        "builtins.eval",
    ],
)
def test_other_operators_are_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(InfluenceError, match="not on the list"):
        load_and_run(_call(target, []), tmp_path)
