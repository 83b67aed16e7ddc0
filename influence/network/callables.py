"""Callables: functions and programs as modules, and modules taken out of their wrappers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from influence.errors import InfluenceError

__all__ = ["CallableModule", "as_module", "set_evaluation_mode", "unwrapped"]


class CallableModule(nn.Module):
    """A function as a module: NumPy, JAX, scikit-learn, a session of ONNX Runtime.

    Arrays that the function returns become tensors on the device of the inputs.

    Parameters
    ----------
    function
        Takes the inputs as a module would, and returns tensors, arrays, or lists or dictionaries of
        them.
    arrays
        Whether it takes NumPy arrays; else it takes tensors.

    Examples
    --------
    >>> CallableModule(np.add, arrays=True)(torch.ones(2), torch.ones(2))
    tensor([2., 2.])
    """

    def __init__(self, function: Callable[..., Any], *, arrays: bool = False) -> None:
        super().__init__()
        self.function, self.arrays = function, arrays
        self.eval()  # a function knows no training

    def __deepcopy__(self, memo: dict[int, Any]) -> CallableModule:
        # A function has no weights that a checkpoint could fill; sessions cannot be copied.
        return CallableModule(self.function, arrays=self.arrays)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        device = next(
            (x.device for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)), None
        )
        if self.arrays:
            args, kwargs = tree_map(_as_array, (args, kwargs))
        return _with_tensors(self.function(*args, **kwargs), device)


def _as_array(value: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    # NumPy has no bfloat16.
    return (value.float() if value.dtype == torch.bfloat16 else value).detach().cpu().numpy()


def _with_tensors(returned: Any, device: torch.device | None) -> Any:
    """Replace the arrays in what a function returned; other libraries' arrays have `__array__`."""
    if isinstance(returned, Tensor):
        return returned
    if hasattr(returned, "__array__"):
        array = np.array(returned, order="C")  # a copy: tensors must own what they may write
        if array.dtype.kind not in "biufc":
            raise InfluenceError(
                f"the function returned an array of {array.dtype}, expected numbers"
            )
        return torch.from_numpy(array).to(device)
    if isinstance(returned, Mapping):
        return {key: _with_tensors(value, device) for key, value in returned.items()}
    if type(returned) in (list, tuple):
        return [_with_tensors(value, device) for value in returned]
    return returned


def as_module(network: Any, *, arrays: bool = False) -> nn.Module:
    """Return a network as a module: a module itself, an exported program, or any function.

    Parameters
    ----------
    network
        A module (compiled, scripted, quantised or parallel ones too), a program of
        `torch.export.export`, or a function of tensors or arrays.
    arrays
        Whether the function takes NumPy arrays.

    Raises
    ------
    InfluenceError
        If it cannot be called, or was exported for one number of samples.

    Examples
    --------
    >>> as_module(np.add, arrays=True)
    CallableModule()
    """
    if isinstance(network, nn.Module) and not arrays:
        return network
    if isinstance(network, torch.export.ExportedProgram):
        _check_samples_free(network)
        return cast(nn.Module, network.module())
    if isinstance(network, type) or not callable(network):
        kind = f"the class {network.__name__}" if isinstance(network, type) else repr(network)[:60]
        raise InfluenceError(
            f"expected a module, an exported program or a function, got {kind}. Give an object "
            "that is called with the inputs"
        )
    return CallableModule(network, arrays=arrays)


def _check_samples_free(program: torch.export.ExportedProgram) -> None:
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    shapes = {
        name: value.shape
        for name in program.graph_signature.user_inputs
        if isinstance(value := values.get(str(name)), Tensor) and value.ndim
    }
    if shapes and all(isinstance(shape[0], int) for shape in shapes.values()):
        name, shape = next(iter(shapes.items()))
        raise InfluenceError(
            f"the exported program takes {shape[0]} samples only. Export it with a free number: "
            f"dynamic_shapes={{{name!r}: {{0: torch.export.Dim('samples')}}, ...}}"
        )


def unwrapped(module: nn.Module) -> nn.Module:
    """Return the module inside `torch.compile`, `DataParallel` and `DistributedDataParallel`.

    >>> unwrapped(nn.DataParallel(nn.Flatten()))
    Flatten(start_dim=1, end_dim=-1)
    """
    parallel = (nn.DataParallel, nn.parallel.DistributedDataParallel)
    while True:
        compiled = getattr(module, "_orig_mod", None)
        if isinstance(compiled, nn.Module):
            module = compiled
        elif isinstance(module, parallel):
            module = module.module
        else:
            return module


def set_evaluation_mode(module: nn.Module) -> None:
    """Set a module to evaluation mode, unless it has no modes: an exported program."""
    with suppress(NotImplementedError):
        module.eval()
