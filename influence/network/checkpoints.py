"""Checkpoints: files that hold a network and its facts."""

from __future__ import annotations

import copy
import hashlib
import io
import json
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError, unknown
from influence.network.callables import CallableModule, set_evaluation_mode, unwrapped
from influence.network.contents import Content, content_of
from influence.network.joint_network import FACTS, JointNetwork, Modality, read_facts
from influence.network.onnx_models import OnnxModel, read_onnx
from influence.network.programs.archive import with_text
from influence.network.programs.export import (
    input_shapes,
    leave_out_wrapper,
    pack_program,
    trace_program,
)
from influence.network.programs.program import read_program
from influence.network.state_dicts import (
    Weights,
    find_entries,
    read_folder,
    read_pickle,
    read_safetensors,
)
from influence.network.weights import find_network, load_weights
from influence.network.zip_archives import check_archive, is_archive
from influence.runtime.files import replace_on_success, sha256_of
from influence.runtime.reading.recorded_hashes import check_recorded
from influence.runtime.reading.regular_files import read_regular

__all__ = [
    "check_refill",
    "export_checkpoint",
    "load_checkpoint",
    "read_network",
    "refill_checkpoint",
]


def load_checkpoint(
    path: str | os.PathLike[str],
    network: str | JointNetwork | None = None,
    *,
    weights_key: str | None = None,
    trust: bool = False,
) -> JointNetwork:
    """Read a network from a file or folder, without executing anything that it holds.

    What a file holds is told by its content, not by its suffix. A program is read as data: its
    graph may call only operators on a list, with numbers, texts and tensors as arguments (see
    `influence.network.programs`). A pickle of weights is always read with `weights_only=True`; of
    a folder only safetensors are read, and ONNX is a graph of listed operators as well. So no code
    from the file runs. But a hostile graph may compute nonsense, run for ever, or use up the
    memory; and `network` names code of your own, which is imported and run. TorchScript is code,
    and is loaded only if you trust it.

    Parameters
    ----------
    path
        A program of `export_checkpoint` or `torch.export.save`; weights of `torch.save`, as
        training code wraps them (see `load_weights`), or safetensors; a folder of safetensors; an
        ONNX model; or TorchScript.
    network
        The network that weights are for: a `JointNetwork`, which is copied, or the name
        `module:factory` of one or of a function that returns one, looked up with the working
        directory first on the path. For a program without facts, ONNX and TorchScript it gives the
        facts alone, such as the names of inputs and outputs. Not used for a file with facts.
    weights_key
        The entry of a checkpoint that holds the weights, such as ``ema`` or ``model.state_dict``,
        or the beginning of the keys that are the network's, such as ``state_dict.model``. By
        default the first entry that fits, in the order of `influence.network.state_dicts.WRAPPERS`,
        with a warning if others would fit too.
    trust
        Whether code in the file may run.

    Returns
    -------
    JointNetwork
        On the CPU, in evaluation mode, with the SHA-256 of the file. The name of a network from a
        file without facts is the file's name without its suffix, since one factory serves many
        files.

    Raises
    ------
    InfluenceError
        If the file is missing, cut off, of another format or hostile, or does not fit the network.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "scale.pt"
    >>> torch.save(torch.nn.Linear(2, 1).state_dict(), path)
    >>> net = JointNetwork(torch.nn.Linear(2, 1), inputs=("x",), outputs=("y",))
    >>> load_checkpoint(path, net)
    JointNetwork(scale: x -> y)
    """
    path = Path(path)
    data = b"" if os.path.isdir(path) else read_regular(path, "checkpoint")
    try:
        net = _load(_Source(path, data, network, weights_key, trust))
    except InfluenceError as error:
        # What a file says must not steer the terminal that shows it.
        message = "".join(c if c.isprintable() else "?" for c in str(error))
        raise InfluenceError(f"checkpoint {path}: {message}") from error
    set_evaluation_mode(net.module)
    return net


