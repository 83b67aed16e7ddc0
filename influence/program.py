"""An exported program, rebuilt from data: nothing in the file is executed to read it."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, fx, nn

from influence.archive import DTYPES, read_json, read_members, read_tensors
from influence.errors import InfluenceError
from influence.operators import resolve

__all__ = ["Axis", "Program", "read_program"]

Axis = int | str | None  # fixed length, name of a free length, or a length that others fix

_SCHEMA = 8  # major version of torch._export.serde.schema that torch 2.13 writes
_SYMBOL = re.compile(r"Symbol\('(s\d+)', positive=True, integer=True\)")
_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}


class Program(fx.GraphModule):
    """A graph of operators that takes one tensor an input, in order.

    Attributes
    ----------
    input_names
        The names under which the exported module took its inputs; `None` where it had none.
    input_axes
        The axes of each input, samples first.
    ranges
        Least and greatest length of the named axes.
    text
        The archive's extra members.
    """

    input_names: tuple[str | None, ...]
    input_axes: tuple[tuple[Axis, ...], ...]
    output_count: int
    ranges: Mapping[str, tuple[int | None, int | None]]
    text: Mapping[str, bytes]

    def check_inputs(self, inputs: tuple[Tensor, ...]) -> None:
        """Raise InfluenceError unless the shapes are ones for which the program was exported."""
        if len(inputs) != len(self.input_axes):
            raise InfluenceError(
                f"the exported program takes {len(self.input_axes)} inputs, got {len(inputs)}"
            )
        lengths: dict[str, int] = {}
        for i, (tensor, axes) in enumerate(zip(inputs, self.input_axes, strict=True)):
            fits = tensor.ndim == len(axes)
            for length, axis in zip(tensor.shape, axes, strict=False):
                if isinstance(axis, int):
                    fits &= length == axis
                elif axis is not None:
                    low, high = self.ranges.get(axis, (None, None))
                    fits &= lengths.setdefault(axis, length) == length
                    # torch writes 2 for every free axis, and 1 works as well.
                    fits &= (low is None or low <= 2 or length >= low) and (
                        high is None or length <= high
                    )
            if not fits:
                raise InfluenceError(
                    f"input {i + 1} of the exported program has shape {tuple(tensor.shape)}, "
                    f"expected ({', '.join('any' if a is None else str(a) for a in axes)})"
                    + "".join(
                        f", {name} in {low}..{high or ''}"
                        for name, (low, high) in self.ranges.items()
                        if name in axes and ((low or 0) > 2 or high)
                    )
                )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Program:
        super()._apply(fn, recurse)
        tensors = [*self.parameters(), *self.buffers()]
        device = (tensors[0] if tensors else fn(torch.empty(0))).device
        for module in self.modules():
            if isinstance(module, fx.GraphModule):
                _place(module, device)
        return self


def _place(module: fx.GraphModule, device: torch.device) -> None:
    """Let nodes that make tensors make them on `device`."""
    for node in module.graph.nodes:
        node.args, node.kwargs = fx.node.map_aggregate(
            (node.args, node.kwargs),
            lambda a: device if isinstance(a, torch.device) else a,
        )
    module.recompile()


def read_program(data: bytes) -> Program:
    """Rebuild the program in a `.pt2` file.

    `torch.export.load` unpickles, evaluates symbolic expressions and guards as Python, and looks
    up operators by any dotted name. Here the file is data: every operator comes from a list, every
    argument is a number, a text or an earlier value, and what is not understood is refused.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    InfluenceError
        If the file is not a `.pt2` archive, or holds what a plain network does not need.
    """
    members = read_members(data)
    program = read_json(members, "models/model.json")
    try:
        _check_version(program)
        return _Builder(members, program["graph_module"]).build(program["range_constraints"])
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InfluenceError(f"its graph is malformed: {error!r}") from error


def _check_version(program: Mapping[str, Any]) -> None:
    if (major := program["schema_version"]["major"]) != _SCHEMA:
        raise InfluenceError(
            f"it was exported by torch {program.get('torch_version')} with schema {major}; torch "
            f"{torch.__version__} reads schema {_SCHEMA}. Export the network again with "
            "this version"
        )


class _Builder:
    """Turn the serialised graph into an fx graph, node by node."""

    def __init__(self, members: dict[str, bytes], module: Mapping[str, Any]) -> None:
        self.members = members
        self.module = module
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.values: dict[str, fx.Node] = {}

    def build(self, ranges: Mapping[str, Any]) -> Program:
        serialised, signature = self.module["graph"], self.module["signature"]
        call = self.module["module_call_graph"][0]["signature"]
        user_inputs = self._inputs(serialised, signature)
        if bad := [k for spec in signature["output_specs"] for k in spec if k != "user_output"]:
            raise InfluenceError(
                f"its network changes its own state ({bad[0]}); export in eval mode"
            )
        self._nodes(serialised["nodes"])
        outputs = [self.values[output["as_tensor"]["name"]] for output in serialised["outputs"]]
        names = list(_leaf_names(json.loads(call["out_spec"])[1]))
        if all(isinstance(name, str) for name in names):
            self.graph.output(dict(zip(names, outputs, strict=True)))
        else:
            self.graph.output(tuple(outputs))
        program = Program(self.root.eval(), self.graph, "Program")
        program.input_names = tuple(_leaf_names(json.loads(call["in_spec"])[1]))
        metas = [serialised["tensor_values"][name] for name in user_inputs]
        program.input_axes = tuple(tuple(map(_axis, meta["sizes"])) for meta in metas)
        program.output_count = len(outputs)
        program.ranges = {k: (r["min_val"], r["max_val"]) for k, r in ranges.items()}
        program.text = {
            name.removeprefix("extra/"): content
            for name, content in self.members.items()
            if name.startswith("extra/")
        }
        program.register_forward_pre_hook(Program.check_inputs)
        return program

    def _inputs(self, serialised: Mapping[str, Any], signature: Mapping[str, Any]) -> list[str]:
        weights = read_tensors(self.members, "weights")
        constants = read_tensors(self.members, "constants")
        user_inputs = []
        for i, spec in enumerate(signature["input_specs"]):
            ((kind, content),) = spec.items()
            if kind == "user_input":
                name = content["arg"]["as_tensor"]["name"]
                user_inputs.append(name)
                self.values[name] = self.graph.placeholder(f"input_{len(user_inputs)}")
                continue
            name = content["arg"]["name"]
            if kind == "parameter":
                tensor = weights[content["parameter_name"]]
            elif kind == "buffer":
                tensors = weights if content["persistent"] else constants
                tensor = tensors[content["buffer_name"]]
            elif kind == "tensor_constant":
                tensor = constants[content["tensor_constant_name"]]
            else:
                raise InfluenceError(f"its graph takes a {kind}, expected tensors only")
            if isinstance(tensor, nn.Parameter):
                self.root.register_parameter(f"weight_{i}", tensor)
            else:
                self.root.register_buffer(f"weight_{i}", tensor)
            self.values[name] = self.graph.get_attr(f"weight_{i}")
        return user_inputs

    def _nodes(self, nodes: list[Mapping[str, Any]]) -> None:
        for node in nodes:
            target = resolve(node["target"])
            args: list[Any] = []
            kwargs: dict[str, Any] = {}
            for item in node["inputs"]:
                value = self._argument(item["arg"])
                if item["kind"] == 2:
                    kwargs[item["name"]] = value
                else:
                    args.append(value)
            call = self.graph.call_function(target, tuple(args), kwargs)
            call.meta["nn_module_stack"] = _module_stack(node["metadata"])
            single = node.get("is_hop_single_tensor_return") is not False
            self._outputs(call, node["outputs"], single)

    def _outputs(self, call: fx.Node, outputs: list[Mapping[str, Any]], single: bool) -> None:
        if len(outputs) == 1 and single:
            ((kind, content),) = outputs[0].items()
            if kind == "as_none":
                return
            if kind != "as_tensors":
                self.values[_name(content)] = call
                return
            outputs = [{"as_tensor": item} for item in content]
        for i, output in enumerate(outputs):
            ((kind, content),) = output.items()
            if kind == "as_none":
                continue
            item = self.graph.call_function(operator.getitem, (call, i))
            item.meta["nn_module_stack"] = call.meta["nn_module_stack"]
            self.values[_name(content)] = item

    def _argument(self, arg: Mapping[str, Any]) -> Any:
        ((kind, value),) = arg.items()
        if kind == "as_graph":
            return self._subgraph(value["graph"])
        if kind in _READERS:
            return _READERS[kind](value)
        if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
            return self._value(value)
        if kind in ("as_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return [self._value(item) for item in value]
        if kind == "as_optional_tensor":
            return self._argument(value)
        if kind == "as_optional_tensors":
            return [self._argument(item) for item in value]
        if kind == "as_nested_tensors":
            return [[self._value(item) for item in items] for items in value]
        raise InfluenceError(f"its graph holds an argument of kind {kind!r}")

    def _value(self, item: Mapping[str, Any]) -> Any:
        for kind, read in (("as_int", _integer), ("as_float", _float), ("as_bool", _boolean)):
            if kind in item:
                return read(item[kind])
        return self.values[_name(item)]

    def _subgraph(self, serialised: Mapping[str, Any]) -> fx.Node:
        outer = self.root, self.graph, self.values
        self.root, self.graph, self.values = nn.Module(), fx.Graph(), {}
        for i, item in enumerate(serialised["inputs"]):
            ((_, content),) = item.items()
            self.values[_name(content)] = self.graph.placeholder(f"value_{i + 1}")
        self._nodes(serialised["nodes"])
        outputs = [self._argument(output) for output in serialised["outputs"]]
        self.graph.output(outputs[0] if serialised["is_single_tensor_return"] else tuple(outputs))
        module = fx.GraphModule(self.root.eval(), self.graph)
        self.root, self.graph, self.values = outer
        name = f"graph_{len(list(self.root.children())) + 1}"
        self.root.add_module(name, module)
        return self.graph.get_attr(name)


def _name(content: Mapping[str, Any]) -> str:
    return str(content["name"] if "name" in content else content["as_name"])


def _integer(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"expected an integer, got {value!r}")
    return value


def _float(value: Any) -> float:
    return float(value)


def _boolean(value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError(f"expected true or false, got {value!r}")
    return value


def _string(value: Any) -> str:
    if type(value) is not str:
        raise TypeError(f"expected a text, got {value!r}")
    return value


_READERS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_int": _integer,
    "as_float": _float,
    "as_bool": _boolean,
    "as_string": _string,
    "as_ints": lambda values: [_integer(v) for v in values],
    "as_floats": lambda values: [_float(v) for v in values],
    "as_bools": lambda values: [_boolean(v) for v in values],
    "as_scalar_type": DTYPES.__getitem__,
    "as_memory_format": _MEMORY_FORMATS.__getitem__,
    "as_layout": {7: torch.strided}.__getitem__,
    # Programs load on the CPU; Program.to moves the devices inside the graph too.
    "as_device": lambda _: torch.device("cpu"),
}


def _axis(size: Mapping[str, Any]) -> Axis:
    if "as_int" in size:
        return _integer(size["as_int"])
    symbol = _SYMBOL.fullmatch(size["as_expr"]["expr_str"])
    return symbol[1] if symbol else None


def _leaf_names(spec: Mapping[str, Any], name: str | None = None) -> Iterator[str | None]:
    """Yield the name of the dictionary entry that holds each leaf of a serialised tree."""
    children = spec["children_spec"]
    if spec["type"] is None:
        yield name
    elif spec["type"] == "builtins.dict":
        for key, child in zip(json.loads(spec["context"]), children, strict=True):
            yield from _leaf_names(child, _string(key))
    elif spec["type"] in ("builtins.tuple", "builtins.list"):
        for child in children:
            yield from _leaf_names(child, name)
    else:
        raise InfluenceError(f"its network takes or returns a {spec['type']}, expected tensors")


def _module_stack(metadata: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Parse which modules a node was called in: key -> (module path, class)."""
    stack = {}
    for item in filter(None, metadata.get("nn_module_stack", "").split(";")):
        key, _, rest = item.partition(",")
        path, _, kind = rest.rpartition(",")
        stack[key] = (path, kind)
    return stack
