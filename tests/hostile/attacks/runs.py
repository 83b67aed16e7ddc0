"""Hostile run directories: rows, tables, provenance, unfinished runs, galleries."""

from __future__ import annotations

import gzip
import os
from contextlib import suppress
from pathlib import Path
from random import Random

import numpy as np
from safetensors.numpy import load, save

from tests.hostile.attacks.archives import code_pickle
from tests.hostile.attacks.checkpoints import mutate_safetensors
from tests.hostile.attacks.commands import read_run
from tests.hostile.attacks.hdf5 import mutate_hdf5
from tests.hostile.mutation import NUMBERS, mutate_bytes, mutate_csv, mutate_json
from tests.hostile.sandbox import Attack, Sandbox
from tests.hostile.seeds import MEASURE

__all__ = ["galleries", "provenance", "rows", "shards", "tables"]

READERS = {
    "influence.csv": ("omega", "omega", "mutes", "seeds", "plot", "report", "compare", "power",
    "gallery"),
    "performance.csv": ("performance", "performance", "classes", "plot", "report", "compare",
    "seeds"),
    "samples.csv.gz": ("samples", "samples", "report", "gallery", "maps", "power"),
    "interactions.csv": ("interactions", "interactions", "plot", "report"),
    "distance.csv": ("mutes", "plot", "report"),
}  # fmt: skip
"""The commands that read a table."""


def _printed(stream: Random) -> str:
    return stream.choice(("utf-8", "utf-8", "utf-8", "latin-1"))


def rows(stream: Random, box: Sandbox) -> Attack:
    """Rows from which results are computed anew."""
    path = box.take("run") / "rows.h5"
    if stream.random() < 0.35:
        data, note = mutate_bytes(stream, path.read_bytes())
        path.write_bytes(data)
    else:
        note, _ = mutate_hdf5(stream, path)
    arguments, writes = read_run(
        stream, box, own=("compare", "compare", "power", "seeds", "report")
    )
    return Attack(arguments, note, writes, encoding=_printed(stream))


def tables(stream: Random, box: Sandbox) -> Attack:
    """Tables with other cells, columns, rows or ways of writing them; links, devices."""
    folder = box.take("run")
    present = [name for name in READERS if (folder / name).exists()]
    name = stream.choice(present)
    path = folder / name
    packed = name.endswith(".gz")
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    kind = stream.choice(
        ("cells",) * 12 + ("bytes", "bytes", "link", "folder", "pipe", "packed", "wide")
    )
    if kind == "cells":
        text, note = mutate_csv(stream, data.decode())
        changed = text.encode(stream.choice(("utf-8",) * 9 + ("utf-16",)), errors="surrogatepass")
        path.write_bytes(gzip.compress(changed, mtime=0) if packed else changed)
    elif kind in ("bytes", "packed", "wide"):
        changed, note = mutate_bytes(stream, path.read_bytes())
        if kind == "packed":  # a table that unpacks to much more than it takes
            changed, note = gzip.compress(bytes(2**26), mtime=0), "64 MB of zeros, packed"
        elif kind == "wide":
            changed, note = b"a," * 200_000 + b"\n" + b"1," * 200_000, "200,000 columns"
        path.write_bytes(changed)
    else:
        path.unlink()
        note = _replace(stream, path, kind)
    if stream.random() < 0.3:
        (folder / "run.json").unlink()
        note += "; without run.json"
    arguments, writes = read_run(stream, box, own=READERS[name])
    return Attack(arguments, f"{name}: {note}", writes, encoding=_printed(stream))


def _replace(stream: Random, path: Path, kind: str) -> str:
    """Put something else in the place of a file."""
    if kind == "link":
        target = stream.choice(
            ("/dev/zero", "/dev/full", "/etc/passwd", path.name, "../../outside/notes.txt")
        )
        path.symlink_to(target)
        return f"a link to {target}"
    if kind == "folder":
        path.mkdir()
    else:
        os.mkfifo(path)
    return f"a {kind}"


def provenance(stream: Random, box: Sandbox) -> Attack:
    """The record of how a run was measured."""
    path = box.take("run") / "run.json"
    note = ""
    if stream.random() < 0.1:
        path.unlink()
        note = _replace(stream, path, stream.choice(("link", "folder", "pipe")))
    elif stream.random() < 0.1:
        data, note = mutate_bytes(stream, path.read_bytes())
        path.write_bytes(data)
    else:
        text, note = mutate_json(stream, path.read_text(), stream.choice((None, "measured")))
        path.write_bytes(text.encode(errors="surrogatepass"))
    own = ("report", "report", "compare", "power", "gallery", "maps", "measure", "omega", "seeds")
    arguments, writes = read_run(stream, box, own=own)
    return Attack(arguments, note, writes, encoding=_printed(stream))


