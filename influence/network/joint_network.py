"""A trained joint network f(X, Y, ...) behind one calling convention: names in, names out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError

__all__ = ["KINDS", "Call", "JointNetwork", "Modality", "Output"]

KINDS = ("depth", "probabilities", "logits", "image", "vector", "other")
Call = Literal["positional", "keyword", "mapping", "tuple", "channels"]


@dataclass(frozen=True)
class Modality:
    """What is known of one input.

    Parameters
    ----------
    name
        The modality's name, the same as in the evaluation file.
    kind
        One of `KINDS`; the mutes and the default metrics depend on it.
    shape
        Shape of one sample without the batch axis; `None` for an axis of any length.
    unit
        Physical unit, such as ``m``.
    mean, std
        Per-channel moments over the training set, for the mean and noise mutes.
    optimal
        The constant, one number a channel, that hurts the network least on the training set; see
        `influence.mutes.optimal.learn_optimal`.
    missing
        The mute that the network saw in training where this input was missing, such as ``zero``;
        empty if it never was. Features under that mute are no distance from the data.
    """

    name: str
    kind: str = "other"
    shape: tuple[int | None, ...] | None = None
    unit: str = ""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    optimal: tuple[float, ...] | None = None
    missing: str = ""


@dataclass(frozen=True)
class Output:
    """What is known of one prediction: its name, its kind (one of `KINDS`), its classes."""

    name: str
    kind: str = "other"
    classes: tuple[str, ...] = ()


class JointNetwork:
    """A module with named inputs and named outputs.

    Parameters
    ----------
    module
        The trained network.
    inputs, outputs
        Names, or `Modality` and `Output` records where more is known, in the order in which the
        module takes and returns them.
    name, seed, trained_on, notes
        Facts that identify the network in every table.
    call
        How the module takes its inputs: ``positional`` tensors, ``keyword`` arguments, one
        ``mapping``, one ``tuple``, or one tensor with the modalities side by side in its
        ``channels``.

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
        module: nn.Module,
        inputs: Sequence[str | Modality],
        outputs: Sequence[str | Output],
        *,
        name: str = "network",
        seed: int | None = None,
        trained_on: str = "",
        notes: str = "",
        call: Call = "positional",
    ) -> None:
        self.module = module
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
                raise InfluenceError(
                    f"network {self.name!r}: expected {what} names that differ, got {names}"
                )
            # A site's name is joined to others by '+' in the tables, and ':' marks an edge.
            if bad := [n for n in names if "+" in n or ":" in n or "/" in n]:
                raise InfluenceError(
                    f"network {self.name!r}: {what} names must not contain '+', ':' or '/': {bad}"
                )
            if bad := [item.kind for item in items if item.kind not in KINDS]:
                raise InfluenceError(
                    f"network {self.name!r}: unknown {what} kind {bad[0]!r}; known: "
                    + ", ".join(KINDS)
                )
        if self.call not in get_args(Call):
            raise InfluenceError(
                f"network {self.name!r}: unknown call {self.call!r}; known: "
                + ", ".join(get_args(Call))
            )

    def __repr__(self) -> str:
        ins = ", ".join(m.name for m in self.inputs)
        outs = ", ".join(o.name for o in self.outputs)
        return f"JointNetwork({self.name}: {ins} -> {outs})"

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights, single or double, in which inputs are shown."""
        weights = chain(self.module.parameters(), self.module.buffers())
        known = (torch.float32, torch.float64)
        return next((w.dtype for w in weights if w.dtype in known), torch.float32)

    def to(self, device: torch.device | str) -> JointNetwork:
        """Move the module to a device, set it to evaluation mode where it has one; return self."""
        self.module.to(device)
        # An exported program has no modes and says so with NotImplementedError.
        if not isinstance(self.module, torch.fx.GraphModule):
            self.module.eval()
        return self

    def __call__(self, inputs: Mapping[str, Tensor | None]) -> dict[str, Tensor]:
        """Run the module on a batch.

        Parameters
        ----------
        inputs
            One tensor a modality, samples first; `None` for one that is absent, but not for all.

        Returns
        -------
        dict
            One tensor an output, samples first.

        Raises
        ------
        InfluenceError
            If what the module returns does not match the declared outputs, or no input is there.
        """
        ordered = {m.name: inputs[m.name] for m in self.inputs}
        present = [values for values in ordered.values() if values is not None]
        if not present or (self.call == "channels" and len(present) < len(ordered)):
            absent = [name for name, values in ordered.items() if values is None]
            raise InfluenceError(
                f"network {self.name!r}: expected a tensor for "
                f"{'one input or more' if not present else 'each part of its channels'}, got None "
                f"for {', '.join(absent)}"
            )
        if self.call == "positional":
            returned = self.module(*ordered.values())
        elif self.call == "keyword":
            returned = self.module(**ordered)
        elif self.call == "mapping":
            returned = self.module(ordered)
        elif self.call == "tuple":
            returned = self.module(tuple(ordered.values()))
        else:
            returned = self.module(torch.cat(present, dim=1))
        return self._named(returned, batch=present[0].shape[0])

    def _named(self, returned: Any, *, batch: int) -> dict[str, Tensor]:
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
                raise InfluenceError(
                    f"network {self.name!r}: output {name!r} is a {type(value).__name__}, "
                    "expected a tensor"
                )
            if value.ndim == 0 or value.shape[0] != batch:
                raise InfluenceError(
                    f"network {self.name!r}: output {name!r} has shape {tuple(value.shape)}, "
                    f"expected {batch} samples first"
                )
        return named

    @property
    def fixed_size(self) -> bool:
        """Whether the facts give the whole shape of a sample of every input."""
        return all(m.shape is not None and None not in m.shape for m in self.inputs)

    def facts(self) -> dict[str, Any]:
        """Return what `influence.json` holds inside a checkpoint."""
        return {
            "name": self.name,
            "inputs": [asdict(m) for m in self.inputs],
            "outputs": [asdict(o) for o in self.outputs],
            "seed": self.seed,
            "trained_on": self.trained_on,
            "notes": self.notes,
            "call": self.call,
        }