@dataclass(frozen=True)
class _Source:
    """A checkpoint and how it is to be read: the parameters of `load_checkpoint`."""

    path: Path
    data: bytes
    network: str | JointNetwork | None
    weights_key: str | None
    trust: bool

    def facts_of(self, what: str, found: nn.Module) -> JointNetwork:
        """Return a module with the facts of `network`."""
        if self.network is None:
            raise InfluenceError(
                f"{what} does not name its inputs and outputs. Give network='module:factory', an "
                "influence.JointNetwork that names them"
            )
        net = find_network(self.network)
        net.module, net.name = found, self.path.stem
        return net


def _load(source: _Source) -> JointNetwork:
    if source.path.is_dir():
        weights, digest = read_folder(source.path)
        net = _with_weights(source, {"": weights})
        net.name = source.path.resolve().name
    else:
        check_recorded(source.path, source.data)
        net = _LOADERS[content_of(source.data)](source)
        digest = _digest_of(source.data, net)
    net.sha256 = digest
    return net


def _digest_of(data: bytes, net: JointNetwork) -> str:
    digest = hashlib.sha256(data)
    function = net.module.function if isinstance(net.module, CallableModule) else None
    for path in function.files if isinstance(function, OnnxModel) else ():
        digest.update(bytes.fromhex(sha256_of(path)))
    return digest.hexdigest()


def _load_program(source: _Source) -> JointNetwork:
    return read_network(source.data, source.network, name=source.path.stem)


def _load_pickle(source: _Source) -> JointNetwork:
    _check_network(source)
    if is_archive(source.data):
        check_archive(source.data)
    return _with_weights(source, find_entries(read_pickle(source.data)))


def _load_safetensors(source: _Source) -> JointNetwork:
    _check_network(source)
    return _with_weights(source, {"": read_safetensors(source.data)})


def _check_network(source: _Source) -> None:
    if source.network is None:
        raise InfluenceError(
            "a file of weights needs the network that they are for. Give network='module:factory', "
            "or export a .pt2 file with influence.export_checkpoint"
        )


def _with_weights(source: _Source, entries: Mapping[str, Weights]) -> JointNetwork:
    _check_network(source)
    net = find_network(source.network or "")
    if note := load_weights(net.module, entries, source.weights_key):
        warnings.warn(f"checkpoint {source.path}: {note}", stacklevel=5)
        net.notes = "\n".join(filter(None, [net.notes, note]))
    net.name = source.path.stem
    return net


