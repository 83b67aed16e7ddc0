"""The content of ``run.json``, checked once, so that what reads it need not doubt its types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from influence.errors import InfluenceError
from influence.results.tables import OWN_FILES
from influence.runtime.directories.commits import located, settle
from influence.runtime.reading.records import Record, read_record
from influence.runtime.reading.text_files import read_text

__all__ = ["read_info"]

DEEPEST = 50
"""Levels of nested JSON; a run writes a tenth of them."""

REMEDY = "Write one with influence measure"

Whole = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**63)]


class _Network(Record, extra="allow"):
    name: str = ""
    seed: Whole | None = None
    sha256: str = ""
    sites: list[str] = Field(default_factory=list)
    metrics: dict[str, list[str]] = Field(default_factory=dict)
    stateful: dict[str, list[str]] = Field(default_factory=dict)


class _Data(Record, extra="allow"):  # whose name is that of a file, which may be no text
    sha256: str | None = None
    n: Count | None = None


class _Measured(Record, extra="allow"):
    networks: list[_Network] = Field(default_factory=list)
    data: _Data = _Data()
    mutes: list[str] = Field(default_factory=list)
    seed: Annotated[int, Field(ge=0)] = 0
    draws: Count = 1
    confidence: Annotated[float, Field(gt=0, lt=1)] = 0.95
    stream: bool = False
    interactions: bool = False
    levels: list[str] = Field(default_factory=list)


class _Info(Record, extra="allow"):
    """What ``run.json`` may hold; a report of an older version may lack any part."""

    measured: _Measured = _Measured()
    execution: dict[str, Any] = Field(default_factory=dict)
    definitions: dict[str, str] = Field(default_factory=dict)
    hardware: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, str] = Field(default_factory=dict)
    notes: dict[str, list[str]] = Field(default_factory=dict)
    learned: dict[str, dict[str, list[float]]] = Field(default_factory=dict)
    samples: bool = True


def _check_depth(content: object) -> None:
    """Raise an error if JSON is nested deeper than anything that a run writes."""
    level = [content]
    for _ in range(DEEPEST):
        level = [
            part
            for some in level
            if isinstance(some, (dict, list))
            for part in (some.values() if isinstance(some, dict) else some)
        ]
    if level:
        raise ValueError(f"it is nested more than {DEEPEST} deep")


def read_info(directory: Path) -> dict[str, Any]:
    """Read the ``run.json`` of a run directory.

    Raises
    ------
    InfluenceError
        If the file is missing, or not as written by `Run.write`: no JSON object, nested too deep,
        or with parts of another type or with numbers that no run has.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> _ = (run / "run.json").write_text('{"samples": true}')
    >>> read_info(run)
    {'samples': True}
    """
    path = directory / "run.json"
    settle(directory, OWN_FILES.__contains__)
    try:
        text = read_text(located(path))
        info: dict[str, Any] = json.loads(text)
        _check_depth(info)
    except (OSError, ValueError, RecursionError, MemoryError) as error:
        raise InfluenceError(
            f"{directory}: expected a run directory with a readable run.json ({error}). {REMEDY}"
        ) from error
    read_record(_Info, info, str(path), REMEDY)
    return info
