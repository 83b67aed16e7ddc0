"""Nesting: values inside mappings, sequences and objects, by the path that leads to them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from influence.errors import InfluenceError

__all__ = ["describe", "flatten", "follow"]


def flatten(inputs: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values in nested mappings, each with the names on the way to it, joined by dots.

    >>> dict(flatten({"img": {"rgb": 1, "depth": 2}, "text": 3}))
    {'img.rgb': 1, 'img.depth': 2, 'text': 3}
    """
    for name, value in inputs.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def follow(value: Any, path: str | int) -> Any:
    """Return what lies at a path inside mappings, sequences and objects.

    Parameters
    ----------
    value
        The outermost container.
    path
        Keys, indices and names of attributes, joined by dots.

    Raises
    ------
    InfluenceError
        If there is nothing at the path.

    Examples
    --------
    >>> follow({"heads": [{"logits": 1}]}, "heads.0.logits")
    1
    """
    found = value
    for step in str(path).split("."):
        try:
            found = _step(found, step)
        except (KeyError, IndexError, AttributeError, ValueError) as error:
            raise InfluenceError(
                f"there is no {path!r}: {step!r} is not in {describe(found)}"
            ) from error
    return found


def _step(value: Any, step: str) -> Any:
    if isinstance(value, Mapping):
        if step in value or not step.isdecimal():
            return value[step]
        return (int(step) in value and value[int(step)]) or list(value.values())[int(step)]
    if isinstance(value, Sequence) and not isinstance(value, str) and step.isdecimal():
        return value[int(step)]
    if step.startswith("_") or isinstance(value, Tensor):
        raise AttributeError(step)
    return getattr(value, step)


def describe(value: Any) -> str:
    """Name the type of a value, and what is in it.

    >>> describe({"logits": 1})
    'a mapping with logits'
    """
    if isinstance(value, Mapping):
        return f"a mapping with {', '.join(map(str, value))}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return f"a {type(value).__name__} of {len(value)}"
    return f"a {type(value).__name__}"
