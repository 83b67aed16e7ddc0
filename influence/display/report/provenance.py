"""Provenance: how the runs of a page were measured, and the hashes of their files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from influence.results.info import read_info
from influence.results.tables import OWN_FILES
from influence.runtime.directories.commits import located, settle
from influence.runtime.files import sha256_of

__all__ = ["Origin", "read_origins"]

FILES = ("influence.csv", "performance.csv", "interactions.csv", "distance.csv", "run.json",
         "gallery/gallery.csv")  # fmt: skip


@dataclass(frozen=True)
class Origin:
    """The provenance of one run.

    Parameters
    ----------
    name
        Name of the run's folder.
    facts
        Heading -> pairs (what, value) of `run.json`; empty if the run has none.
    files
        Pairs (name, SHA-256) of the files that the page was made from.
    """

    name: str
    facts: Mapping[str, list[tuple[str, str]]]
    files: tuple[tuple[str, str], ...]


def read_origins(runs: Iterable[str | os.PathLike[str]]) -> list[Origin]:
    """Read the provenance of runs from their ``run.json``, and hash their files.

    Parameters
    ----------
    runs
        The directories of the runs.

    Raises
    ------
    InfluenceError
        If a ``run.json`` cannot be read, or holds no JSON object.

    Examples
    --------
    >>> import tempfile
    >>> run = Path(tempfile.mkdtemp())
    >>> _ = (run / "run.json").write_text('{"versions": {"python": "3.11"}, "samples": true}')
    >>> read_origins([run])[0].facts
    {'versions': [('python', '3.11')], 'run': [('samples', 'yes')]}
    """
    return [_origin(Path(run)) for run in runs]


def _origin(run: Path) -> Origin:
    facts: dict[str, list[tuple[str, str]]] = {}
    settle(run, OWN_FILES.__contains__)
    info = read_info(run) if located(run / "run.json").exists() else {}
    for heading, content in info.items():
        if isinstance(content, (dict, list)):
            facts[heading] = list(_flat(content))
        else:
            facts.setdefault("run", []).append((heading, _text(content)))
    places = {name: located(run / name) for name in FILES}
    files = [(name, sha256_of(path)) for name, path in places.items() if path.is_file()]
    return Origin(
        run.resolve().name, {h: pairs for h, pairs in facts.items() if pairs}, tuple(files)
    )


def _flat(content: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested JSON, named by the keys on the way to them."""
    if isinstance(content, list) and any(isinstance(item, (dict, list)) for item in content):
        content = {_item_name(item, i): item for i, item in enumerate(content)}
    if isinstance(content, dict):
        for key, value in content.items():
            yield from _flat(value, f"{prefix}, {key}" if prefix else key)
    else:
        yield prefix, _text(content)


def _item_name(item: Any, index: int) -> str:
    return str(item["name"]) if isinstance(item, dict) and "name" in item else str(index + 1)


def _text(value: Any) -> str:
    if isinstance(value, list):
        return "; ".join(map(_text, value))
    if value is None:
        return "–"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
