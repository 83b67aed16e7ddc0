"""Graphs: from the JSON form of an exported program to an fx graph, node by node."""

from __future__ import annotations

import keyword
import operator
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import torch
from torch import Tensor, fx, nn

from influence.errors import InfluenceError
from influence.network.programs.archive import DTYPES
from influence.network.programs.operators import find_operator

__all__ = ["GraphReader", "expect"]

Json = Mapping[str, Any]
T = TypeVar("T")

_MEMORY_FORMATS = {
    1: torch.contiguous_format,
    2: torch.channels_last,
    3: torch.channels_last_3d,
    4: torch.preserve_format,
}
_LAYOUTS = {7: torch.strided}
_KEYWORD = 2  # of torch._export.serde.schema.ArgumentKind


def expect(kind: type[T], value: Any) -> T:
    """Return a JSON value if it is of exactly this type.

    >>> expect(int, True)
    Traceback (most recent call last):
    TypeError: expected int, got True
    """
    if type(value) is not kind:
        raise TypeError(f"expected {kind.__name__}, got {value!r}")
    return value


class GraphReader:
    """Build the graph of a network from its serialised form.

    fx turns the names in a graph into Python source, so no name is taken from the file: inputs,
    tensors and nodes are numbered. Symbolic sizes, guards and traces are not read; the graph
    computes with the sizes of its inputs.

    Parameters
    ----------
    weights, constants
        The archive's tensors by name.
    """

    def __init__(self, weights: Mapping[str, Tensor], constants: Mapping[str, Tensor]) -> None:
        self.weights = weights
        self.constants = constants
        self.root = nn.Module()
        self.graph = fx.Graph()
        self.values: dict[str, fx.Node] = {}

    def read(self, graph: Json, input_specs: list[Json]) -> fx.GraphModule:
        """Return the graph as a module that takes the user's inputs and returns a tuple."""
        inputs = 0
        for i, spec in enumerate(input_specs):
            ((kind, content),) = spec.items()
            if kind == "user_input":
                inputs += 1
                name = content["arg"]["as_tensor"]["name"]
                self.values[name] = self.graph.placeholder(f"input_{inputs}")
            else:
                tensor = self._tensor(kind, content)
                if isinstance(tensor, nn.Parameter):
                    self.root.register_parameter(f"tensor_{i}", tensor)
                else:
                    self.root.register_buffer(f"tensor_{i}", tensor)
                self.values[content["arg"]["name"]] = self.graph.get_attr(f"tensor_{i}")
        self.graph.output(self._nodes(graph))
        return fx.GraphModule(self.root, self.graph)

    def _tensor(self, kind: str, content: Json) -> Tensor:
        if kind == "parameter":
            return self.weights[content["parameter_name"]]
        if kind == "buffer":
            tensors = self.weights if content["persistent"] else self.constants
            return tensors[content["buffer_name"]]
        if kind == "tensor_constant":
            return self.constants[content["tensor_constant_name"]]
        raise InfluenceError(f"its graph takes an input of kind {kind!r}, expected tensors only")

    def _nodes(self, graph: Json) -> tuple[Any, ...]:
        """Add the nodes of a graph, and return its outputs."""
        for node in graph["nodes"]:
            target = find_operator(node["target"])
            if target is torch.ops.aten._assert_tensor_metadata.default:
                continue  # true where the network was traced, but not on other devices
            args, kwargs = self._arguments(target, node["inputs"])
            call = self.graph.call_function(target, args, kwargs)
            call.meta["nn_module_stack"] = _module_stack(node["metadata"].get("nn_module_stack"))
            in_tuple = isinstance(target, torch._ops.HigherOrderOperator) and not node.get(
                "is_hop_single_tensor_return"
            )
            self._results(call, node["outputs"], in_tuple)
        return tuple(self._argument(output) for output in graph["outputs"])

    def _arguments(
        self, target: Callable[..., Any], inputs: list[Json]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        # Only operators with a schema have names for their arguments that can be checked.
        known = (
            [argument.name for argument in target._schema.arguments]
            if isinstance(target, torch._ops.OpOverload)
            else []
        )
        args: list[Any] = []
        kwargs: dict[str, Any] = {}
        required = _required(target)
        for item in inputs:
            value = self._argument(item["arg"])
            # torch before 2.7 did not say which arguments are keywords: those with a default.
            kind = item.get("kind", _KEYWORD if known and item["name"] not in required else None)
            if kind != _KEYWORD:
                args.append(value)
            elif item["name"] in known and not keyword.iskeyword(item["name"]):
                kwargs[item["name"]] = value
            else:
                raise ValueError(f"{target} takes no keyword {item['name']!r}")
        return tuple(args), kwargs

    def _results(self, call: fx.Node, outputs: list[Json], in_tuple: bool) -> None:
        if len(outputs) == 1 and "as_tensors" in outputs[0]:
            outputs = [{"as_tensor": item} for item in outputs[0]["as_tensors"]]
        elif len(outputs) == 1 and not in_tuple:
            if "as_none" not in outputs[0]:
                self.values[_name(outputs[0])] = call
            return
        for i, output in enumerate(outputs):
            if "as_none" not in output:
                item = self.graph.call_function(operator.getitem, (call, i))
                item.meta["nn_module_stack"] = call.meta["nn_module_stack"]
                self.values[_name(output)] = item

    def _argument(self, arg: Json) -> Any:
        ((kind, value),) = arg.items()
        if kind in _CONSTANTS:
            return _CONSTANTS[kind](value)
        if kind in ("as_tensor", "as_sym_int", "as_sym_float", "as_sym_bool"):
            return self._value(value)
        if kind in ("as_tensors", "as_sym_ints", "as_sym_floats", "as_sym_bools"):
            return [self._value(item) for item in value]
        if kind == "as_nested_tensors":
            return [[self._value(item) for item in items] for items in value]
        if kind == "as_optional_tensor":
            return self._argument(value)
        if kind == "as_optional_tensors":
            return [self._argument(item) for item in value]
        if kind == "as_graph":
            return self._subgraph(value["graph"])
        raise InfluenceError(f"its graph holds an argument of kind {kind!r}, expected plain data")

    def _value(self, item: Json) -> Any:
        """Return an earlier value by its name, or the number that is given instead of a name."""
        for kind in ("as_int", "as_float", "as_bool"):
            if kind in item:
                return _CONSTANTS[kind](item[kind])
        return self.values[_name({"": item})]

    def _subgraph(self, graph: Json) -> fx.Node:
        inner = GraphReader(self.weights, self.constants)
        for i, item in enumerate(graph["inputs"]):
            inner.values[_name(item)] = inner.graph.placeholder(f"value_{i + 1}")
        outputs = inner._nodes(graph)
        inner.graph.output(outputs[0] if graph["is_single_tensor_return"] else outputs)
        name = f"graph_{len(list(self.root.children())) + 1}"
        self.root.add_module(name, fx.GraphModule(inner.root, inner.graph))
        return self.graph.get_attr(name)


def _required(target: Callable[..., Any]) -> set[str]:
    """Return the arguments of an operator that have no default and need not be named."""
    if not isinstance(target, torch._ops.OpOverload):
        return set()
    return {
        argument.name
        for argument in target._schema.arguments
        if not argument.has_default_value() and not argument.kwarg_only
    }


def _number(value: Any) -> float:
    # JSON has no infinities; torch writes them as text.
    return float(value) if value in ("Infinity", "-Infinity", "NaN") else expect(float, value)


_CONSTANTS: dict[str, Callable[[Any], Any]] = {
    "as_none": lambda _: None,
    "as_int": lambda value: expect(int, value),
    "as_ints": lambda values: [expect(int, value) for value in values],
    "as_float": _number,
    "as_floats": lambda values: [_number(value) for value in values],
    "as_bool": lambda value: expect(bool, value),
    "as_bools": lambda values: [expect(bool, value) for value in values],
    "as_string": lambda value: expect(str, value),
    "as_scalar_type": DTYPES.__getitem__,
    "as_memory_format": _MEMORY_FORMATS.__getitem__,
    "as_layout": _LAYOUTS.__getitem__,
    # Programs are read on the CPU, wherever they were exported; Program.to moves them.
    "as_device": lambda _: torch.device("cpu"),
}


def _name(item: Json) -> str:
    ((_, content),) = item.items()
    return expect(str, content["name"] if "name" in content else content["as_name"])


def _module_stack(stack: str | None) -> dict[str, tuple[str, str]]:
    """Parse the modules in which a node was called: key -> (path, class), outermost first."""
    parsed = {}
    for item in filter(None, (stack or "").split(";")):
        key, _, rest = item.partition(",")
        path, _, kind = rest.rpartition(",")
        parsed[key] = (path, kind)
    return parsed
