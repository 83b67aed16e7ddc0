"""Renames in the public interface: an old name works for one more version, with a warning."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from influence.errors import InfluenceError

__all__ = ["moved_into_record"]

P = ParamSpec("P")
T = TypeVar("T")


def moved_into_record(
    keyword: str, names: Sequence[str], record: Callable[..., object]
) -> Callable[[Callable[P, T]], Callable[P, T]]:
    """Let a function accept its old keywords that are now fields of a record.

    Parameters
    ----------
    keyword
        The keyword of the function that takes the record.
    names
        The old keywords, which are now fields of the record.
    record
        Makes the record from its fields.

    Raises
    ------
    InfluenceError
        When the function is called with both the record and an old keyword.

    Examples
    --------
    >>> @moved_into_record("options", ["size"], dict)
    ... def draw(*, options=None):
    ...     return options
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     draw(size=3)
    {'size': 3}
    """

    def decorate(function: Callable[P, T]) -> Callable[P, T]:
        @wraps(function)
        def accept(*args: P.args, **kwargs: P.kwargs) -> T:
            given: dict[str, Any] = dict(kwargs)
            old = {name: given.pop(name) for name in names if name in given}
            if not old:
                return function(*args, **kwargs)
            if given.get(keyword) is not None:
                raise InfluenceError(
                    f"expected {', '.join(old)} in {keyword}=..., got both. Give the record alone"
                )
            fields = ", ".join(f"{name}={value!r}" for name, value in old.items())
            name = getattr(getattr(record, "func", record), "__name__", "record")  # of a partial
            warnings.warn(
                f"{', '.join(old)}: give {keyword}={name}({fields}); as keywords they will be "
                "removed in the next version",
                DeprecationWarning,
                stacklevel=2,
            )
            given[keyword] = record(**old)
            return function(*args, **given)

        # So that what looks at the defaults of a function finds them.
        accept.__kwdefaults__ = function.__kwdefaults__  # type: ignore[attr-defined]
        return accept

    return decorate
