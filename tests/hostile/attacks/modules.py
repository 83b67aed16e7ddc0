"""Hostile modules of users: factories that fail, leave, or return what cannot be used."""

from __future__ import annotations

from random import Random

from tests.hostile.mutation import TEXTS
from tests.hostile.sandbox import Attack, Sandbox
from tests.hostile.seeds import MEASURE

__all__ = ["modules"]

HEAD = """
import os, sys, warnings
import numpy as np
import torch
NAN = torch.full((2, 1, 5, 6), torch.nan)
from tests.toy import Toy, batches, joint, toy
"""

BAD = {
    "raises": "raise RuntimeError('\\x1b[2J no')",
    "raises long": "raise ValueError('x' * 100_000)",
    "raises nothing": "raise Exception",
    "raises lines": "raise Exception('a\\n' * 1000)",
    "leaves": "sys.exit()",
    "leaves with 0": "sys.exit(0)",
    "leaves with a text": "sys.exit('text')",
    "leaves with 7": "sys.exit(7)",
    "interrupts itself": "raise SystemExit(None)",
    "asserts": "assert False",
    "recurses": "return make()",
    "asks for memory": "raise MemoryError",
    "stops": "raise StopIteration",
    "ends a generator": "raise GeneratorExit",
    "returns nothing": "return None",
    "returns a text": "return 'text'",
    "returns a number": "return 1e308",
    "returns a class": "return Toy",
    "returns a module": "return Toy()",
    "returns a list": "return [None]",
    "returns itself": "return make",
    "returns a dictionary": "return {'x': 1}",
    "reads": "return input()",
}  # fmt: skip
"""Bodies of factories that no command can use."""

NETWORKS = {
    "module fails": "net = toy(); net.module = Fails(RuntimeError('x' * 5000)); return net",
    "module leaves": "net = toy(); net.module = Fails(SystemExit(0)); return net",
    "module interrupts": "net = toy(); net.module = Fails(GeneratorExit()); return net",
    "module returns nothing": "net = toy(); net.module = Gives(None); return net",
    "module returns text": "net = toy(); net.module = Gives('x'); return net",
    "module returns NaN": "net = toy(); net.module = Gives((NAN, NAN)); return net",
    "module returns one": "net = toy(); net.module = Gives(torch.zeros(2, 1, 5, 6)); return net",
    "module returns shapes": "net = toy(); net.module = Gives((NAN[0], NAN[0, 0])); return net",
    "module in a loop": "net = toy(); net.module.conv.me = net.module; return net",
    "name": "net = toy(); net.name = TEXT; return net",
    "name is none": "net = toy(); net.name = None; return net",
    "seed": "net = toy(); net.seed = -(2 ** 70); return net",
    "no module": "net = toy(); net.module = None; return net",
    "no inputs": "net = toy(); net.inputs = []; return net",
    "notes": "net = toy(); net.notes = TEXT; return net",
    "chdir": "os.chdir('/'); return toy()",
}  # fmt: skip

DATA = {
    "nothing": "return []",
    "empty batches": "return [({}, {})]",
    "numbers": "return [1, 2, 3]",
    "texts": "return 'text'",
    "fails later": "return Later()",
    "leaves later": "return Later(SystemExit(0))",
    "other lengths": "b = batches(); b[1][0]['depth'] = b[1][0]['depth'][:1]; return b",
    "NaN": "b = batches(); b[0][0]['depth'][:] = torch.nan; return b",
    "infinite": "b = batches(); b[0][0]['depth'][:] = torch.inf; return b",
    "huge": "b = batches(); b[0][0]['depth'][:] = 3e38; return b",
    "huge truth": "b = batches(); b[0][1]['depth'][:] = 3e38; return b",
    "labels": "b = batches(); b[0][1]['semantic'][:] = 2 ** 40; return b",
    "negative labels": "b = batches(); b[0][1]['semantic'][:] = -7; return b",
    "types": "b = batches(); b[0][0]['depth'] = b[0][0]['depth'].to(torch.complex64); return b",
    "meta": "b = batches(); b[0][0]['depth'] = b[0][0]['depth'].to('meta'); return b",
    "sparse": "b = batches(); b[0][0]['depth'] = b[0][0]['depth'].to_sparse(); return b",
    "names": "return [({TEXT: x['depth'], **x}, y) for x, y in batches()]",
    "ids": "return [(x, y, {'ids': [TEXT] * len(x['depth'])}) for x, y in batches()]",
    "own ids": "return [(x, y, {'ids': [f'{TEXT}{i}{j}' for j in range(len(x['depth']))]})"
               " for i, (x, y) in enumerate(batches())]",
    "groups": "return [(x, y, {'groups': [None, TEXT] * len(x['depth'])}) for x, y in batches()]",
    "a generator": "yield from batches()",
    "endless, but wrong": "yield from iter(int, 1)",
    "chdir": "os.chdir('/'); return batches()",
    "objects": "return [(object(), object())]",
    "no length": "return iter(batches())",
    "wrong length": "return Longer(batches())",
}  # fmt: skip

