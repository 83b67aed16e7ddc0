"""Hostile evaluation files."""

from __future__ import annotations

from pathlib import Path
from random import Random

from tests.hostile.attacks.commands import Command, read_network
from tests.hostile.attacks.hdf5 import mutate_hdf5
from tests.hostile.mutation import mutate_bytes
from tests.hostile.sandbox import Attack, Sandbox

__all__ = ["damaged_data", "evaluation_files"]


def _take(stream: Random, box: Sandbox) -> Path:
    return box.take(stream.choice(("data.h5", "data.h5", "data.h5", "typed.h5")))


def _command(stream: Random, box: Sandbox, path: Path) -> Command:
    if path.name == "typed.h5" or stream.random() < 0.4:
        return ["show", path.name, *stream.choice(([], [], ["--check"]))], ()
    box.take("net.pt2")
    if stream.random() < 0.1:
        return ["show", "net.pt2", "--data", path.name], ()
    while True:
        arguments, writes = read_network(stream, box, "net.pt2", data=path.name)
        if "--data" in arguments:
            return arguments, writes


def evaluation_files(stream: Random, box: Sandbox) -> Attack:
    """Evaluation files with other attributes, types, shapes, links and storage."""
    path = _take(stream, box)
    note, sound = mutate_hdf5(stream, path)
    arguments, writes = _command(stream, box, path)
    encoding = stream.choice(("utf-8", "utf-8", "latin-1"))
    return Attack(arguments, note, writes, may_succeed=sound, encoding=encoding)


def damaged_data(stream: Random, box: Sandbox) -> Attack:
    """Evaluation files whose bytes are flipped, cut off, repeated or inserted."""
    path = _take(stream, box)
    data, note = mutate_bytes(stream, path.read_bytes())
    path.write_bytes(data)
    arguments, writes = _command(stream, box, path)
    return Attack(arguments, note, writes)
