"""Weights: a state dict in a file, for a network that is code of the user's own."""

from __future__ import annotations

import copy
import io
import re
import warnings
from collections.abc import Mapping

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from influence.errors import InfluenceError
from influence.network.joint_network import JointNetwork
from influence.runtime.factories import make

__all__ = ["find_network", "load_weights"]

_WRAPPERS = ("state_dict", "model_state_dict", "model")
_SHOWN = 5


def load_weights(module: nn.Module, data: bytes, *, pickled: bool) -> None:
    """Fill a module with the weights in a file.

    Parameters
    ----------
    module
        The network.
    data
        The whole file: safetensors, or what `torch.save` wrote, read with `weights_only=True`.
        The state dict may be the file's entry ``state_dict``, as in training checkpoints, and its
        keys may all start with ``module.``, as `DataParallel` leaves them.
    pickled
        Whether `torch.save` wrote the file.

    Raises
    ------
    InfluenceError
        If the file is no such file, would have to execute code, or if its keys and shapes are not
        exactly those of the module.

    Examples
    --------
    >>> data = safetensors.torch.save({"module.weight": torch.eye(2)})
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> load_weights(layer, data, pickled=False)
    >>> layer.weight.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    weights = _unpickle(data) if pickled else _read_safetensors(data)
    if all(key.startswith("module.") for key in weights):
        weights = {key.removeprefix("module."): value for key, value in weights.items()}
    _check_keys(module.state_dict(), weights)
    module.load_state_dict(weights)


def _read_safetensors(data: bytes) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(data)
    except (safetensors.SafetensorError, KeyError, ValueError) as error:
        raise InfluenceError(
            f"it is not a safetensors file, or cut off: {error}. Copy it again"
        ) from error


def _unpickle(data: bytes) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            # Other protocols than that of torch.save end in an error that says more.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on foreign files
        raise _explain(str(error)) from error
    for wrapper in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping) or not all(
        isinstance(key, str) and isinstance(value, Tensor) for key, value in content.items()
    ):
        raise InfluenceError(
            "it holds no state dict. Save one: torch.save(module.state_dict(), path)"
        )
    return dict(content)


def _explain(reason: str) -> InfluenceError:
    """Tell a pickle that holds code, and a TorchScript archive, from a file of another kind."""
    remedy = "Save plain weights: torch.save(module.state_dict(), path), or a .safetensors file"
    if "TorchScript" in reason:
        return InfluenceError(f"it is a TorchScript archive, expected weights. {remedy}")
    if code := re.search(r"GLOBAL (\S+)", reason):
        return InfluenceError(
            f"it is a pickle that holds code ({code[1]}), which was not executed. {remedy}"
        )
    return InfluenceError(f"it is not a state dict that torch.save wrote, or cut off. {remedy}")


def _check_keys(expected: Mapping[str, Tensor], found: Mapping[str, Tensor]) -> None:
    shapes = [
        f"{key} {tuple(found[key].shape)} instead of {tuple(value.shape)}"
        for key, value in expected.items()
        if key in found and found[key].shape != value.shape
    ]
    faults = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": shapes,
    }
    if any(faults.values()):
        raise InfluenceError(
            f"its keys do not match the network's {len(expected)}: "
            + "; ".join(
                f"{len(keys)} {what}: {_some(keys)}" for what, keys in faults.items() if keys
            )
            + ". Name the network that these weights were trained in"
        )


def _some(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def find_network(network: str | JointNetwork) -> JointNetwork:
    """Return a new network by its name, or a copy of the one that is given.

    Parameters
    ----------
    network
        ``module:factory``, looked up with the working directory first on the path, where the
        factory is a `JointNetwork` or a function without arguments that returns one.

    Raises
    ------
    InfluenceError
        If there is no such name, its module fails to import, or it is something else.
    """
    made = network if isinstance(network, JointNetwork) else make(network)
    if not isinstance(made, JointNetwork):
        raise InfluenceError(
            f"the network {network!r} is of type {type(made).__name__}, expected an "
            "influence.JointNetwork or a function without arguments that returns one"
        )
    return copy.deepcopy(made)
