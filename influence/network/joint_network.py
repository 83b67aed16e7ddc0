"""A trained joint network f(X, Y, ...): a module with named inputs and outputs, and facts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Annotated, Any, Literal, get_args

import torch
from pydantic import AfterValidator, Field, FiniteFloat
from pydantic_core import PydanticCustomError
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.callables import as_module, set_evaluation_mode
from influence.runtime.records import Record, read_record

__all__ = ["FACTS", "KINDS", "Call", "JointNetwork", "Modality", "Output", "read_facts"]

FACTS = "influence.json"
"""The file inside a checkpoint that holds the facts of its network."""

KINDS = (
    *("depth", "probabilities", "logits", "image", "vector", "other"),
    *("tokens", "categories", "points", "mask", "multilabel", "boxes", "text"),
)
"""What an input or output holds: mutes and default metrics depend on it."""
ROLES = ("source", "context")
RESIZES = ("", "nearest", "bilinear")
Call = Literal["positional", "keyword", "mapping", "tuple", "channels"]


def _check_printable(text: str) -> str:
    # A control character could forge lines in a table or on a terminal.
    if not text.replace("\n", "").isprintable():
        raise PydanticCustomError("printable", "Input should be a printable text")
    return text


# The constraints hold for what is read from a file; in the code they are plain types.
_Text = Annotated[str, AfterValidator(_check_printable)]
_Numbers = tuple[FiniteFloat, ...]
_Shape = tuple[Annotated[int, Field(gt=0)] | None, ...]


@dataclass(frozen=True)
class Modality:
    """An input of a network.

    Parameters
    ----------
    name
        The modality's name, the same as in the evaluation file.
    kind
        One of `KINDS`. Mutes and default metrics depend on it.
    shape
        Shape of one sample, without the batch axis; `None` for an axis of any length.
    unit
        Physical unit, such as ``m``.
    mean, std
        Mean and standard deviation of each channel over the training set, for the mean and noise
        mutes.
    optimal
        The constant, one number a channel, that hurts the network least on the training set; see
        `influence.mutes.optimal.learn_optimal`.
    missing
        The mute, such as ``zero``, with which the network was trained on samples that lack this
        input; empty if it never lacked. The network knows this mute, so its features under it
        count as features of data.
    role
        ``source``: muted and reported; ``context``: passed to the network as it is, such as camera
        intrinsics, lengths or a prompt. A context may be one value for a whole batch, and need not
        be a tensor.
    tensors
        The names of its tensors in the data, which are muted together; by default `name` alone.
    path
        Where its tensor lies in nested inputs: ``img.rgb`` for ``inputs["img"]["rgb"]``.
    slice
        ``(axis, start, stop)``: the part of a tensor that it is, such as ``(1, 6, None)`` for
        places 6 to the end of axis 1. `tensors` or `path` names the tensor.
    moves_with
        Names of further tensors that belong to it, such as its lengths. They are exchanged with it
        under a shuffle, and emptied with it.
    pad, keep, mask
        For tokens: the id of padding; ids that no mute replaces, such as that of an image token;
        and the id of the mask token.
    """

    name: _Text
    kind: _Text = "other"
    shape: _Shape | None = None
    unit: _Text = ""
    mean: _Numbers | None = None
    std: _Numbers | None = None
    optimal: _Numbers | None = None
    missing: _Text = ""
    role: _Text = "source"
    tensors: tuple[_Text, ...] = ()
    path: _Text = ""
    slice: tuple[int, int, int | None] | None = None
    moves_with: tuple[_Text, ...] = ()
    pad: int = 0
    keep: tuple[int, ...] = ()
    mask: int | None = None

    def fits(self, shape: Sequence[object]) -> bool:
        """Return whether samples of a shape fit the declared one; a length that is no int may."""
        return self.shape is None or (
            len(self.shape) == len(shape)
            and all(
                declared in (None, length) or not isinstance(length, int)
                for declared, length in zip(self.shape, shape, strict=True)
            )
        )


@dataclass(frozen=True)
class Output:
    """A prediction of a network.

    Parameters
    ----------
    name
        The output's name, the same as that of its target in the evaluation file.
    kind
        One of `KINDS`. Default metrics depend on it.
    classes
        The names of the classes, in the order of their labels.
    pick
        Where the prediction is in what the network returns: a key, an attribute or an index, joined
        by dots, such as ``logits`` or ``heads.0``. By default the output's name, or its place.
    resize
        ``nearest`` or ``bilinear``: resize the prediction to the height and width of the truth.
    ignore
        The label or value in the ground truth that means 'no ground truth'.
    range
        Least and greatest valid value, such as ``(0, 255)``; predictions are clamped to it before
        they are scored, and ``psnr`` takes its peak from it.
    """

    name: _Text
    kind: _Text = "other"
    classes: tuple[str, ...] = ()
    pick: str | int | None = None
    resize: _Text = ""
    ignore: float | None = None
    range: tuple[float, float] | None = None


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
        self._check_facts()

    def _check_facts(self) -> None:
        for what, items in (("input", self.inputs), ("output", self.outputs)):
            names = [item.name for item in items]
            if not names or len(set(names)) < len(names) or not all(names):
                raise self._error(f"expected {what} names that differ, got {names}")
            # A site's name is joined to others by '+' in the tables, and ':' marks an edge.
            if bad := [n for n in names if "+" in n or ":" in n or "/" in n]:
                raise self._error(f"{what} names must not contain '+', ':' or '/': {bad}")
            if bad := [item.kind for item in items if item.kind not in KINDS]:
                raise self._error(f"unknown {what} kind {bad[0]!r}; known: {', '.join(KINDS)}")
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

    def __call__(self, inputs: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """Run the module on a batch.

        Parameters
        ----------
        inputs
            One tensor a modality, samples first; `None` for an input that is absent, but not for
            all of them.

        Returns
        -------
        dict
            One tensor an output, samples first.

        Raises
        ------
        InfluenceError
            If all inputs are absent, or if the module returns something else than the declared
            outputs.
        """
        ordered = {m.name: inputs[m.name] for m in self.inputs}
        present = [values for values in ordered.values() if values is not None]
        if not present or (self.call == "channels" and len(present) < len(ordered)):
            absent = [name for name, values in ordered.items() if values is None]
            needed = "each part of its channels" if present else "one input or more"
            raise self._error(f"expected a tensor for {needed}, got None for {', '.join(absent)}")
        args, kwargs = self.arguments(ordered)
        return self._name_outputs(self.module(*args, **kwargs), batch=present[0].shape[0])

    def arguments(self, inputs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments of the module for ordered inputs."""
        if self.call == "keyword":
            return (), inputs
        if self.call == "mapping":
            return (inputs,), {}
        values = tuple(inputs.values())
        if self.call == "channels":
            return (torch.cat(values, dim=1),), {}
        return (values,) if self.call == "tuple" else values, {}

    def _name_outputs(self, returned: Any, *, batch: int) -> dict[str, Tensor]:
        names = [o.name for o in self.outputs]
        if isinstance(returned, Tensor):
            returned = (returned,)
        if isinstance(returned, Mapping):
            if missing := [n for n in names if n not in returned]:
                raise InfluenceError(
                    f"network {self.name!r} returned outputs {sorted(map(str, returned))}, "
                    f"expected {names}: {missing} missing. Name the outputs as the network does"
                )
            named = {n: returned[n] for n in names}
        elif isinstance(returned, Sequence) and len(returned) == len(names):
            named = dict(zip(names, returned, strict=True))
        else:
            count = len(returned) if isinstance(returned, Sequence) else type(returned).__name__
            raise InfluenceError(
                f"network {self.name!r} returned {count} outputs, expected {len(names)}: {names}"
            )
        for name, value in named.items():
            if not isinstance(value, Tensor):
                raise self._error(f"output {name!r} is a {type(value).__name__}, expected a tensor")
            if value.ndim == 0 or value.shape[0] != batch:
                shape = tuple(value.shape)
                raise self._error(
                    f"output {name!r} has shape {shape}, expected {batch} samples first"
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

    name: _Text = "network"
    inputs: tuple[Modality, ...]
    outputs: tuple[Output, ...]
    seed: int | None = None
    trained_on: _Text = ""
    notes: _Text = ""
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
