"""Factories: a user's networks, data and metrics, imported by a name ``module:factory``."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
from contextlib import suppress
from typing import Any

from influence.errors import InfluenceError, said
from influence.runtime.interrupts import foreign_code, working_directory

__all__ = ["is_factory", "make"]


def is_factory(text: str) -> bool:
    """Return whether a text has the form ``module:factory`` and is not the name of a file.

    >>> is_factory("mine:network"), is_factory("net.pt2")
    (True, False)
    """
    module, _, name = text.partition(":")
    dotted = all(part.isidentifier() for part in [*module.split("."), *name.split(".")])
    return dotted and not os.path.exists(text)


def make(text: str) -> Any:
    """Import a module, searching the working directory first, and call its factory.

    Parameters
    ----------
    text
        ``module:factory``. If it names neither a function nor a class, but for example a network,
        the object itself is returned.

    Raises
    ------
    InfluenceError
        If the module or name does not exist, or the factory fails, ends the program, or changes the
        working directory.

    Examples
    --------
    >>> make("collections:OrderedDict")
    OrderedDict()
    """
    module, _, name = text.partition(":")
    place = working_directory()
    sys.path.insert(0, place)
    try:
        with foreign_code(repr(text)):
            made = importlib.import_module(module)
            for part in name.split("."):
                made = getattr(made, part)
            return made() if inspect.isroutine(made) or inspect.isclass(made) else made
    except InfluenceError:
        raise
    except Exception as error:
        raise InfluenceError(
            f"{text!r}: expected module:factory that can be imported from here and called without "
            f"arguments, got {said(error)}"
        ) from error
    finally:
        with suppress(ValueError):  # the code may have changed the path
            sys.path.remove(place)
