"""Checkpoints: a network and its facts, to a file and back."""

from __future__ import annotations

import copy
import hashlib
import importlib
import io
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor
from torch.export import Dim

from influence.errors import InfluenceError
from influence.files import replace_on_success
from influence.network import JointNetwork, Modality, Output
from influence.program import Program, read_program

__all__ = ["export_checkpoint", "load_checkpoint"]

FACTS = "influence.json"


def export_checkpoint(
    net: JointNetwork, path: str | os.PathLike[str], example_inputs: Mapping[str, Tensor]
) -> None:
    """Write a network as a self-contained `.pt2` file with its facts."""
    path = Path(path)
    if path.suffix != ".pt2":
        raise InfluenceError(f"{path}: expected a name that ends in .pt2")
    examples = _examples(net, example_inputs)
    training = {module: module.training for module in net.module.modules()}
    net.module.eval()
    try:
        exported = _export(net, examples)
    finally:
        for module, mode in training.items():
            module.training = mode
    buffer = io.BytesIO()
    torch.export.save(exported, buffer)
    axes = read_program(buffer.getvalue()).input_axes
    facts = net.facts()
    if net.call != "channels":
        for modality, sizes in zip(facts["inputs"], axes, strict=True):
            modality["shape"] = [n if isinstance(n, int) else None for n in sizes[1:]]
    buffer = io.BytesIO()
    torch.export.save(exported, buffer, extra_files={FACTS: json.dumps(facts)})
    with replace_on_success(path) as aside:
        aside.write_bytes(buffer.getvalue())


def _examples(net: JointNetwork, example_inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    examples = {}
    for modality in net.inputs:
        example = example_inputs[modality.name]
        # torch takes an axis of length 1 for a constant.
        examples[modality.name] = torch.cat([example, example]) if len(example) == 1 else example
    return examples


def _export(net: JointNetwork, examples: dict[str, Tensor]) -> torch.export.ExportedProgram:
    def axes(example: Tensor) -> dict[int, Any]:
        free = {i: Dim.AUTO for i, length in enumerate(example.shape) if length > 1}
        return {**free, 0: Dim.DYNAMIC}

    args: tuple[Any, ...] = ()
    kwargs: dict[str, Tensor] = {}
    if net.call == "positional":
        args = tuple(examples.values())
    elif net.call == "keyword":
        kwargs = examples
    elif net.call == "mapping":
        args = (examples,)
    else:
        args = (torch.cat(list(examples.values()), dim=1),)
    shapes: Any = torch.utils._pytree.tree_map(axes, kwargs or args)
    exported = torch.export.export(net.module, args, kwargs, dynamic_shapes=shapes)
    exported._example_inputs = None
    exported._guards_code = []
    for module in exported.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            keep = ("val", "nn_module_stack")
            node.meta = {key: value for key, value in node.meta.items() if key in keep}
    return exported


def load_checkpoint(
    path: str | os.PathLike[str], network: str | JointNetwork | None = None
) -> JointNetwork:
    """Read a network from a file."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InfluenceError(f"could not read the checkpoint {path}: {error.strerror}") from error
    try:
        if path.suffix == ".pt2":
            net = _from_program(read_program(data))
        elif network is None:
            raise InfluenceError("weights need a network: name one with --network module:factory")
        else:
            net = _from_weights(path, data, network)
    except InfluenceError as error:
        raise InfluenceError(f"{path}: {error}") from error.__cause__
    net.sha256 = hashlib.sha256(data).hexdigest()
    return net


def _from_program(program: Program) -> JointNetwork:
    facts = json.loads(program.text[FACTS])
    call = "channels" if facts["call"] == "channels" else "positional"
    inputs = []
    for item in facts["inputs"]:
        item = {k: tuple(v) if isinstance(v, list) else v for k, v in item.items()}
        inputs.append(Modality(**item))
    outputs = [Output(o["name"], o["kind"], tuple(o["classes"])) for o in facts["outputs"]]
    return JointNetwork(
        program,
        inputs,
        outputs,
        name=facts["name"],
        seed=facts["seed"],
        trained_on=facts["trained_on"],
        notes=facts["notes"],
        call=call,
    )


def _from_weights(path: Path, data: bytes, network: str | JointNetwork) -> JointNetwork:
    net = copy.deepcopy(network) if isinstance(network, JointNetwork) else _make(network)
    if path.suffix == ".safetensors":
        weights = safetensors.torch.load(data)
    else:
        weights = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    net.module.load_state_dict(weights)
    net.name = path.stem
    return net


def _make(name: str) -> JointNetwork:
    module, _, factory = name.partition(":")
    sys.path.insert(0, os.getcwd())
    try:
        made = getattr(importlib.import_module(module), factory)
    finally:
        sys.path.remove(os.getcwd())
    return made if isinstance(made, JointNetwork) else made()
