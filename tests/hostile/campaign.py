"""A campaign: many inputs of several kinds, what came of them, and a table by kind."""

from __future__ import annotations

import re
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.hostile.attacks import KINDS
from tests.hostile.client import LIMITS, Limits, Outcome, Server
from tests.hostile.sandbox import Attack, Sandbox
from tests.hostile.verdict import FAULTS, faults

__all__ = ["Result", "format_causes", "format_results", "make", "run", "run_one", "shares"]


@dataclass(frozen=True)
class Result:
    """What came of one input, which `kind` and `seed` make again."""

    kind: str
    seed: int
    attack: Attack = field(repr=False)
    outcome: Outcome = field(repr=False)
    faults: Mapping[str, str]

    def __str__(self) -> str:
        command = " ".join(["influence", *map(repr, self.attack.arguments)])
        found = "; ".join(f"{name}: {shown}" for name, shown in self.faults.items())
        again = f"python -m tests.hostile --kind {self.kind} --seed {self.seed}"
        return _visible(
            f"{found or 'no fault'}\n  {again}\n  {self.attack.note}\n  {command[:400]}"
        )


def make(kind: str, seed: int, box: Sandbox) -> Attack:
    """Make an input in a sandbox, the same one for the same kind and seed."""
    return KINDS[kind](Random(f"{kind} {seed}"), box)


def run_one(
    server: Server, kind: str, seed: int, seeds: Path, folder: Path, limits: Limits = LIMITS
) -> Result:
    """Make an input below a folder, run it, judge it, and remove it."""
    box = Sandbox(folder / "box", seeds)
    try:
        attack = make(kind, seed, box)
        box.watch()
        outcome = server.run(
            attack.arguments, box.root, limits=limits, encoding=attack.encoding, lost=attack.lost
        )
        return Result(kind, seed, attack, outcome, faults(attack, outcome, box, limits))
    finally:
        box.remove()


def shares(count: int, kinds: Sequence[str] = tuple(KINDS)) -> dict[str, int]:
    """Share a number of inputs among kinds, equally.

    >>> shares(5, ("a", "b"))
    {'a': 3, 'b': 2}
    """
    each, rest = divmod(count, len(kinds))
    return {kind: each + (i < rest) for i, kind in enumerate(kinds)}


def run(counts: Mapping[str, int], *, seed: int = 0, limits: Limits = LIMITS) -> Iterator[Result]:
    """Run inputs of each kind; the first is made from `seed`, the next from `seed + 1`, ..."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        folder = Path(name)
        with Server(folder / "seeds") as server:
            for kind, count in counts.items():
                for number in range(seed, seed + count):
                    yield run_one(server, kind, number, folder / "seeds", folder, limits)


def format_results(results: Sequence[Result]) -> str:
    """Print a table by kind: inputs, exit codes, and how many have each fault."""
    header = ["kind", "inputs", "exit 0", "exit 1", "exit 2", *FAULTS, "seconds"]
    lines = [header]
    for kind in [*dict.fromkeys(result.kind for result in results), "all"]:
        own = [result for result in results if kind in (result.kind, "all")]
        codes = Counter(result.outcome.code for result in own)
        found = Counter(name for result in own for name in result.faults)
        seconds = sum(result.outcome.seconds for result in own)
        counts = [len(own), *(codes[i] for i in range(3)), *(found[name] for name in FAULTS)]
        lines.append([kind, *map(str, counts), f"{seconds:.0f}"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    starts = [line[0].ljust(widths[0]) for line in lines]
    ends = [[c.rjust(w) for c, w in zip(line, widths, strict=True)][1:] for line in lines]
    return "\n".join("  ".join([start, *end]) for start, end in zip(starts, ends, strict=True))


def format_causes(results: Sequence[Result]) -> str:
    """List the faults by their cause, those that are seen most often first, with one seed each."""
    seen: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        for name, shown in result.faults.items():
            place = re.search(r"\(influence/.*\)$", shown)
            error = shown.partition(":")[0] if place else ""
            what = f"{error} {place[0]}" if place else shown if name == "control" else result.kind
            seen[f"{name}: {what}"].append(result)
    return _visible(
        "\n".join(
            f"{len(own):5d}  {cause}  [{own[0].kind} {own[0].seed}: {own[0].attack.note:.80}]"
            for cause, own in sorted(seen.items(), key=lambda item: -len(item[1]))
        )
    )


def _visible(text: str) -> str:
    return "".join(c if c.isprintable() or c == "\n" else f"<{ord(c):x}>" for c in text)
