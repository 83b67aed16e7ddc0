"""Export: from a module to an exported program, and to the bytes of a `.pt2` file."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram
from torch.fx.experimental.symbolic_shapes import is_concrete_int
from torch.utils._pytree import tree_leaves, tree_map

from influence.errors import InfluenceError

__all__ = ["input_shapes", "pack_program", "trace_program"]

_REMEDY = "or save its weights as .safetensors, and load them with network='module:factory'"


def trace_program(
    module: nn.Module,
    args: tuple[Any, ...],
    kwargs: Mapping[str, Tensor] | None = None,
    *,
    fixed: bool = False,
    keep_channels: Sequence[Tensor] = (),
) -> ExportedProgram:
    """Trace a module with a free number of samples, and with other axes free where torch can.

    Parameters
    ----------
    module
        The network, in evaluation mode.
    args, kwargs
        Example arguments of a call: tensors, or dictionaries of tensors, samples first. A single
        sample is doubled, since torch takes an axis of length 1 for a constant.
    fixed
        Fix every axis but the samples. Where a network aligns maps of many resolutions, torch
        can reason about free sizes for hours.
    keep_channels
        Those of the arguments whose axis 1 is fixed: their channels.

    Raises
    ------
    InfluenceError
        If torch cannot trace the module, or only for this number of samples.

    Examples
    --------
    >>> traced = trace_program(nn.Flatten(), (torch.zeros(2, 3, 4),))
    >>> input_shapes(traced)
    [[None, None]]
    """
    if not hasattr(Dim, "AUTO"):
        raise InfluenceError(
            f"torch {torch.__version__} cannot leave sizes free, which takes torch 2.6 or later"
        )
    examples = (args, dict(kwargs or {}))
    kept = [any(x is other for other in keep_channels) for x in tree_leaves(examples)]
    args, doubled = tree_map(lambda x: torch.cat([x, x]) if len(x) == 1 else x, examples)
    # Some networks can be traced with fixed axes only. `len(x)` fixes the number of samples, unless
    # torch reads the code itself (strict).
    axes = [Dim.STATIC] if fixed else [Dim.AUTO, Dim.STATIC]
    attempts = [*(_Trace(each, kept) for each in axes), _Trace(axes[0], kept, strict=True)]
    errors: list[Exception] = []
    for trace in attempts:
        if trace.strict and not _is_for_one_number(errors[-1]):
            break
        try:
            return trace(module, args, doubled)
        except Exception as error:  # torch raises many kinds
            errors.append(error)
    first = errors[len(axes) - 1]
    if _is_for_one_number(first):
        raise InfluenceError(
            "it works for one number of samples only. Where it fixes that number, as "
            f"x.view(8, -1) and len(x) do, write x.flatten(1) or use x.shape[0], {_REMEDY}"
        ) from first
    reason = str(first).strip().partition("\n")[0]
    raise InfluenceError(
        f"torch cannot export it: {reason} Change the network, {_REMEDY}"
    ) from first


def _is_for_one_number(error: Exception) -> bool:
    return "specialized it to be a constant" in str(error)


@dataclass(frozen=True)
class _Trace:
    """Exports a module with the number of samples free.

    Parameters
    ----------
    other_axes
        What becomes of the other axes.
    kept
        For each tensor of the arguments, whether its axis 1 is fixed.
    strict
        Whether torch reads the code of the module, and does not only run it.
    """

    other_axes: Any
    kept: Sequence[bool]
    strict: bool = False

    def __call__(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Tensor]
    ) -> ExportedProgram:
        shapes: Any = torch.export.ShapesCollection()  # type: ignore[no-untyped-call]
        for example, kept in zip(tree_leaves((args, kwargs)), self.kept, strict=True):
            free = {
                i: Dim.STATIC if kept and i == 1 else self.other_axes
                for i, length in enumerate(example.shape)
                if length > 1
            }
            shapes[example] = {**free, 0: Dim.DYNAMIC}
        with warnings.catch_warnings(), _silence():
            # Recurrent layers gather their weights in every call; torch restores them by itself.
            warnings.filterwarnings(
                "ignore", r"The tensor attributes? [\s\S]* assigned during export"
            )
            return torch.export.export(
                module, args, kwargs, dynamic_shapes=shapes, strict=self.strict
            )


@contextmanager
def _silence() -> Iterator[None]:
    """Keep torch from printing the whole graph of a module that it cannot trace."""
    logger = logging.getLogger("torch.fx.experimental.symbolic_shapes")
    before, logger.disabled = logger.disabled, True
    try:
        with redirect_stderr(io.StringIO()):
            yield
    finally:
        logger.disabled = before


def input_shapes(traced: ExportedProgram) -> list[list[int | None]]:
    """Return the shape of one sample of each input, `None` where a length is free."""
    values = {node.name: node.meta["val"] for node in traced.graph.nodes if "val" in node.meta}
    return [
        [int(length) if is_concrete_int(length) else None for length in values[name].shape[1:]]
        for name in traced.graph_signature.user_inputs
    ]


def pack_program(traced: ExportedProgram, texts: Mapping[str, str]) -> bytes:
    """Return the bytes of a `.pt2` file; `texts` maps the names of extra files to their content.

    Removes what is not needed to run: sample inputs, guards on them, paths of source files.
    """
    try:
        traced.example_inputs = None
    except ValueError:  # torch before 2.8
        traced._example_inputs = None
    traced._guards_code = []
    for module in traced.graph_module.modules():
        if isinstance(module, torch.fx.GraphModule):
            for node in module.graph.nodes:
                kept = ("val", "nn_module_stack")
                node.meta = {key: node.meta[key] for key in kept if key in node.meta}
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        # Weights in channels-last order are whole tensors, though torch cannot tell.
        warnings.filterwarnings("ignore", "No complete tensor found in the group")
        torch.export.save(traced, buffer, extra_files=dict(texts))
    return buffer.getvalue()
