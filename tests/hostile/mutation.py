"""Mutations: bytes, JSON and CSV that are changed by a stream of random numbers."""

from __future__ import annotations

import copy
import csv
import io
import json
from collections.abc import Iterator
from random import Random
from typing import Any

__all__ = ["NUMBERS", "TEXTS", "VALUES", "mutate_bytes", "mutate_csv", "mutate_json"]

TEXTS = (
    "", " ", ".", "..", "../outside/notes.txt", "../" * 12 + "etc/passwd", "/etc/passwd",
    "/dev/zero", "x" * 300, "x" * 100_000, "é" * 200, "a\0b", "a\nb", "a\r\nb",
    "\x1b[2J\x1b]0;owned\x07", "\x9b31m", "\u202egnp.exe", "\u2066left\u2069", "\u2028", "\ufeff",
    "\ud800", "=1+1", '=HYPERLINK("http://x")', "@SUM(A1)", "+1", "-1", "-", "nan", "inf", "None",
    "true", "%s%n%d", "{0}", "${HOME}", "$(touch ../canary)", "`touch ../canary`",
    "<script>alert(1)</script>", "</script>", "'\"", "a,b", "a+b", "a:b", "a/b", "a=b", "edge:conv",
    "zero", "depth", "class:floor", "1e309", "0x10", "１２", "\u200b",
)  # fmt: skip
"""Texts that break what expects a name."""

NUMBERS: tuple[Any, ...] = (
    float("nan"), float("inf"), float("-inf"), 1e308, -1e308, 5e-324, -1, 0, 1, -0.0, 0.5, 2**31,
    2**63, -(2**63) - 1, 2**64, 10**400, 1e-300, 3, 10**9,
)  # fmt: skip
"""Numbers that break what expects a count or a measured value."""


class _Raw(str):
    """JSON that no dumper writes: a text that stands for itself."""


RAW = tuple(
    _Raw(text)
    for text in (
        "[" * 10_000 + "]" * 10_000, '{"a":' * 10_000 + "1" + "}" * 10_000, "1" * 5000, "1e999",
        "-1e999", "", "nul", "'x'", '"\\ud800"', '"\\u0000"', "[1,]", "// note", '"\t"',
    )
)  # fmt: skip

VALUES: tuple[Any, ...] = (
    *TEXTS, *NUMBERS, *RAW, None, True, False, [], {}, [[]], [None], {"": 0}, [0] * 1000, ["x", 1],
    {"name": "x"},
)  # fmt: skip
"""Values that break what expects another one."""


def mutate_bytes(stream: Random, data: bytes, times: int | None = None) -> tuple[bytes, str]:
    """Flip, cut, insert or repeat bytes, once or a few times; return them and what was done."""
    notes = []
    for _ in range(times or stream.choice((1, 1, 1, 2, 8))):
        start = stream.randrange(len(data)) if data else 0
        length = min(stream.choice((1, 2, 4, 16, 300)), len(data) - start)
        kind = stream.choice(("flip", "set", "cut", "insert", "repeat", "end", "zero"))
        notes.append(f"{kind} {length} bytes at {start}")
        middle = data[start : start + length]
        if kind == "flip":
            middle = bytes(b ^ (1 << stream.randrange(8)) for b in middle)
        elif kind == "set":
            middle = stream.randbytes(length)
        elif kind == "zero":
            middle = stream.choice((b"\0", b"\xff")) * length
        elif kind == "cut":
            middle = b""
        elif kind == "insert":
            middle = stream.randbytes(length) + middle
        elif kind == "repeat":
            middle *= stream.choice((2, 3, 1000))
        data = data[:start] if kind == "end" else data[:start] + middle + data[start + length :]
    return data, "; ".join(notes)


def mutate_json(stream: Random, text: str, under: str | None = None) -> tuple[str, str]:
    """Replace, remove, double, rename or move one value of a JSON text, or several.

    Parameters
    ----------
    stream
        The random numbers.
    text
        The sound text.
    under
        Change only what lies under this key of the outermost object.
    """
    tree = json.loads(text)
    notes = []
    for _ in range(stream.choice((1, 1, 1, 1, 2, 3))):
        places = [p for p in _places(tree) if under is None or (p and p[0] == under)] or [()]
        # Deep places are many, and outer ones as telling.
        depth = stream.choice(sorted({len(place) for place in places}))
        place = stream.choice([p for p in places if len(p) == depth])
        tree, note = _change(stream, tree, place)
        notes.append(f"{'/'.join(map(str, place)) or 'all'}: {note}")
    return _dump(tree), "; ".join(notes)


