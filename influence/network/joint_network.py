"""A trained joint network f(X, Y, ...): a module with named inputs and outputs, and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.callables import as_module, set_evaluation_mode
from influence.network.layout import Layout, pick_outputs
from influence.network.modality import KINDS, RESIZES, ROLES, Modality, Output, Text
from influence.runtime.reading.records import Record, read_record

__all__ = ["FACTS", "KINDS", "Call", "JointNetwork", "Modality", "Output", "read_facts"]

FACTS = "influence.json"
"""The file inside a checkpoint that holds the facts of its network."""

Call = Literal["positional", "keyword", "mapping", "tuple", "channels"]


class JointNetwork:
    """A module with named inputs and named outputs.

    Parameters
    ----------
    module
        The trained network: an `nn.Module` (compiled, scripted, quantised ones too), a program of
        `torch.export.export`, or any function of its inputs.
    inputs, outputs
        Names, or `Modality` and `Output` records that say more, in the order in which the module
        takes and returns them.
    name, seed, trained_on, notes
        Facts that identify the network: its name and the seed of its training (in every table),
        its training data, and remarks.
    call
        How the module takes its inputs: ``positional`` tensors, ``keyword`` arguments, one
        ``mapping``, one ``tuple``, or one tensor with the modalities side by side in its
        ``channels``.
    arrays
        Whether the network is a function of NumPy arrays, as in NumPy, scikit-learn and JAX, and
        not of tensors.

    Raises
    ------
    InfluenceError
        If names are missing, repeated or contain ``+``, ``:`` or ``/``, if a kind or the call is
        unknown, or if `module` cannot be called.

    Examples
    --------
    >>> class Sum(nn.Module):
    ...     def forward(self, x, y):
    ...         return x + y
    >>> net = JointNetwork(Sum(), inputs=("x", "y"), outputs=("total",))
    >>> net({"y": torch.ones(2, 1), "x": torch.ones(2, 1)})["total"].tolist()
    [[2.0], [2.0]]
    """

    def __init__(
        self,
        module: nn.Module | torch.export.ExportedProgram | Callable[..., Any],
        inputs: Sequence[str | Modality],
        outputs: Sequence[str | Output],
        *,
        name: str = "network",
        seed: int | None = None,
        trained_on: str = "",
        notes: str = "",
        call: Call = "positional",
        arrays: bool = False,
    ) -> None:
        self.module: nn.Module = as_module(module, arrays=arrays)
        self.inputs = tuple(Modality(i) if isinstance(i, str) else i for i in inputs)
        self.outputs = tuple(Output(o) if isinstance(o, str) else o for o in outputs)
        self.name = name
        self.seed = seed
        self.trained_on = trained_on
        self.notes = notes
        self.call = call
        self.sha256 = ""
        self.flat = False
        """Whether the module takes its tensors one by one, as an exported program does."""
        self.check()
        self.layout = Layout(self.inputs)

    def check(self) -> None:
        """Check the facts of the network, which its owner may have changed since it was made.

        Raises
        ------
        InfluenceError
            If it has no module, or names, kinds or roles are not valid.
        """
        if not isinstance(self.module, nn.Module) or not isinstance(self.name, str):
            raise InfluenceError(
                "expected a network with a module and a name, got "
                f"{type(self.module).__name__} and {self.name!r}"
            )
        for what, items in (("input", self.inputs), ("output", self.outputs)):
            names = [item.name for item in items]
            if not names or len(set(names)) < len(names) or not all(names):
                raise self._error(f"expected {what} names that differ, got {names}")
            # A site's name is joined to others by '+' in the tables, and ':' marks an edge.
            if bad := [n for n in names if "+" in n or ":" in n or "/" in n]:
                raise self._error(f"{what} names must not contain '+', ':' or '/': {bad}")
            if bad := [n for n in names if n in (".", "..") or "\0" in n]:  # no names in a file
                raise self._error(f"{what} names must not be '.' or '..', nor hold a NUL: {bad}")
            if bad := [item.kind for item in items if item.kind not in KINDS]:
                raise self._error(f"unknown {what} kind {bad[0]!r}; known: {', '.join(KINDS)}")
        for output in self.outputs:
            if len(set(output.classes)) < len(output.classes):
                raise self._error(
                    f"output {output.name!r} names a class twice: {', '.join(output.classes)}"
                )
            if output.resize not in RESIZES:
                raise self._error(
                    f"output {output.name!r}: unknown resize {output.resize!r}; known: "
                    f"{', '.join(filter(None, RESIZES))}"
                )
        for modality in self.inputs:
            if modality.role not in ROLES:
                raise self._error(
                    f"input {modality.name!r}: unknown role {modality.role!r}; known: "
                    f"{', '.join(ROLES)}"
                )
        if self.call not in (calls := get_args(Call)):
            raise self._error(f"unknown call {self.call!r}; known: {', '.join(calls)}")

    def _error(self, message: str) -> InfluenceError:
        return InfluenceError(f"network {self.name!r}: {message}")

    def __repr__(self) -> str:
        ins = ", ".join(m.name for m in self.inputs)
        outs = ", ".join(o.name for o in self.outputs)
        return f"JointNetwork({self.name}: {ins} -> {outs})"

    @property
    def dtype(self) -> torch.dtype:
        """The type to which inputs are cast: that of the first weight that is no integer.

        It is float32 for networks without weights, such as functions.
        """
        weights = chain(self.module.parameters(), self.module.buffers())
        dtypes = (torch.float32, torch.float64, torch.float16, torch.bfloat16)
        return next((w.dtype for w in weights if w.dtype in dtypes), torch.float32)

    def to(self, device: torch.device | str) -> JointNetwork:
        """Move the module to a device and set it to evaluation mode; return self."""
        self.module.to(device)
        set_evaluation_mode(self.module)
        return self

    @property
    def sources(self) -> tuple[Modality, ...]:
        """The inputs that can be muted: all but those of role ``context``."""
        return tuple(m for m in self.inputs if m.role == "source")

    def split(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Take the network's leaves from the inputs of a batch.

        Parameters
        ----------
        inputs
            The inputs by name, as a data set holds them. A value inside nested inputs has the names
            on the way to it, joined by dots.

        Returns
        -------
        dict
            One value for each leaf: a tensor of a modality, or the part of it that is a modality.

        Raises
        ------
        InfluenceError
            If an input is missing, or a slice does not fit its tensor.
        """
        return self.layout.split(inputs)

    def __call__(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Run the module on a batch.

        Parameters
        ----------
        inputs
            The network's leaves, samples first: for most networks one tensor a modality; see
            `split`. `None` for an input that is absent, but not for all of them.

        Returns
        -------
        dict
            For each output a tensor, or a list with one entry a sample.

        Raises
        ------
        InfluenceError
            If all inputs are absent, or if the module returns something else than the declared
            outputs.
        """
        ordered = {leaf: inputs[leaf] for leaf in self.layout.leaves}
        present = [leaf for leaf, values in ordered.items() if values is not None]
        if not present or (self.call == "channels" and len(present) < len(ordered)):
            absent = [name for name, values in ordered.items() if values is None]
            needed = "each part of its channels" if present else "one input or more"
            raise self._error(f"expected a tensor for {needed}, got None for {', '.join(absent)}")
        args, kwargs = self.arguments(ordered)
        return self._name_outputs(self.module(*args, **kwargs), self.layout.count(ordered))

    def arguments(self, leaves: Mapping[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments of the module for its leaves."""
        if self.call == "channels":
            return (torch.cat(list(leaves.values()), dim=1),), {}
        if self.flat:
            return tuple(self.layout.whole(leaves).values()), {}
        inputs = self.layout.join(leaves)
        if self.call == "keyword":
            return (), inputs
        if self.call == "mapping":
            return (inputs,), {}
        values = tuple(inputs.values())
        return (values,) if self.call == "tuple" else values, {}

    def _name_outputs(self, returned: Any, batch: int) -> dict[str, Any]:
        try:
            named = pick_outputs(returned, self.outputs)
        except InfluenceError as error:
            raise self._error(str(error)) from error
        for name, value in named.items():
            if isinstance(value, Tensor):
                shape: Any = tuple(value.shape)
                # In a trace, `len` would fix the number of samples.
                count = value.shape[0] if value.ndim else None
            elif isinstance(value, (list, tuple)):
                shape, count = f"of {len(value)} entries", len(value)
            else:
                raise self._error(
                    f"output {name!r} is a {type(value).__name__}, expected a tensor, or a list "
                    "with one entry a sample. Say which part of it is the output: Output(pick=...)"
                )
            if count != batch:
                squeezed = batch == 1 and isinstance(value, Tensor)
                hint = (
                    " A batch of one has lost its axis of samples: squeeze()?" if squeezed else ""
                )
                raise self._error(
                    f"output {name!r} has shape {shape}, expected {batch} samples first.{hint}"
                )
        return named

    @property
    def fixed_size(self) -> bool:
        """Whether every input has a shape without free axes."""
        return all(m.shape is not None and None not in m.shape for m in self.inputs)

    def facts(self) -> dict[str, Any]:
        """Return the content of `influence.json`, which identifies the network in a checkpoint."""
        facts = {name: getattr(self, name) for name in _Facts.model_fields}
        return facts | {part: [asdict(x) for x in facts[part]] for part in ("inputs", "outputs")}


class _Facts(Record, extra="ignore"):
    """The content of `influence.json`. Later versions may add fields."""

    name: Text = "network"
    inputs: tuple[Modality, ...]
    outputs: tuple[Output, ...]
    seed: int | None = None
    trained_on: Text = ""
    notes: Text = ""
    call: Call = "positional"


def read_facts(text: bytes, module: nn.Module) -> JointNetwork:
    """Return a module with the names and facts that a checkpoint gives it.

    Parameters
    ----------
    text
        The content of `influence.json`, as of `JointNetwork.facts`. Only the names of the inputs
        and outputs are required; unknown keys are ignored.
    module
        The network.

    Raises
    ------
    InfluenceError
        If the text is not JSON, or a fact is missing or of another type.

    Examples
    --------
    >>> read_facts(b'{"inputs": [{"name": "x"}], "outputs": [{"name": "y"}]}', nn.Identity())
    JointNetwork(network: x -> y)
    """
    remedy = "Export the network again with influence.export_checkpoint"
    return JointNetwork(module, **dict(read_record(_Facts, text, FACTS, remedy)))
