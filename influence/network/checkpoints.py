"""Checkpoints: files that hold a network and its facts."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError, unknown
from influence.network.joint_network import FACTS, JointNetwork, read_facts
from influence.network.programs.archive import with_text
from influence.network.programs.export import input_shapes, pack_program, trace_program
from influence.network.programs.program import read_program
from influence.network.weights import find_network, load_weights
from influence.runtime.files import replace_on_success

__all__ = [
    "check_refill",
    "export_checkpoint",
    "load_checkpoint",
    "read_network",
    "refill_checkpoint",
]


_SUFFIXES = (".pt2", ".safetensors", ".pt", ".pth")


def load_checkpoint(
    path: str | os.PathLike[str], network: str | JointNetwork | None = None
) -> JointNetwork:
    """Read a network from a file, without executing anything that the file holds.

    A `.pt2` file is read as data: its graph may call only operators on a list, with numbers, texts
    and tensors as arguments (see `influence.network.programs`). A pickle of weights is always read
    with `weights_only=True`. So no code from the file runs, and no other file is read or written.
    But a hostile graph may compute nonsense, run for ever, or use up the memory; and `network`
    names code of your own, which is imported and run.

    Parameters
    ----------
    path
        A `.pt2` file of `export_checkpoint`; or weights, a `.safetensors`, `.pt` or `.pth` file.
    network
        The network that weights are for: a `JointNetwork`, which is copied, or the name
        `module:factory` of one or of a function that returns one, looked up with the working
        directory first on the path. Not used for a `.pt2` file.

    Returns
    -------
    JointNetwork
        On the CPU, in evaluation mode, with the SHA-256 of the file. The name of a network from
        weights is the file's name without its suffix, since one factory serves many files.

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
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InfluenceError(
            f"could not read the checkpoint {path}: {error.strerror}. Check the name"
        ) from error
    try:
        net = _load(path, data, network)
    except InfluenceError as error:
        # What a file says must not steer the terminal that shows it.
        message = "".join(c if c.isprintable() else "?" for c in str(error))
        raise InfluenceError(f"checkpoint {path}: {message}") from error
    net.module.eval()
    net.sha256 = hashlib.sha256(data).hexdigest()
    return net


def _load(path: Path, data: bytes, network: str | JointNetwork | None) -> JointNetwork:
    if not data:
        raise InfluenceError("the file is empty. Copy it again")
    if path.suffix not in _SUFFIXES:
        raise InfluenceError(
            f"expected a name that ends in {', '.join(_SUFFIXES)}, got {path.suffix!r}"
        )
    if path.suffix == ".pt2":
        return read_network(data)
    if network is None:
        raise InfluenceError(
            "a file of weights needs the network that they are for. Give network='module:factory', "
            "or export a .pt2 file with influence.export_checkpoint"
        )
    net = find_network(network)
    load_weights(net.module, data, pickled=path.suffix != ".safetensors")
    net.name = path.stem
    return net


def read_network(data: bytes) -> JointNetwork:
    """Read a network from the bytes of a `.pt2` file: its program, and its facts.

    Raises
    ------
    InfluenceError
        If the bytes are not a `.pt2` file with facts, or its program and facts do not fit.
    """
    program = read_program(data)
    if FACTS not in program.texts:
        raise InfluenceError(
            f"it has no {FACTS}, so the names of its inputs and outputs are unknown. Export the "
            "network again with influence.export_checkpoint"
        )
    net = read_facts(program.texts[FACTS], program)
    interface = program.interface
    names: list[str] = [modality.name for modality in net.inputs]
    if net.call == "channels":
        names = ["+".join(names)]
    else:
        net.call = "positional"  # the program's tensors, however the network took them
    _check_names("inputs", names, interface.input_names)
    _check_names("outputs", [output.name for output in net.outputs], interface.output_names)
    for name, axes in zip(names, interface.inputs, strict=True):
        if not axes or isinstance(axes[0], int):
            raise InfluenceError(
                f"its input {name!r} was exported with a fixed number of samples. Export the "
                "network again with influence.export_checkpoint, which leaves the number free"
            )
    if net.call == "positional":
        for modality, (_, *free) in zip(net.inputs, interface.inputs, strict=True):
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
    the height and width of a convolutional network. Where the facts give the whole shape of every
    input, only the batch size is left free; this is much quicker for networks that align maps of
    many resolutions. The network is exported in evaluation mode and left in the mode it was in.
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
    if missing := [m.name for m in net.inputs if m.name not in example_inputs]:
        raise InfluenceError(
            f"network {net.name!r}: no example for the inputs {', '.join(missing)}. Give one "
            f"tensor for each of {', '.join(m.name for m in net.inputs)}"
        )
    examples = {m.name: example_inputs[m.name] for m in net.inputs}
    try:
        with _evaluation_mode(net.module), torch.no_grad():
            data = _export(net, examples)
            _check_export(data, examples, net(examples))
    except InfluenceError as error:
        raise InfluenceError(f"network {net.name!r} was not exported: {error}") from error
    with replace_on_success(path) as aside:
        aside.write_bytes(data)


@contextmanager
def _evaluation_mode(module: nn.Module) -> Iterator[None]:
    modes = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training


def _export(net: JointNetwork, examples: dict[str, Tensor]) -> bytes:
    traced = trace_program(net.module, *net.arguments(examples), fixed=net.fixed_size)
    facts = net.facts()
    if net.call != "channels":
        for item, shape in zip(facts["inputs"], input_shapes(traced), strict=True):
            item["shape"] = shape
    try:
        text = json.dumps(facts, indent=2)
    except TypeError as error:
        raise InfluenceError(f"its facts have to be plain texts and numbers: {error}") from error
    return pack_program(traced, {FACTS: text})


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