def shards(stream: Random, box: Sandbox) -> Attack:
    """What an interrupted run has left, and another one goes on from."""
    for name in ("net.pt2", "data.h5", "unfinished"):
        box.take(name)
    folder = box.work / "unfinished" / "unfinished"
    arrays = sorted(folder.glob("*.safetensors"))
    texts = sorted(folder.glob("*.json"))
    kind = stream.choice(
        ("text", "text", "text", "array", "values", "values", "code", "lost", "link", "name")
    )
    path, sound = stream.choice(texts if kind == "text" else arrays), True
    if kind == "text":
        text, note = mutate_json(stream, path.read_text())
        path.write_bytes(text.encode(errors="surrogatepass"))
    elif kind == "array":
        data, note = mutate_safetensors(stream, path.read_bytes())
        path.write_bytes(data)
    elif kind == "values":
        note = _change_values(stream, path)
    elif kind == "code":
        path.write_bytes(code_pickle(stream, str(box.canary)))
        note, sound = "a pickle", False
    elif kind == "lost":
        path = stream.choice([*arrays, *texts])
        path.unlink()
        note = "lost"
    elif kind == "link":
        path = stream.choice([*arrays, *texts])
        path.unlink()
        note = _replace(stream, path, stream.choice(("link", "folder", "pipe")))
    else:
        new = stream.choice(("9" * 30, "00000009", "٣", "-1", "1e5", "0x1")) + path.name[8:]
        path.rename(path.with_name(new))
        note = f"called {new}"
    arguments = ["measure", "net.pt2", "--data", "data.h5", *MEASURE, "--batch-size", "2",
                 "--out", "unfinished", "--resume"]  # fmt: skip
    return Attack(arguments, f"{path.name}: {note}", ("unfinished",), may_succeed=sound)


def _change_values(stream: Random, path: Path) -> str:
    """Change one array of a shard: a value, its type or its shape."""
    values = load(path.read_bytes())
    name = stream.choice(sorted(values))
    array = values.pop(name)
    kind = stream.choice(("value", "value", "type", "shape", "lost", "more"))
    if kind == "value":
        drawn = stream.choice([x for x in NUMBERS if not 1e308 < abs(x) < np.inf])
        array = array.copy()
        with suppress(ValueError, OverflowError):  # of integers
            array.flat[stream.randrange(array.size)] = drawn
        kind = f"holds {drawn}"
    elif kind == "type":
        array = np.zeros(array.shape, stream.choice(("f4", "i8", "u1", "bool", "f2")))
    elif kind == "shape":
        shape = stream.choice(((0,), (1,), (), array.shape[::-1], (1, *array.shape)))
        array = np.zeros(shape, array.dtype)
    elif kind == "more":
        array = np.concatenate([array.ravel()] * 3)
    path.write_bytes(save(values if kind == "lost" else values | {name: array}))
    return f"{name}: {kind}"


def galleries(stream: Random, box: Sandbox) -> Attack:
    """The pictures of a run and what is said of them, which a page shows."""
    folder = box.take("run") / "gallery"
    pictures = sorted(folder.glob("*.png"))
    kind = stream.choice(
        ("legend",) * 4 + ("table",) * 4 + ("picture", "picture", "link", "lost", "folder")
    )
    if kind == "legend":
        path = folder / "legend.json"
        text, note = mutate_json(stream, path.read_text())
        path.write_bytes(text.encode(errors="surrogatepass"))
    elif kind == "table":
        path = folder / "gallery.csv"
        text, note = mutate_csv(stream, path.read_text())
        path.write_bytes(text.encode(errors="surrogatepass"))
    elif kind == "picture":
        path = stream.choice(pictures)
        data, note = mutate_bytes(stream, path.read_bytes())
        path.write_bytes(data)
    else:
        path = stream.choice([*pictures, folder / "legend.json", folder / "gallery.csv"])
        path.unlink()
        note = "lost"
        if kind != "lost":
            note = _replace(stream, path, stream.choice(("link", "folder", "pipe")))
    own = ("report", "report", "report", "gallery")
    arguments, writes = read_run(stream, box, own=own)
    return Attack(arguments, f"{path.name}: {note}", writes)
