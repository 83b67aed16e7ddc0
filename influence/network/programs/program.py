"""An exported program, rebuilt from a file that is read as data."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from influence.errors import InfluenceError
from influence.network.programs.archive import read_json, read_members, read_tensors
from influence.network.programs.graph import GraphReader, expect

__all__ = ["Axis", "Interface", "Program", "read_program"]

Axis = int | str | None

_SCHEMA = 8  # major version of torch._export.serde.schema that torch 2.13 writes
_ANY = (-math.inf, math.inf)
_SYMBOL = re.compile(r"Symbol\('(s\d+)', positive=True, integer=True\)")


@dataclass(frozen=True)
class Interface:
    """The inputs and outputs of a program.

    Parameters
    ----------
    inputs
        The axes of each input, samples first: a fixed length, the name of a free length, or `None`
        for a length that is computed from others.
    lengths
        Name of a free length -> its least and its greatest value, infinite if there is no limit.
    input_names, output_names
        The dictionary key or keyword argument by which the exported module took or returned each
        tensor, `None` where it had none.
    """

    inputs: tuple[tuple[Axis, ...], ...]
    lengths: Mapping[str, tuple[float, float]]
    input_names: tuple[str | None, ...]
    output_names: tuple[str | None, ...]

    def check(self, shapes: Sequence[tuple[int, ...]]) -> None:
        """Raise InfluenceError unless the program was exported for inputs of these shapes."""
        if len(shapes) != len(self.inputs):
            raise InfluenceError(f"expected {len(self.inputs)} inputs, got {len(shapes)}")
        seen: dict[str, int] = {}
        for i, (shape, axes) in enumerate(zip(shapes, self.inputs, strict=True)):
            if len(shape) != len(axes) or not all(
                self._fits(length, axis, seen) for length, axis in zip(shape, axes, strict=True)
            ):
                name = self.input_names[i]
                raise InfluenceError(
                    f"input {i + 1 if name is None else repr(name)} of the exported program has "
                    f"shape {shape}, expected "
                    f"({', '.join(map(self._format, axes))}). Give such a shape, or export the "
                    "network again with dynamic axes"
                )

    def _fits(self, length: int, axis: Axis, seen: dict[str, int]) -> bool:
        if axis is None or isinstance(axis, int):
            return axis is None or length == axis
        least, greatest = self.lengths.get(axis, _ANY)
        # torch writes 2 for every free axis; 1 works as well.
        in_range = (least <= 2 or least <= length) and length <= greatest
        return in_range and seen.setdefault(axis, length) == length

    def _format(self, axis: Axis) -> str:
        if axis is None or isinstance(axis, int):
            return "any" if axis is None else str(axis)
        least, greatest = self.lengths.get(axis, _ANY)
        low = f"{least} <= " if least > 2 else ""
        return f"{low}{axis}" + (f" <= {greatest}" if greatest < math.inf else "")


class Program(nn.Module):
    """An exported network: a graph of listed operators that takes one tensor an input, in order.

    Parameters
    ----------
    graph_module
        The graph. `node.meta["nn_module_stack"]` lists the modules of the exported network in
        which a node was called.
    interface
        Its inputs and outputs.
    texts
        Name -> content of the file's extra files.
    """

    def __init__(
        self, graph_module: fx.GraphModule, interface: Interface, texts: Mapping[str, bytes]
    ) -> None:
        super().__init__()
        self.graph_module = graph_module
        self.interface = interface
        self.texts = texts
        self.eval()

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...] | dict[str, Tensor]:
        """Run the graph; return a dictionary if every output has a name, else a tuple."""
        shapes = [tuple(tensor.shape) for tensor in inputs]
        self.interface.check(shapes)
        try:
            outputs: tuple[Tensor, ...] = self.graph_module(*inputs)
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # operators raise many kinds
            raise InfluenceError(
                f"the exported program failed on inputs of the shapes {shapes}: {error}"
            ) from error
        names = [name for name in self.interface.output_names if name is not None]
        return dict(zip(names, outputs, strict=True)) if names else outputs

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Program:
        """Move the tensors, and replace the devices that are arguments in the graph."""
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        tensors = [*self.parameters(), *self.buffers()]
        device = (tensors[0] if tensors else fn(torch.empty(0))).device
        for module in self.modules():
            if isinstance(module, fx.GraphModule):
                for node in module.graph.nodes:
                    node.args, node.kwargs = fx.node.map_aggregate(
                        (node.args, node.kwargs),
                        lambda arg: device if isinstance(arg, torch.device) else arg,
                    )
                module.recompile()
        return self


def read_program(data: bytes) -> Program:
    """Rebuild the program in a `.pt2` file.

    `torch.export.load` unpickles members of the file, evaluates symbolic sizes and guards as
    Python, turns names into source code, and looks operators up by any dotted name. Here the file
    is data: operators come from a list, arguments are numbers, texts or earlier values, and weights
    are plain arrays. A file with anything else is an error.

    Parameters
    ----------
    data
        The whole file.

    Raises
    ------
    InfluenceError
        If the file is not a `.pt2` archive, or has members that a plain network does not need.
    """
    members = read_members(data)
    try:
        return _build(members)
    except InfluenceError:
        raise
    except Exception as error:  # malformed files lead to many kinds
        raise InfluenceError(
            f"its graph is malformed ({type(error).__name__}: {error}). "
            "Export the network again with influence.export_checkpoint"
        ) from error


def _build(members: Mapping[str, bytes]) -> Program:
    serialised = read_json(members, "models/model.json")
    if (major := serialised["schema_version"]["major"]) != _SCHEMA:
        raise InfluenceError(
            f"it was exported by torch {serialised.get('torch_version')} in schema {major}; this "
            f"program reads schema {_SCHEMA}. Export the network again with torch "
            f"{torch.__version__.partition('+')[0]}"
        )
    module = serialised["graph_module"]
    kinds = [kind for spec in module["signature"]["output_specs"] for kind in spec]
    if changed := [kind for kind in kinds if kind != "user_output"]:
        raise InfluenceError(
            f"its network changes its own state when it runs ({changed[0]}); set it to evaluation "
            "mode before the export"
        )
    reader = GraphReader(read_tensors(members, "weights"), read_tensors(members, "constants"))
    graph_module = reader.read(module["graph"], module["signature"]["input_specs"])
    interface = _read_interface(module, serialised["range_constraints"])
    texts = {name[6:]: text for name, text in members.items() if name.startswith("extra/")}
    return Program(graph_module, interface, texts)


def _read_interface(module: Mapping[str, Any], ranges: Mapping[str, Any]) -> Interface:
    signature = module["module_call_graph"][0]["signature"]
    tensors = [
        spec["user_input"]["arg"]["as_tensor"]["name"]
        for spec in module["signature"]["input_specs"]
        if "user_input" in spec
    ]
    if any("as_tensor" not in output for output in module["graph"]["outputs"]):
        raise InfluenceError("its network returns something else than tensors")
    interface = Interface(
        tuple(
            tuple(_read_axis(size) for size in module["graph"]["tensor_values"][name]["sizes"])
            for name in tensors
        ),
        {name: _read_range(limits) for name, limits in ranges.items()},
        _read_names(signature["in_spec"]),
        _read_names(signature["out_spec"]),
    )
    counts = len(interface.input_names), len(interface.output_names)
    if counts != (len(tensors), len(module["graph"]["outputs"])):
        raise InfluenceError("its network takes or returns something else than tensors")
    return interface


def _read_axis(size: Mapping[str, Any]) -> Axis:
    if "as_int" in size:
        return expect(int, size["as_int"])
    symbol = _SYMBOL.fullmatch(size["as_expr"]["expr_str"])
    return symbol[1] if symbol else None


def _read_range(limits: Mapping[str, Any]) -> tuple[float, float]:
    given = (limits["min_val"], limits["max_val"])
    low, high = (no if x is None else expect(int, x) for x, no in zip(given, _ANY, strict=True))
    return low, high


def _read_names(tree: str) -> tuple[str | None, ...]:
    names = tuple(_leaf_names(json.loads(tree)[1]))
    distinct = None not in names and len(set(names)) == len(names)
    return names if distinct else (None,) * len(names)


def _leaf_names(spec: Mapping[str, Any], name: str | None = None) -> Iterator[str | None]:
    """Yield for each leaf of a serialised tree the key of the dictionary that holds it."""
    if spec["type"] is None:
        yield name
    elif spec["type"] == "builtins.dict":
        keys = json.loads(spec["context"])
        for key, child in zip(keys, spec["children_spec"], strict=True):
            yield from _leaf_names(child, expect(str, key))
    elif spec["type"] in ("builtins.tuple", "builtins.list"):
        for child in spec["children_spec"]:
            yield from _leaf_names(child, name)
    else:
        raise InfluenceError(f"its network takes or returns a {spec['type']}, expected tensors")