def _load_script(source: _Source) -> JointNetwork:
    if not source.trust:
        raise InfluenceError(
            "it is TorchScript, which is code: it may read and write files when it runs. It was "
            "not loaded. If you know who made it, give trust=True; else save plain weights: "
            "torch.save(module.state_dict(), path)"
        )
    check_archive(source.data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            load: Callable[..., nn.Module] = torch.jit.load
            module = load(io.BytesIO(source.data), map_location="cpu")
    except RuntimeError as error:
        raise InfluenceError(
            f"TorchScript cannot be loaded: {str(error).strip().partition(chr(10))[0]}"
        ) from error
    return source.facts_of("TorchScript", module)


def _load_onnx(source: _Source) -> JointNetwork:
    model = read_onnx(source.path, source.data)
    module = CallableModule(model, arrays=True)
    for port in model.inputs:
        if not port.shape or port.shape[0] is not None:
            raise InfluenceError(
                f"its input {port.name!r} was exported for a fixed number of samples, the shape "
                f"{port.shape}. Export it with dynamic_axes={{{port.name!r}: {{0: 'batch'}}}}"
            )
    if source.network is not None:
        net = source.facts_of("", module)
        _match_ports(net, model)
        return net
    # A site's name is joined to others by '+', and ':' and '/' have a meaning of their own.
    names = [[re.sub("[+:/]", "_", port.name) for port in ports]
             for ports in (model.inputs, model.outputs)]  # fmt: skip
    inputs = [
        Modality(name, shape=port.shape[1:])
        for name, port in zip(names[0], model.inputs, strict=True)
    ]
    return JointNetwork(module, inputs, names[1], name=source.path.stem)


def _match_ports(net: JointNetwork, model: OnnxModel) -> None:
    """Put a model's inputs and outputs into the order of the facts, by name or else by place."""
    for what, items in (("inputs", net.inputs), ("outputs", net.outputs)):
        ports = {port.name: port for port in getattr(model, what)}
        names = [item.name for item in items]
        if set(names) <= ports.keys() and (what == "outputs" or len(names) == len(ports)):
            setattr(model, what, tuple(ports[name] for name in names))
        elif len(names) != len(ports):
            raise InfluenceError(
                f"the network names the {what} {', '.join(names)}, but the ONNX model has "
                f"{', '.join(ports)}. Name them as the model does"
            )
    net.call = "positional"


_LOADERS: dict[Content, Callable[[_Source], JointNetwork]] = {
    "program": _load_program,
    "script": _load_script,
    "pickle": _load_pickle,
    "safetensors": _load_safetensors,
    "onnx": _load_onnx,
}


def read_network(
    data: bytes, network: str | JointNetwork | None = None, *, name: str = "network"
) -> JointNetwork:
    """Read a network from the bytes of a `.pt2` file: its program, and its facts.

    Parameters
    ----------
    data
        The whole file.
    network, name
        The facts of a file that has none, as of `load_checkpoint`, and its name.

    Raises
    ------
    InfluenceError
        If the bytes are not a `.pt2` file, or its program and facts do not fit.
    """
    program = read_program(data)
    if FACTS in program.texts:
        net = read_facts(program.texts[FACTS], program)
    elif network is None:
        raise InfluenceError(
            f"it has no {FACTS}, so the names of its inputs and outputs are unknown. Give "
            "network='module:factory' that names them, or export the network again with "
            "influence.export_checkpoint"
        )
    else:
        net = find_network(network)
        net.module, net.name = program, name
    interface = program.interface
    names = net.layout.tensors
    if net.call == "channels":
        names = ["+".join(names)]
    else:  # the program's tensors, however the network took them
        net.call, net.flat = "positional", True
    _check_names("inputs", names, interface.input_names)
    _check_names("outputs", [output.name for output in net.outputs], interface.output_names)
    for name, axes in zip(names, interface.inputs, strict=True):
        if not axes or isinstance(axes[0], int):
            raise InfluenceError(
                f"its input {name!r} was exported with a fixed number of samples. Export the "
                "network again with influence.export_checkpoint, which leaves the number free"
            )
    if net.flat:
        shapes = dict(zip(names, interface.inputs, strict=True))
        for modality in net.inputs:
            _, *free = shapes.get(modality.name, (None, *(modality.shape or ())))
            if not modality.fits(free):
                raise InfluenceError(
                    f"{FACTS} gives the input {modality.name!r} the shape {modality.shape}, but "
                    f"the program takes {tuple(free)}. Export the network again with "
                    "influence.export_checkpoint"
                )
    program.interface = replace(interface, input_names=tuple(names))
    return net


def _check_names(what: str, names: list[str], found: tuple[str | None, ...]) -> None:
    if None in found:
        fits = len(names) == len(found)
    else:
        fits = names == list(found) if what == "inputs" else set(names) <= set(found)
    if not fits:
        described = len(found) if None in found else ", ".join(map(str, found))
        raise InfluenceError(
            f"{FACTS} names the {what} {', '.join(names)}, but the program has {described}. Export "
            "the network again with influence.export_checkpoint"
        )


def export_checkpoint(
    net: JointNetwork, path: str | os.PathLike[str], example_inputs: Mapping[str, Tensor]
) -> None:
    """Write a network and its facts to a self-contained `.pt2` file.

    The batch size is left free, and so is every other axis that the network does not fix, such as
    the height and width of a convolutional network; channels and classes are as in the example.
    Where the facts give the whole shape of every input, only the batch size is left free; this is
    much quicker for networks that align maps of many resolutions. The network is exported in
    evaluation mode and left in the mode it was in.
    The file holds no sample inputs, no pickles and no paths of this machine, and two exports of one
    network are the same to the byte.

    Parameters
    ----------
    net
        The network. Its facts go into the file, with the shape of each input as it was exported.
    path
        The file, whose name ends in ``.pt2``.
    example_inputs
        One tensor an input, samples first, of a size that the network accepts; the values do not
        matter. An axis of length 1 stays fixed, except for the samples.

    Raises
    ------
    InfluenceError
        If the network cannot be exported, needs a fixed batch size, calls what
        `load_checkpoint` refuses, or if the program that is read back returns other values.

    Examples
    --------
    >>> import tempfile
    >>> class Sum(torch.nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",), name="sum")
    >>> path = Path(tempfile.mkdtemp()) / "sum.pt2"
    >>> export_checkpoint(net, path, {"x": torch.zeros(2, 3), "y": torch.zeros(2, 3)})
    >>> load_checkpoint(path)({"x": torch.ones(1, 2), "y": torch.ones(1, 2)})["total"].tolist()
    [[2.0, 2.0]]
    """
    path = Path(path)
    if path.suffix != ".pt2":
        raise InfluenceError(f"expected a file name that ends in .pt2, got {path.name!r}")
    try:
        examples = net.split(example_inputs)
    except InfluenceError as error:
        raise InfluenceError(
            f"network {net.name!r}: no example for an input: {error}. Give one tensor for each of "
            f"{', '.join(net.layout.tensors)}"
        ) from error
    try:
        with _as_written(net) as plain, torch.no_grad():
            data = _export(plain, examples)
            _check_export(data, examples, plain(examples))
    except InfluenceError as error:
        raise InfluenceError(f"network {net.name!r} was not exported: {error}") from error
    with replace_on_success(path) as aside:
        aside.write_bytes(data)


@contextmanager
def _as_written(net: JointNetwork) -> Iterator[JointNetwork]:
    """Yield a network in evaluation mode, without what compiles it or copies it to devices."""
    module = unwrapped(net.module)
    plain = copy.copy(net)
    plain.module = module
    modes = {part: part.training for part in module.modules()}
    compiled = {
        part: call
        for part in module.modules()
        if (call := part.__dict__.get("_compiled_call_impl")) is not None
    }
    set_evaluation_mode(module)
    for part in compiled:
        part._compiled_call_impl = None
    try:
        yield plain
    finally:
        for part, training in modes.items():
            part.training = training
        for part, call in compiled.items():
            part._compiled_call_impl = call


class _Flat(nn.Module):
    """A network that takes its tensors one by one, and returns its outputs by name."""

    def __init__(self, net: JointNetwork) -> None:
        super().__init__()
        self.module = net.module
        self.call, self.layout = net.__call__, net.layout

    def forward(self, *tensors: Tensor) -> dict[str, Tensor]:
        whole = dict(zip(self.layout.tensors, tensors, strict=True))
        return self.call(self.layout.split(whole))


def _export(net: JointNetwork, examples: dict[str, Any]) -> bytes:
    whole = net.layout.whole(examples)
    if strange := [name for name, x in whole.items() if not isinstance(x, Tensor)]:
        raise InfluenceError(
            f"its input {strange[0]!r} is no tensor, and a program takes tensors only. Save its "
            "weights as .safetensors, and load them with network='module:factory'"
        )
    maps = [x for m in net.inputs if (x := whole.get(m.name)) is not None and _has_channels(m, x)]
    plain = list(whole) == [m.name for m in net.inputs] and not any("." in name for name in whole)
    picked = any(output.pick is not None for output in net.outputs)
    facts = net.facts()
    if plain and not picked:
        module, (args, kwargs) = net.module, net.arguments(examples)
    else:
        module, args, kwargs = _Flat(net), tuple(whole.values()), {}
        facts["outputs"] = [{**item, "pick": None} for item in facts["outputs"]]
    joined = list(args) if net.call == "channels" else []
    traced = trace_program(
        module, args, kwargs, fixed=net.fixed_size, keep_channels=[*maps, *joined]
    )
    if isinstance(module, _Flat):
        leave_out_wrapper(traced)
    if net.call != "channels":
        shapes = dict(zip(whole, input_shapes(traced), strict=True))
        for item in facts["inputs"]:
            item["shape"] = shapes.get(item["name"], item["shape"])
    try:
        text = json.dumps(facts, indent=2)
    except TypeError as error:
        raise InfluenceError(f"its facts have to be plain texts and numbers: {error}") from error
    return pack_program(traced, {FACTS: text})


def _has_channels(modality: Modality, example: Tensor) -> bool:
    """Return whether axis 1 holds channels or classes, whose number is no matter of size."""
    maps = {"image": 4, "depth": 4, "probabilities": 2, "logits": 2}
    return example.ndim >= maps.get(modality.kind, 99)


def _check_export(data: bytes, examples: dict[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Read the bytes back and compare outputs, so that every file that is written can be loaded."""
    device = next(iter(examples.values())).device
    found = read_network(data).to(device)(examples)
    for name, value in expected.items():
        if not torch.allclose(
            value.double(), found[name].double(), rtol=1e-4, atol=1e-5, equal_nan=True
        ):
            raise InfluenceError(
                f"output {name!r} of the exported program differs from the network's. Does the "
                "network draw random numbers, or keep a state from one call to the next?"
            )


def refill_checkpoint(
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    constants: Mapping[str, Sequence[float]],
) -> None:
    """Copy a `.pt2` checkpoint, with optimal constants in its facts.

    All other facts, the network's graph and its weights stay the same.

    Parameters
    ----------
    path
        A file of `export_checkpoint`.
    out
        The new file, which must not exist.
    constants
        Input -> constant, one number a channel, as of `influence.mutes.optimal.learn_optimal`.

    Raises
    ------
    InfluenceError
        If `path` is no such file, `out` exists, or an input is unknown.

    Examples
    --------
    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> net = JointNetwork(torch.nn.Linear(3, 2), inputs=("x",), outputs=("y",))
    >>> export_checkpoint(net, folder / "old.pt2", {"x": torch.zeros(2, 3)})
    >>> refill_checkpoint(folder / "old.pt2", folder / "new.pt2", {"x": (1, 2, 3)})
    >>> load_checkpoint(folder / "new.pt2").inputs[0].optimal
    (1.0, 2.0, 3.0)
    """
    check_refill(path, out)
    load_checkpoint(path)  # raises with the name of the file
    data = Path(path).read_bytes()
    facts = json.loads(read_program(data).texts[FACTS])
    inputs = {item["name"]: item for item in facts["inputs"]}
    for name, constant in constants.items():
        if name not in inputs:
            raise unknown("input", name, inputs)
        inputs[name]["optimal"] = list(constant)
    filled = with_text(data, FACTS, json.dumps(facts, indent=2))
    read_network(filled)  # every file that is written can be loaded
    with replace_on_success(out) as aside:
        aside.write_bytes(filled)


def check_refill(path: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
    """Raise InfluenceError unless `refill_checkpoint` can copy one path to the other."""
    for name in (path, out):
        if Path(name).suffix != ".pt2":
            raise InfluenceError(
                f"expected a file name that ends in .pt2, got {str(name)!r}: files of weights hold "
                "no facts. Give constants to their network: Modality(name, optimal=...)"
            )
    if Path(out).exists():
        raise InfluenceError(f"{out} exists and is not overwritten. Choose another name")
