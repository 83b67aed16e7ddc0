"""Weights: state dicts fitted to the networks that they are for, and networks by name."""

from __future__ import annotations

import copy
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product

import torch
from torch import Tensor, nn

from influence.errors import InfluenceError, unknown
from influence.network.callables import unwrapped
from influence.network.joint_network import JointNetwork
from influence.network.state_dicts import Weights
from influence.runtime.factories import make

__all__ = ["find_network", "load_weights"]

_INSIDE = {"_orig_mod", "module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
"""What wrappers of single layers put into the middle of a key."""

_SHOWN = 5
_REMEDY = "Save plain weights: torch.save(module.state_dict(), path), or a .safetensors file"


def load_weights(
    module: nn.Module, entries: Mapping[str, Weights], weights_key: str | None = None
) -> str:
    """Load the first state dict that fits into a module, under the names that training gave it.

    A state dict fits if its keys and shapes are exactly those of the module, once prefixes are
    taken away that all of its keys share (``module.``, ``model.``, ``_orig_mod.``, any other), or
    added that all keys of the module share. What torch and safetensors leave out is filled in:
    counters of batch normalisation, and a tensor that shares its memory with one that is there. A
    single number may have the shape (1,). Values are cast to the types of the module.

    Parameters
    ----------
    module
        The network.
    entries
        Path in the checkpoint -> state dict, as of `find_entries`, in the order to try.
    weights_key
        The path of the state dict to take, or of a part of it: the beginning of its keys.

    Returns
    -------
    str
        A note if other entries fit as well; else empty.

    Raises
    ------
    InfluenceError
        If none fits.

    Examples
    --------
    >>> layer = nn.Linear(2, 2, bias=False)
    >>> load_weights(layer, {"": {"module.weight": torch.eye(2)}})
    ''
    >>> layer.weight.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    module = unwrapped(module)
    entries = entries if weights_key is None else _choose(entries, weights_key)
    expected = {k: v for k, v in module.state_dict().items() if isinstance(v, Tensor)}
    fitting = {
        path: fitted
        for path, weights in entries.items()
        if (fitted := _fit(module, expected, weights)) is not None
    }
    if not fitting:
        raise _misfit(expected, entries)
    (path, weights), *further = fitting.items()
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise InfluenceError(
            f"its weights cannot be copied into the network: {' '.join(str(error).split())}. "
            f"{_REMEDY}"
        ) from error
    if others := [other for other, found in further if not _are_equal(found, weights)]:
        return (
            f"weights are of the entry {path!r}; {', '.join(map(repr, others))} would fit as well: "
            f"weights_key={others[0]!r}"
        )
    return ""


def _choose(entries: Mapping[str, Weights], key: str) -> dict[str, Weights]:
    """Return the entries at or below a path, or the part of one whose keys begin like the rest."""
    chosen: dict[str, Weights] = {}
    for path, weights in entries.items():
        if path == key or path.startswith(f"{key}."):
            chosen[path] = weights
        elif not path or key.startswith(f"{path}."):
            head = key.removeprefix(f"{path}.") + "."
            if part := {k.removeprefix(head): v for k, v in weights.items() if k.startswith(head)}:
                chosen[key] = part
    if not chosen:
        raise unknown(
            "entry of the checkpoint", key, [path or "(the whole file)" for path in entries]
        )
    return chosen


def _fit(module: nn.Module, expected: Mapping[str, Tensor], weights: Weights) -> Weights | None:
    """Return weights with the keys and shapes of a module, `None` if they are not for it."""
    for reading in _readings(weights, expected):
        if (found := _complete(reading, expected)) is not None:
            return found
    if _renames_keys(module):
        for reading in _readings(weights, expected):
            trial = copy.deepcopy(module)
            try:
                trial.load_state_dict(reading)
            except (RuntimeError, KeyError):
                continue
            return trial.state_dict()
    return None


def _readings(weights: Weights, expected: Iterable[str]) -> Iterator[Weights]:
    """Yield weights with keys as they are, then without and with the prefixes of wrappers."""
    inner = {
        ".".join(part for part in key.split(".") if part not in _INSIDE): value
        for key, value in weights.items()
    }
    for plain in (weights, inner) if inner.keys() != weights.keys() else (weights,):
        for away, added in product(_prefixes(plain), _prefixes(expected)):
            yield {added + key.removeprefix(away): value for key, value in plain.items()}


def _prefixes(keys: Iterable[str]) -> list[str]:
    """List the prefixes that all keys share, shortest first.

    >>> _prefixes(["a.b.weight", "a.b.bias"])
    ['', 'a.', 'a.b.']
    """
    prefixes = [""]
    for parts in zip(*(key.split(".")[:-1] for key in keys), strict=False):
        if len(set(parts)) > 1:
            break
        prefixes.append(f"{prefixes[-1]}{parts[0]}.")
    return prefixes


def _complete(found: Weights, expected: Mapping[str, Tensor]) -> Weights | None:
    """Fill in what need not be stored; `None` if anything else is missing, left over or differs."""
    wrong = _compare(found, expected)
    if any(wrong.values()):
        return None
    return {
        key: _fill(key, found[key], value) if key in found else value
        for key, value in expected.items()
    }


def _fill(key: str, found: Tensor, expected: Tensor) -> Tensor:
    """Return a stored tensor in the form of the network's own."""
    if found.is_meta:
        raise InfluenceError(
            f"its tensor {key!r} has a shape, but no values (it was saved on the meta device). "
            f"Load the weights before they are saved. {_REMEDY}"
        )
    if found.is_complex() and not expected.is_complex():
        raise InfluenceError(
            f"its tensor {key!r} holds complex numbers, the network real ones. Name the network "
            "that these weights were trained in"
        )
    if found.is_quantized and not expected.is_quantized:
        found = found.dequantize()
    if _is_lazy(expected):
        if found.layout != torch.strided or found.numel() > found.untyped_storage().nbytes():
            raise InfluenceError(
                f"its tensor {key!r} of shape {tuple(found.shape)} claims more values than the "
                f"file holds. {_REMEDY}"
            )
        return found
    if found.layout != torch.strided and expected.layout == torch.strided:
        found = found.to_dense()
    return found.reshape(expected.shape)


def _compare(found: Weights, expected: Mapping[str, Tensor]) -> dict[str, list[str]]:
    """List by kind what keeps weights from fitting."""
    places = {_place(value) for key, value in expected.items() if key in found} - {None}
    return {
        "missing": [
            key
            for key, value in expected.items()
            if key not in found
            and not key.endswith("num_batches_tracked")
            and _place(value) not in places
        ],
        "unexpected": [key for key in found if key not in expected],
        "of another shape": [
            f"{key} {tuple(found[key].shape)} instead of {tuple(value.shape)}"
            for key, value in expected.items()
            if key in found and not _has_shape(found[key], value)
        ],
    }


def _has_shape(found: Tensor, expected: Tensor) -> bool:
    if _is_lazy(expected):
        return True
    return found.shape == expected.shape or (found.shape == (1,) and expected.ndim == 0)


def _is_lazy(value: Tensor) -> bool:
    return bool(nn.parameter.is_lazy(value))


def _place(value: Tensor) -> tuple[object, ...] | None:
    """Return where a tensor lies in memory; tied weights lie in one place."""
    if _is_lazy(value) or value.is_meta or not value.numel() or value.layout != torch.strided:
        return None
    return value.data_ptr(), tuple(value.shape), value.stride(), value.dtype


def _renames_keys(module: nn.Module) -> bool:
    """Return whether a module takes other keys than its own, such as those of earlier versions."""
    return any(part._load_state_dict_pre_hooks for part in module.modules())


def _are_equal(one: Weights, other: Weights) -> bool:
    return all(
        value.dtype == other[key].dtype and torch.equal(value, other[key])
        for key, value in one.items()
    )


def _misfit(expected: Mapping[str, Tensor], entries: Mapping[str, Weights]) -> InfluenceError:
    """Describe what keeps the nearest entry from fitting, and what the file holds."""
    every = [reading for weights in entries.values() for reading in _readings(weights, expected)]
    nearest = max(every, key=lambda reading: len(reading.keys() & expected.keys()))
    wrong = _compare(nearest, expected)
    listed = "; ".join(
        f"{len(keys)} {what}: {_first(keys)}" for what, keys in wrong.items() if keys
    )
    holds = "; ".join(_describe(path, weights) for path, weights in list(entries.items())[:_SHOWN])
    advice = "Name the network that these weights were trained in"
    if not wrong["missing"] and not wrong["of another shape"]:
        advice = "All keys of the network are there: save the weights without the unexpected ones"
    elif part := _holding(entries, expected):
        advice = f"Name the part that is the network: weights_key={part!r}"
    return InfluenceError(
        f"its keys do not match the network's {len(expected)} ({_first(list(expected))}): "
        f"{listed}. The file holds {holds}. {advice}"
    )


def _holding(entries: Mapping[str, Weights], expected: Mapping[str, Tensor]) -> str:
    """Return the path of a part whose keys, without their first names, are those of a network."""
    for path, weights in entries.items():
        for head in sorted({key.partition(".")[0] for key in weights}):
            part = {k.partition(".")[2]: v for k, v in weights.items() if k.startswith(f"{head}.")}
            if _complete(part, expected) is not None:
                return f"{path}.{head}".lstrip(".")
    return ""


def _describe(path: str, weights: Weights) -> str:
    heads = Counter("".join(key.partition(".")[:2]) for key in weights)
    shown = ", ".join(f"{head}{f'* ({n})' if head.endswith('.') else ''}" for head, n in
                      list(heads.items())[:_SHOWN])  # fmt: skip
    more = ", ..." if len(heads) > _SHOWN else ""
    return f"{len(weights)} tensors{f' in {path!r}' if path else ''}: {shown}{more}"


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
    if isinstance(made, nn.Module):
        raise InfluenceError(
            f"the network {network!r} is a bare {type(made).__name__}, whose inputs and outputs "
            f"have no names yet. Return it as influence.JointNetwork({type(made).__name__}(...), "
            f"inputs={_parameters(made)}, outputs=('NAME',))"
        )
    if not isinstance(made, JointNetwork):
        raise InfluenceError(
            f"the network {network!r} is of type {type(made).__name__}, expected an "
            "influence.JointNetwork or a function without arguments that returns one"
        )
    made.check()
    return copy.deepcopy(made)


def _parameters(module: nn.Module) -> tuple[str, ...]:
    """List the parameters of a module's `forward` that have names, as an example."""
    try:
        found = inspect.signature(module.forward).parameters.values()
    except (TypeError, ValueError):  # a program or script may have none
        return "NAME", "NAME"
    named = tuple(p.name for p in found if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD))
    return named or ("NAME", "NAME")
