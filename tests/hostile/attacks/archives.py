"""Mutations of zip archives, and pickles that hold code."""

from __future__ import annotations

import io
import pickle
import re
import stat
import warnings
import zipfile
from collections.abc import Callable
from random import Random

from tests.hostile.mutation import mutate_bytes, mutate_json

__all__ = ["code_pickle", "mutate_archive"]

BOMB = 2**28
"""Bytes of a member of zeros; packed, they are a thousandth."""

NAMES = (
    "../canary", "/canary", "archive/../../canary", "..\\canary", "archive/extra/\x1b[2J",
    "x" * 5000, "archive/data.pkl", "archive/models/model.json", "a\0b", "", "archive/",
)  # fmt: skip

NEEDED = re.compile(r"(data\.pkl|model\.json|data/\d+|weight_\d+|_config\.json)$")
"""The members without which an archive holds no network."""


class _Code:
    def __init__(self, call: Callable[..., object], *arguments: object) -> None:
        self._made = call, arguments

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return self._made


def code_pickle(stream: Random, canary: str) -> bytes:
    """Return a pickle that writes the canary, in one of several ways, when it is loaded."""
    import os
    import subprocess

    ways: tuple[object, ...] = (
        _Code(os.system, f"touch {canary}"),
        _Code(subprocess.call, ["touch", canary]),
        _Code(exec, f"open({canary!r}, 'w').close()"),
        _Code(eval, f"open({canary!r}, 'w')"),
        _Code(open, canary, "w"),
        _Code(os.mkdir, canary),
        _Code(getattr, _Code(__import__, "os"), "getcwd"),
    )
    made = stream.choice(ways)
    return pickle.dumps({"conv.weight": made, "conv.bias": made}, stream.choice((0, 2, 4)))


def mutate_archive(stream: Random, data: bytes, canary: str) -> tuple[bytes, str, bool]:
    """Change a zip archive; return it, what was done, and whether it may still be a sound one."""
    kind = stream.choice(
        ("bytes", "member", "member", "json", "json", "code", "add", "drop", "double", "bomb",
        "link",
         "pack", "swap", "join")
    )  # fmt: skip
    if kind == "bytes":
        return *mutate_bytes(stream, data), True
    if kind == "join":
        return data + data, "the archive twice", True
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = [(info, archive.read(info)) for info in archive.infolist()]
    place = stream.randrange(len(members))
    texts = [i for i, (info, _) in enumerate(members) if info.filename.endswith(".json")]
    if kind == "json" and texts:
        place = stream.choice(texts)
    info, content = members[place]
    note, sound, packing = f"{kind} {info.filename}", True, zipfile.ZIP_STORED
    if kind == "json" and texts:
        text, note = mutate_json(stream, content.decode())
        members[place] = info, text.encode(errors="surrogatepass")
        note = f"{info.filename}: {note}"
    elif kind in ("member", "json"):
        changed, how = mutate_bytes(stream, content)
        members[place], note = (info, changed), f"{info.filename}: {how}"
    elif kind == "code":
        pickles = [i for i, (m, _) in enumerate(members) if m.filename.endswith((".pkl", ".pt"))]
        place = stream.choice(pickles or [place])
        members[place] = members[place][0], code_pickle(stream, canary)
        note = f"code in {members[place][0].filename}"
    elif kind == "add":
        name = stream.choice(NAMES)
        members.append((zipfile.ZipInfo(name), stream.choice((b"", code_pickle(stream, canary)))))
        note = f"added {name!r:.40}"
    elif kind == "drop":
        del members[place]
        sound = not NEEDED.search(info.filename)
    elif kind == "double":
        members.append((info, mutate_bytes(stream, content)[0]))
    elif kind == "bomb":
        members[place], packing = (info, bytes(BOMB)), zipfile.ZIP_DEFLATED
    elif kind == "link":
        link = zipfile.ZipInfo(info.filename)
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        members[place] = link, b"/etc/passwd"
    elif kind == "pack":
        packing = stream.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    else:
        other = stream.randrange(len(members))
        members[place], members[other] = (
            (info, members[other][1]),
            (members[other][0], content),
        )
        note = f"swapped {info.filename} and {members[other][0].filename}"
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", packing) as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of names that repeat, which is meant
        for info, content in members:
            info.compress_type = packing
            archive.writestr(info, content)
    return target.getvalue(), note, sound