def _places(tree: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield above
    items = enumerate(tree) if isinstance(tree, list) else ()
    for key, value in tree.items() if isinstance(tree, dict) else items:
        yield from _places(value, (*above, key))


def _change(stream: Random, tree: Any, place: tuple[Any, ...]) -> tuple[Any, str]:
    kind = stream.choice(("replace", "replace", "replace", "remove", "double", "rename", "wrap"))
    value = copy.deepcopy(stream.choice(VALUES))
    shown = f"{value!r:.40}"
    if not place:
        return (value, f"is {shown}") if kind == "replace" else ([tree], "in a list")
    tree = copy.deepcopy(tree)
    parent = tree
    for key in place[:-1]:
        parent = parent[key]
    key = place[-1]
    if kind == "replace":
        parent[key] = value
        return tree, f"is {shown}"
    if kind == "remove":
        del parent[key]
        return tree, "removed"
    if kind == "wrap":
        parent[key] = stream.choice(([parent[key]], {"x": parent[key]}, [parent[key]] * 300))
        return tree, "wrapped"
    if isinstance(parent, list):
        parent.append(copy.deepcopy(parent[key]))
        return tree, "repeated"
    if kind == "double":
        parent[_Twice(key)] = value
        return tree, f"again, as {shown}"
    new = stream.choice(TEXTS)
    parent[new] = parent.pop(key)
    return tree, f"called {new!r:.40}"


class _Twice(str):
    """A key that is another one for Python, and the same in JSON."""

    def __hash__(self) -> int:
        return 0

    def __eq__(self, other: object) -> bool:
        return self is other

    def __deepcopy__(self, memo: object) -> _Twice:
        return self


def _dump(tree: Any) -> str:
    if isinstance(tree, _Raw):
        return str(tree)
    if isinstance(tree, dict):
        inside = ", ".join(f"{_dump(str(k))}: {_dump(v)}" for k, v in tree.items())
        return "{" + inside + "}"
    if isinstance(tree, list):
        return "[" + ", ".join(map(_dump, tree)) + "]"
    return json.dumps(tree)


def mutate_csv(stream: Random, text: str) -> tuple[str, str]:
    """Change cells, columns or rows of a table, or how it is written."""
    header, *rows = list(csv.reader(io.StringIO(text)))
    notes = []
    for _ in range(stream.choice((1, 1, 1, 2, 3))):
        column = stream.randrange(len(header)) if header else 0
        row = stream.randrange(len(rows)) if rows else 0
        kind = stream.choice(
            ("cell", "cell", "cell", "cell", "column", "column", "drop", "double", "rename", "rows")
        )
        value = str(stream.choice((*TEXTS, *NUMBERS)))
        name = header[column] if header else ""
        notes.append(f"{kind} {name} {value!r:.40}")
        if not header or not rows:
            continue
        if kind == "cell":
            rows[row][column : column + 1] = [value]
        elif kind == "column":
            for cells in rows:
                cells[column : column + 1] = [value]
        elif kind == "drop":
            for cells in (header, *rows):
                del cells[column : column + 1]
        elif kind == "double":
            for cells in (header, *rows):
                cells += cells[column : column + 1]
        elif kind == "rename":
            header[column] = value
        else:
            ways = [[], rows * 2, rows[:1], [*rows, rows[row]], [*rows, ["x"]], [[""]]]
            rows = stream.choice(ways)
    target = io.StringIO()
    csv.writer(target, lineterminator="\n").writerows([header, *rows])
    text = target.getvalue()
    if stream.random() < 0.15:
        kind = stream.choice(("empty", "header", "semicolons", "mark", "quote", "nul", "long"))
        notes.append(kind)
        changed = {
            "empty": "", "header": text.partition("\n")[0], "semicolons": text.replace(",", ";"),
            "mark": "\ufeff" + text, "quote": text.replace(",", ',"', 1), "nul": text.replace("0",
            "\0"),
            "long": text + "x," * 100_000,
        }  # fmt: skip
        text = changed[kind]
    return text, "; ".join(notes)