TOOLS = """
class Fails(torch.nn.Module):
    def __init__(self, error):
        super().__init__()
        self.error = error
    def forward(self, *args, **kwargs):
        raise self.error

class Gives(torch.nn.Module):
    def __init__(self, made):
        super().__init__()
        self.made = made
    def forward(self, *args, **kwargs):
        return self.made

class Later:
    def __init__(self, error=OSError('gone')):
        self.error = error
    def __iter__(self):
        yield batches()[0]
        raise self.error

class Longer(list):
    def __len__(self):
        return 10 ** 9
"""

OUTSIDE = {
    "syntax": "def make(:",
    "leaves when imported": "import sys\nsys.exit()",
    "fails when imported": "1 / 0",
    "empty": "",
    "bytes": "\0\0\0",
    "warns": "import warnings\nwarnings.warn('\\x1b[2J')\ndef make():\n    return 1",
    "imports itself": "import mine\nmine.make",
    "name is a text": "make = 'text'",
    "name is none": "make = None",
}  # fmt: skip
"""Whole modules that give nothing."""


def modules(stream: Random, box: Sandbox) -> Attack:
    """Modules that the user names, for a network, data, a mute or a metric."""
    role = stream.choice(("network", "network", "data", "data", "data", "mute", "metric"))
    kind = stream.choice(("bad", "module", "own", "own", "own"))
    sound = False
    if kind == "module":
        note = stream.choice(sorted(OUTSIDE))
        text = OUTSIDE[note]
    else:
        bodies = {"network": NETWORKS, "data": DATA}.get(role, BAD) if kind == "own" else BAD
        note = stream.choice(sorted(bodies))
        sound = bodies is not BAD or role in ("mute", "metric") or note == "returns a module"
        takes = "*args" if role in ("mute", "metric") else ""
        made = f"TEXT = {stream.choice(TEXTS)!r}\ndef make({takes}):\n    {bodies[note]}\n"
        text = f"{HEAD}{TOOLS}\n{made}"
    (box.work / "mine.py").write_text(text, encoding="utf-8")
    box.take("net.pt2")
    box.take("data.h5")
    data = stream.choice((["--limit", "4"], ["--stream"], []))
    arguments = {
        "network": stream.choice((
            ["show", "mine:make"],
            ["measure", "--network", "mine:make", "--data", "data.h5", *MEASURE, "--out", "out"],
        )),
        "data": ["measure", "net.pt2", "--data", "mine:make", *MEASURE, "--out", "out", *data],
        "mute": ["measure", "net.pt2", "--data", "data.h5", *MEASURE, "--mute", "mine:make",
        "--out", "out"],
        "metric": ["measure", "net.pt2", "--data", "data.h5", *MEASURE, "--metric",
        "depth=mine:make",
                   "--out", "out"],
    }[role]  # fmt: skip
    if note in ("leaves", "leaves with 0", "interrupts itself", "leaves when imported",
                "module leaves", "leaves later"):  # fmt: skip
        sound = False
    if note == "name is none" and kind == "own":
        sound = True
    if note == "module leaves" and "show" in arguments:  # which does not run it
        sound = True
    return Attack(arguments, f"{role}: {note}", ("out",), may_succeed=sound)
