"""Hostile facts: what a checkpoint says about its inputs and outputs."""

from __future__ import annotations

import io
import zipfile
from random import Random

from tests.hostile.attacks.commands import read_network
from tests.hostile.mutation import mutate_json
from tests.hostile.sandbox import Attack, Sandbox

__all__ = ["facts"]

MEMBER = "archive/extra/influence.json"


def facts(stream: Random, box: Sandbox) -> Attack:
    """Facts whose names, kinds, shapes, units, classes or constants are changed."""
    path = box.take("net.pt2")
    with zipfile.ZipFile(path) as archive:
        members = {info.filename: archive.read(info) for info in archive.infolist()}
    text, note = mutate_json(stream, members[MEMBER].decode())
    members[MEMBER] = text.encode(errors="surrogatepass")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    path.write_bytes(target.getvalue())
    arguments, writes = read_network(stream, box, path.name)
    return Attack(arguments, note, writes, encoding=stream.choice(("utf-8", "utf-8", "latin-1")))
