"""Weights: state dicts in files, and the networks that they are for."""

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
    """Load the weights in a file into a module.

    Parameters
    ----------
    module
        The network.
    data
        The whole file: safetensors, or a file of `torch.save`, read with `weights_only=True`. The
        state dict may be the file's entry ``state_dict``, ``model_state_dict`` or ``model``, as in
        training checkpoints, and its keys may all start with ``module.``, as `DataParallel` leaves
        them.
    pickled
        Whether it is a file of `torch.save`.

    Raises
    ------
    InfluenceError
        If the file has another format, needs code to be executed, or if its keys and shapes are
        not exactly those of the module.

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
            # Pickles of other protocols lead to an error below, which says more.
            warnings.filterwarnings("ignore", "Detected pickle protocol")
            content = torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds on foreign files
        raise _pickle_error(str(error)) from error
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


def _pickle_error(reason: str) -> InfluenceError:
    """Return the error for a file that torch does not load as plain weights."""
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
    wrong = {
        "missing": [key for key in expected if key not in found],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": shapes,
    }
    if any(wrong.values()):
        raise InfluenceError(
            f"its keys do not match the network's {len(expected)}: "
            + "; ".join(
                f"{len(keys)} {what}: {_first(keys)}" for what, keys in wrong.items() if keys
            )
            + ". Name the network that these weights were trained in"
        )


def _first(keys: list[str]) -> str:
    return ", ".join(keys[:_SHOWN]) + (", ..." if len(keys) > _SHOWN else "")


def find_network(network: str | JointNetwork) -> JointNetwork:
    """Return the network of a name, or a copy of a network.

    Parameters
    ----------
    network
        A network, or the name ``module:factory`` of one or of a function without arguments that
        returns one, looked up with the working directory first on the path.

    Raises
    ------
    InfluenceError
        If there is no such name, its module fails to import, or it is no network.
    """
    made = network if isinstance(network, JointNetwork) else make(network)
    if not isinstance(made, JointNetwork):
        raise InfluenceError(
            f"the network {network!r} is of type {type(made).__name__}, expected an "
            "influence.JointNetwork or a function without arguments that returns one"
        )
    return copy.deepcopy(made)
