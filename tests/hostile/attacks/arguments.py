"""Hostile arguments of every command, beside sound files. No system passes NUL in an argument."""

from __future__ import annotations

import os
import stat
from random import Random

import click

from tests.hostile.mutation import NUMBERS, TEXTS
from tests.hostile.sandbox import Attack, Sandbox
from tests.hostile.seeds import FACTORY, MEASURE

__all__ = ["arguments"]

SOUND: dict[str, tuple[list[str], tuple[str, ...]]] = {
    "measure": (["net.pt2", "--data", "data.h5", *MEASURE, "--out", "out"], ("out",)),
    "show": (["net.pt2"], ()),
    "table": (["omega", "run"], ()),
    "plot": (["matrix", "run", "--out", "figure.png"], ("figure.png",)),
    "report": (["run", "--out", "page.html"], ("page.html",)),
    "compare": (["run", "other", "--out", "compared.csv"], ("compared.csv",)),
    "power": (["run", "--out", "power.csv"], ("power.csv",)),
    "gallery": (["run", "net.pt2", "--data", "data.h5", "--top", "1"], ("run/gallery",)),
    "maps": (["--ckpt", "net.pt2", "--data", "data.h5", "--source", "depth", "--target", "semantic",
              "--mute", "zero", "--id", "sample 0", "--out", "maps.h5"], ("maps.h5",)),
    "optimal": (["net.pt2", "--data", "data.h5", "--steps", "1", "--out", "new.pt2"], ("new.pt2",)),
}  # fmt: skip
"""A sound use of each command, and what it writes."""

FILES = {
    "measure": ("net.pt2", "data.h5"), "show": ("net.pt2",), "table": ("run",), "plot": ("run",),
    "report": ("run",), "compare": ("run", "other"), "power": ("run",),
    "gallery": ("run", "net.pt2", "data.h5"), "maps": ("run", "net.pt2", "data.h5"),
    "optimal": ("net.pt2", "data.h5"),
}  # fmt: skip

PATHS = (
    "", ".", "..", "/", "/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "pipe", "nowhere",
    "folder", "folder/", "data.h5", "data.h5/x", "net.pt2", "run", "run/influence.csv", "loop",
    "dangling", "../outside/notes.txt", "/proc/self/mem", "/proc/self/environ", "x" * 300,
    "x/" * 2000, "~", "-", "*", "a\nb", "\x1b[2J", "\udcff", "CON", "x.png", "x.html", "x.csv",
    "x.pt2", "x.h5", "readonly/x.csv", FACTORY, "os:getcwd", "sys:exit", "builtins:print",
    "tests.toy:batches", "nope:nope", ":", "a:", ":b", "os:abort.__doc__", "mine:make", "\u202ex",
)  # fmt: skip
"""Values that break what expects a path or a factory."""

WORDS = (
    "zero,,mean", "zero,zero", ",", "depth=", "=depth", "depth=1,1", "depth=nan", "depth=inf,-inf",
    "depth=1e400", "region=-1", "region=0", "region=1e9", "group", "group,group", "depth=rms,rms",
    "depth=nope", "nope=rms", "depth=a:b", "constant:", "constant:nan", "constant:1e400",
    "constant:x", "edge:", "edge:nope", "edge:.", "all", "class:*", "[", "depth:rms=1",
    "depth:rms=nan+-nan", "depth:rms=1+--1", "depth:rms=1e999+-1", "inputs/depth=0", "targets/=x",
    "cuda:99", "meta", "mps", "toy=toy", "toy#0=toy", "network", "panel,panel", "auto", "off",
    "weights", "sample 0,sample 0",
)  # fmt: skip
"""Values that break what expects names, pairs or levels."""

COUNTS = (
    "0", "1", "2", "-1", "1e9", "1000000000", "99999999999999999999", "1.5", "nan", "inf", "-inf",
    "1e400", "0x10", "１", "", " ", "1_000", "+1", "1e-300", "0.999999999999", "5e-324",
    "2147483648",
)  # fmt: skip


def arguments(stream: Random, box: Sandbox) -> Attack:
    """Options with values that are no such values, given twice, to commands that lack them."""
    name = stream.choice(sorted(SOUND))
    words, writes = list(SOUND[name][0]), list(SOUND[name][1])
    if stream.random() < 0.03:
        return Attack([name, *words], f"{name} in a folder that is gone", tuple(writes), lost=True)
    for file in FILES[name]:
        box.take(file)
    _lay_traps(box)
    times = stream.choice((1, 1, 1, 2, 3))
    notes = [_change(stream, name, words, writes) for _ in range(times)]
    encoding = stream.choice(("utf-8", "utf-8", "latin-1"))
    return Attack([name, *words], f"{name}: {'; '.join(notes)}", tuple(writes), encoding=encoding)


def _lay_traps(box: Sandbox) -> None:
    os.mkfifo(box.work / "pipe")
    (box.work / "folder").mkdir()
    (box.work / "loop").symlink_to("loop")
    (box.work / "dangling").symlink_to("../outside/missing")
    (box.work / "readonly").mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    (box.work / "mine.py").write_text("def make():\n    return 3\n")


def _options(name: str) -> list[click.Option]:
    from influence.cli import main

    command = main.get_command(click.Context(main), name)
    assert command
    return [param for param in command.params if isinstance(param, click.Option)]


def _change(stream: Random, name: str, words: list[str], writes: list[str]) -> str:
    """Give an option another value, add one, or change, add or remove an argument."""
    kind = stream.choice(("option",) * 8 + ("argument",) * 3 + ("remove", "flag", "repeat"))
    if kind == "option":
        option = stream.choice(_options(name))
        flag = stream.choice(option.opts)
        if option.is_flag:
            words.append(flag)
            return flag
        value = _value(stream, option)
        if option.name in ("out", "figure"):
            # What stands at a path that is no file of the user's may be written.
            value = value if not value.startswith(("/", "..", "~")) else f"new/{len(value)}"
            writes.append(value or ".x")
        if flag in words and stream.random() < 0.8:
            words[words.index(flag) + 1] = value
        else:
            words += [flag, value]
        return f"{flag} {value!r:.60}"
    places = [i for i, word in enumerate(words) if not word.startswith("--")
              and (i == 0 or not words[i - 1].startswith("--"))]  # fmt: skip
    if kind == "argument" and places:
        value = stream.choice((*PATHS, *TEXTS[:20])).replace("\0", "")
        words[stream.choice(places)] = value
        return f"argument {value!r:.60}"
    if kind == "remove" and words:
        return f"without {words.pop(stream.randrange(len(words)))!r}"
    if kind == "repeat":
        words += words
        return "all twice"
    value = stream.choice(
        ("--help", "--nope", "--", "-x", "--version", "---", "--out=", "@file", "-h")
    )
    words.insert(stream.randrange(len(words) + 1), value)
    return f"with {value}"


def _value(stream: Random, option: click.Option) -> str:
    kind = option.type
    pools: tuple[tuple[str, ...], ...]
    if isinstance(kind, (click.types.IntParamType, click.types.FloatParamType)):
        pools = COUNTS, COUNTS, tuple(map(str, NUMBERS))
    elif isinstance(kind, click.Path) or option.name in (
        "ckpt",
        "data",
        "network",
        "training",
        "run",
    ):
        pools = PATHS, PATHS, TEXTS
    elif isinstance(kind, click.Choice):
        pools = tuple(map(str, kind.choices)), WORDS
    else:
        pools = WORDS, WORDS, TEXTS, PATHS
    return stream.choice(stream.choice(pools)).replace("\0", "")
